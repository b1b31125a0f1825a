"""The pages hold to the code: links, commands, settings, events, and what they tell to type."""

import json
import os
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, get_args

import pytest
import typer

from ledger.events import EVENT_TYPES
from ledger.heartbeat import BEAT_TYPES
from orchestrator.cli.app import COMMANDS, command, load
from orchestrator.planning.plan_file import read_plan
from orchestrator.scripts import load_script as load_turns
from orchestrator.settings_rules import (
    OWN_KEYS,
    SHARED_FILE,
    problems_of_file,
)
from orchestrator.toml_lines import load_document
from workers.sandbox_offer import sandbox_offer
from workers.scripted import load_script
from workers.scripted_model.script import Script, Trouble, Turn

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
BIN = Path(sys.executable).parent
WITHIN_S = 120


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def fenced(page: Path, language: str) -> list[str]:
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", page.read_text("utf-8"))


def prose(page: Path) -> str:
    """The page without its blocks of code."""
    text = re.sub(r"(?ms)^(```|~~~).*?^\1$", "", page.read_text("utf-8"))
    return re.sub(r"(?m)^    .*$", "", text)


# --- links ------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the page's headings."""
    headings = re.findall(r"(?m)^#+ (.+)$", page.read_text("utf-8"))
    return {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_to_a_page_and_to_a_heading_of_it(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        assert "://" not in target, target
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


# --- commands ---------------------------------------------------------------------------------


def typed(page: Path) -> Iterator[str]:
    """Every orch command in the page's blocks; what follows two spaces is said about it."""
    text = re.sub(r"\\\n\s*", " ", page.read_text("utf-8"))
    yield from re.findall(r"\$\((orch [^)]+)\)", text)
    block = False
    for line in text.splitlines():
        if line.startswith(("```", "~~~")):
            block = not block
        elif (block or line.startswith("    ")) and (
            match := re.match(r"(?:[^#]*?[;)] +|\s*)(orch [a-z].*)$", line)
        ):
            yield match[1].split("  ")[0]


def mentioned(page: Path) -> list[str]:
    """Every orch command between backquotes, perhaps without its arguments."""
    return re.findall(r"`(orch [a-z][^`\n]*)`", prose(page))


def words_of(line: str) -> list[str]:
    """The words of one simple command, up to a comment, a pipe or the next command."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";|&<>)")
    lexer.whitespace_split, lexer.commenters = True, "#"
    words: list[str] = []
    for word in lexer:
        if word[0] in ";|&<>)":
            break
        words.append(word)
    return words


def parse(words: list[str]) -> None:
    """Let the command line read it, and do nothing."""
    if words[1:2] and words[1].startswith("-"):
        assert words[1] in ("--version", "--help", "--debug", "-h", "-V"), words
        return
    assert words[1] in COMMANDS, words
    one: Any = load(words[1])
    rest = words[2:]
    if below := getattr(one, "commands", None):
        if not rest:
            return
        one, rest = below[rest[0]], rest[1:]
    # A bare mention, as `orch retry` in a sentence, leaves its arguments out.
    if rest and rest not in (["--help"], ["-h"]):
        one.make_context(words[1], rest)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_that_a_page_tells_to_type_is_one(page: Path) -> None:
    if page.name == "cli.md":
        pytest.skip("it is made from the commands")
    for line, in_full in [(one, True) for one in typed(page)] + [
        (one, False) for one in mentioned(page)
    ]:
        try:
            parse(words_of(line))
        except (Exception, SystemExit) as error:
            said = getattr(error, "message", str(error))
            if in_full or not re.search(r"requires an argument|Missing", f"{error}{said}"):
                pytest.fail(f"{named(page)}: {line}: {said}")


def test_the_command_line_reads_what_the_pages_say() -> None:
    """The test above would notice."""
    for wrong in (["orch", "run", "--paralel", "2"], ["orch", "wait", "--for", "ever"]):
        with pytest.raises(Exception, match=r"paralel|ever"):
            parse(wrong)
    assert isinstance(command(), typer.core.TyperGroup)


# --- settings, plans, scripts -----------------------------------------------------------------


def toml_blocks() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for block in fenced(page, "toml"):
            yield page, block
        blocks = re.findall(r"(?m)(?:^    .*\n|^\n(?=    ))+", page.read_text("utf-8"))
        for block in blocks:
            lines = [line.removeprefix("    ") for line in block.strip("\n").split("\n")]
            if re.match(r"goal = |\[\[?\w", lines[0]):
                yield page, "\n".join(lines)


@pytest.mark.parametrize(("page", "block"), list(toml_blocks()), ids=lambda v: str(v)[-40:])
def test_every_piece_of_toml_is_what_orch_reads(page: Path, block: str, tmp_path: Path) -> None:
    file = tmp_path / "block.toml"
    file.write_text(block)
    data = tomllib.loads(block)
    if "goal" in data:
        assert read_plan(file).tasks
    elif "step" in data:
        assert load_script(file)
    elif "turn" in data:
        assert load_turns(file, file.name).turn
    else:
        assert data
        problems = problems_of_file(load_document(file, SHARED_FILE))
        assert [problem.render() for problem in problems] == []


def rows(page: Path) -> dict[str, str]:
    """The first two cells of every row of the page's tables."""
    found = re.findall(r"(?m)^\| `([^`|]+)` \| ([^|]*) \|", page.read_text("utf-8"))
    return dict(reversed(found))  # the first row of a name wins


def test_every_key_of_settings_and_plans_is_told_as_the_models_say() -> None:
    page = (DOCS / "reference" / "files.md").read_text("utf-8")
    build = runpy.run_path(str(DOCS / "build_settings_reference.py"))["build"]
    assert page == build(page), "python docs/build_settings_reference.py --write"
    assert ", ".join(f"`{key}`" for key in ("parallel", "gates_parallel", "worker")) in page
    assert all(f"`{key}`" in page for key in OWN_KEYS)


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ('| `when` | `"always"` or `"named"` | `"always"` |', "| `when` | text | none |"),
        ("| `debounce_s` | number, 0 to 3,600 | 2 |", "| `debounce_s` | number | 3 |"),
    ],
)
def test_a_table_that_the_models_do_not_say_is_made_right(was: str, now: str) -> None:
    page = (DOCS / "reference" / "files.md").read_text("utf-8")
    assert was in page
    build = runpy.run_path(str(DOCS / "build_settings_reference.py"))["build"]
    assert build(page.replace(was, now)) == page
    row = next(line for line in page.splitlines() if line.startswith(was))
    with pytest.raises(SystemExit, match="nothing is said of"):
        build(page.replace(f"{row}\n", "", 1))


def test_every_key_of_a_script_is_told_with_its_default() -> None:
    told = rows(DOCS / "reference" / "scripted-model.md")
    shown = {"": "none", (): "none", None: "none", "conversation": "`conversation`"}
    odd = {"models": '`["scripted"]`', "headers": "none", "stop": "by the calls"}
    odd |= {"usage": "by the sizes", **dict.fromkeys(("message", "kind", "code"), "by the status")}
    for model in (Script, Turn):
        for key, field in model.model_fields.items():
            if key != "turn":
                default = odd.get(key) or shown.get(field.default) or f"{field.default:g}"
                assert told[key] == default, key
    assert {"cut", "reset", "broken", "silence", "error", "huge"} == set(get_args(Trouble))
    assert set(get_args(Trouble)) <= set(told)


# --- reference --------------------------------------------------------------------------------


def test_the_page_of_the_events_is_as_the_code_says() -> None:
    made = runpy.run_path(str(DOCS / "build_reference.py"))["render_page"]()
    page = (DOCS / "reference" / "events.md").read_text("utf-8")
    assert page == made, "python docs/build_reference.py --write"
    assert set(EVENT_TYPES) | set(BEAT_TYPES) <= set(re.findall(r"(?m)^### (\w+)$", page))


def test_the_glossary_holds_the_words_and_no_others() -> None:
    text = (DOCS / "reference" / "glossary.md").read_text("utf-8")
    words = re.findall(r"(?m)^\*\*(\w+)\*\*:", text)
    told = "Goal Plan Task Worker Attempt Workspace Gate Verdict Checker Candidate Land Result"
    more = "Skill Digest Circle Base Trust Dialect Script Turn Provider"
    more += " Record Course Gateway Grant Budget Reservation Question Server Unattended Notify"
    more += " Forge Ticket Bundle"
    last = "Ledger Client Automation Trigger Firing Measure"
    assert " ".join(words) == f"{told} Target Accept Held Rejected Finding Weakened {more} {last}"


# --- what is told to be typed, typed ----------------------------------------------------------


def environ(folder: Path) -> dict[str, str]:
    (folder / ".gitconfig").write_text("[user]\nname = Ada\nemail = ada@example.invalid\n")
    if not sandbox_offer().works:
        (folder / ".config/orch").mkdir(parents=True, exist_ok=True)
        (folder / ".config/orch/orch.toml").write_text('[run]\nsandbox = "none"\n')
    return {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
    }


def type_in(script: str, folder: Path) -> str:
    """Let a shell do it; all that was said."""
    done = subprocess.run(
        ("sh", "-c", script),
        cwd=folder,
        env=environ(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    return done.stdout


def steady(line: str) -> str:
    """A line without what differs each time: dates, ids, times, counts of runs of gates."""
    line = re.sub(r"\b\d{8}-", "DATE-", line.rstrip())
    line = re.sub(r"\b(?=[a-f]*\d)[0-9a-f]{7,40}\b", "ID", line)
    line = re.sub(r"\b\d+(\.\d+)? s\b", "SECONDS", line)
    return re.sub(r"\b\d+ (landing|verdict)s?\b", r"N \1s", line)


def test_the_tutorial_is_as_it_happens(tmp_path: Path) -> None:
    page = DOCS / "tutorial" / "first-run.md"
    today = f"{date.today():%Y%m%d}-"
    script = "\n".join(re.sub(r"\b\d{8}-", today, block) for block in fenced(page, "sh"))
    said = type_in(script, tmp_path)
    happened = [steady(line) for line in said.splitlines()]
    for block in fenced(page, "text"):
        for line in map(steady, block.splitlines()):
            if line == "..." or re.match(r"\d\d:\d\d:\d\d |ID ", line):
                continue  # left out; or in an order that differs each time
            start, cut, _ = line.partition("...")
            assert any(
                found.startswith(start) if cut and start else found == line for found in happened
            ), f"{line}\n\nall of it:\n{said}"
    project = tmp_path / "tea" / "project"
    assert "str | None" in (project / "shop" / "manual.py").read_text()
    assert '"Optional[int]"' in (project / "shop" / "manual.py").read_text()
    assert "agrees" in said and "DISAGREE" not in said.upper().replace("AGREES", "")


@pytest.mark.thorough
def test_the_plan_without_a_model_in_the_readme_works_as_it_is_typed(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    blocks = re.findall(r"(?m)(?:^    .*\n)+", text)
    worker = next(block for block in blocks if "[worker.codemod]" in block)
    typed_there = next(block for block in blocks if "--for-each" in block).replace("\\\n", " ")
    commands = [line.split("#")[0].strip() for line in typed_there.splitlines()]
    project = tmp_path / "project"
    old = "from typing import Optional\n\nx: Optional[int] = None\n"
    for name in ("src/top.py", "src/core/a.py", "src/core/b.py", "src/api/c.py"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(old)
    (project / "Makefile").write_text("test:\n\tgrep -q None src/core/a.py\n")
    setup = "cd project && git init -q -b main && git add . && git commit -q -m first && orch init"
    type_in(setup, tmp_path)
    assert 'command = "make test"' in (project / SHARED_FILE).read_text()
    with (project / SHARED_FILE).open("a") as file:
        file.write("\n".join(line.removeprefix("    ") for line in worker.splitlines()) + "\n")
    said = type_in("cd project && set -ex\n" + "\n".join(commands), tmp_path)
    status = type_in("cd project && orch status --json", tmp_path)
    tasks = {task["id"]: task["status"] for task in json.loads(status)["tasks"]}
    assert set(tasks.values()) == {"landed"} and {"src-core", "src-api"} <= set(tasks), said
    for name in ("src/core/a.py", "src/core/b.py", "src/api/c.py"):
        assert "int | None" in (project / name).read_text(), said
