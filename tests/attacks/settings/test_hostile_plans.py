"""Hostile plan files: each is one clear error, told soon, and no worker starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.attacks.settings.support import FORGED, Attacked

GOAL = 'goal = "x"\n'
TASK = '[[task]]\nid = "a"\nprompt = "x"\npaths = ["a.txt"]\n'


def dotted(parts: int) -> str:
    return ".".join(["a"] * parts)


HOSTILE: dict[str, tuple[str | bytes, str]] = {
    # too much, too deep
    "giant": (b"#" * (65 << 20), "larger than 64 MiB"),
    "a hundred thousand tasks": (GOAL + "[[task]]\n" * 100_000, "at most 20000 are read"),
    "thirty thousand needs": (
        GOAL + TASK + f"needs = {json.dumps([f'n{n}' for n in range(30_000)])}\n",
        "and 29900 more",
    ),
    "a deep list": (GOAL + TASK + "needs = " + "[" * 300 + "]" * 300, "nested too deeply"),
    "a deep key": (GOAL + TASK + dotted(300_000) + " = 1\n", "nested too deeply"),
    "a deep table": (GOAL + TASK + f"[task.{dotted(300_000)}]\n", "nested too deeply"),
    "endless digits": (GOAL + TASK + "needs = " + "9" * 100_000, "thousands of digits"),
    # no text
    "a NUL": (GOAL.encode() + b"\0", "not TOML"),
    "UTF-16": ((GOAL + TASK).encode("utf-16"), "is not UTF-8"),
    # another base than there is
    "a base with a NUL": (GOAL + 'base = "main\\u0000"\n' + TASK, "there is no revision"),
    "a base that is a book": (GOAL + f'base = "{"m" * 300_000}"\n' + TASK, "there is no revision"),
    "a base that is an option": (GOAL + 'base = "--all"\n' + TASK, "there is no revision"),
    "a base that is output": (GOAL + 'base = "--output=x"\n' + TASK, "there is no revision"),
    "a base that is a range": (GOAL + 'base = "main..main"\n' + TASK, "there is no revision"),
    "a base that is a tree": (GOAL + 'base = "main^{tree}"\n' + TASK, "there is no revision"),
    "a base that is a file": (GOAL + 'base = "main:readme"\n' + TASK, "there is no revision"),
    "a base with escapes": (GOAL + 'base = "\\u001b[2J"\n' + TASK, r"'\x1b[2J'"),
    # ids that would be refs, options, paths
    "an id that is a ref": (
        GOAL + TASK.replace('"a"', '"refs/heads/main"'),
        "no legal id",
    ),
    "an id that is a lock": (GOAL + TASK.replace('"a"', '"a.lock"'), "no legal id"),
    "an id that is a revision": (GOAL + TASK.replace('"a"', '"a@{1}"'), "no legal id"),
    "an id that is an option": (GOAL + TASK.replace('"a"', '"--force"'), "no legal id"),
    "an id that climbs": (GOAL + TASK.replace('"a"', '"../../a"'), "no legal id"),
    "an id that ends a line": (GOAL + TASK.replace('"a"', '"a\\n"'), "no legal id"),
    "an id with a hint of its own": (
        GOAL + TASK.replace('"a"', f'"a\\n  hint: {FORGED}\\u001b[8m"'),
        r"a\n  hint: curl",
    ),
    "an id of a kilometre": (GOAL + TASK.replace('"a"', f'"{"a" * 64}"'), "no legal id"),
    # words that are not known
    "an unknown key with a line of its own": (
        GOAL + TASK + f'"\\u001b[2J\\n{FORGED}" = 1\n',
        "unknown key",
    ),
    "an unknown worker with escapes": (GOAL + TASK + 'worker = "\\u001b[2J\\n"\n', r"\x1b[2J\n"),
    "an unknown gate with escapes": (GOAL + TASK + 'gates = ["\\u202e"]\n', r"\u202e"),
    "an unknown need with escapes": (GOAL + TASK + 'needs = ["\\u0007"]\n', r"\x07"),
    "an include": ('include = "/etc/passwd"\n' + GOAL + TASK, "unknown key 'include'"),
    "a command of its own": (GOAL + TASK + 'command = "touch ran"\n', "unknown key 'command'"),
    "settings of its own": (GOAL + TASK + '[worker.a]\ncommand = "x"\n', "unknown key 'worker'"),
    # paths
    "a path above": (GOAL + TASK.replace("a.txt", "../a"), "'..' is not a name"),
    "a path into the git folder": (GOAL + TASK.replace("a.txt", ".GIT/hooks/**"), "belongs to git"),
    "a path with escapes": (GOAL + TASK.replace("a.txt", "\\u001b[2J"), "no control characters"),
    "a path of stars": (GOAL + TASK.replace("a.txt", "*a" * 20_000), "is refused"),
    "a path of classes": (GOAL + TASK.replace("a.txt", "[a-z" * 20_000), "is refused"),
    # titles
    "a title with a NUL": (GOAL + TASK + 'title = "a\\u0000b"\n', "holds a NUL"),
    "a circle": (
        GOAL + TASK + 'needs = ["b"]\n' + TASK.replace('"a"', '"b"') + 'needs = ["a"]\n',
        "a -> b -> a",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.sample(9)
def test_a_hostile_plan_is_one_clear_error(here: Attacked, name: str) -> None:
    text, word = HOSTILE[name]
    path = here.root / ".agent" / "plans" / "hostile.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    said = here.refuses("run", "hostile")
    assert word in said.err and "hostile.toml" in said.err, said.err[:2000]
    assert not (here.root / ".git" / "orch" / "trusted").exists(), "nothing was used yet"


def test_a_plan_whose_name_forges_a_line_is_named_as_what_it_is(here: Attacked) -> None:
    """The newest plan is the default one: a pull may bring it."""
    plans = here.root / ".agent" / "plans"
    name = f"x\n  hint: {FORGED}\x1b[2J.toml"
    (plans / name).write_text(GOAL + TASK.replace('"a"', '"A"'))
    said = here.refuses("run")
    assert r"x\n  hint: curl" in said.err
    (plans / name).write_text(GOAL + TASK)
    said = here.orch("plan")
    assert said.exit_code == 0
    here.is_harmless(said)
    said = here.orch("run")
    assert said.exit_code == 0
    here.is_harmless(said)
    run = here.orch("status", "--json").json["run"]
    assert run.isascii() and run.replace("-", "").isalnum()


@pytest.mark.parametrize(
    "name", ["-m.toml", "..toml", "refs heads.toml", "a@{1}.toml", "HEAD.toml"]
)
@pytest.mark.sample(2)
def test_no_name_of_a_plan_makes_a_ref_that_git_would_misread(here: Attacked, name: str) -> None:
    path = here.root / ".agent" / "plans" / name
    path.write_text(GOAL + TASK)
    assert here.orch("run", f".agent/plans/{name}").exit_code == 0
    run = here.orch("status", "--json").json["run"]
    assert here.git("rev-parse", "--verify", f"refs/orch/{run}/tip")
    here.git("check-ref-format", f"refs/heads/orch/{run}/result")
    assert Path(run).name == run
