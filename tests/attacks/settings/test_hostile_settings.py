"""Hostile settings files: each is one clear error, told soon, and nothing of it is executed."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.attacks.settings.support import FORGED, Attacked

RUNS = """
[[gate]]
name = "suite"
command = "touch {ran}"
[worker.scripted]
kind = "command"
command = "touch {ran}"
"""
"""What would be executed if the rest were passed over."""


def dotted(parts: int) -> str:
    return ".".join(["a"] * parts)


HOSTILE: dict[str, tuple[str | bytes, str]] = {
    # too much
    "giant": ("#" + "x" * (2 << 20), "larger than 1 MiB"),
    "giant of spaces": (" " * (2 << 20), "larger than 1 MiB"),
    "a hundred thousand gates": ("[[gate]]\n" * 100_000, "and 199900 more"),
    "fifty thousand keys": (
        "[run]\n" + "".join(f"k{n} = 1\n" for n in range(50_000)),
        "and 49900 more",
    ),
    "a giant key": (f'[run]\n"{"k" * 500_000}" = 1', "orch.toml:2: unknown key 'kkk"),
    "a giant value": (
        f'[[gate]]\nname = "a"\ncommand = "b"\nstage = "{"v" * 500_000}"',
        "orch.toml:4: 'stage' must be one of check, land",
    ),
    "a giant kind": (f'[worker.a]\nkind = "{"v" * 500_000}"\ncommand = "b"', "unknown kind"),
    # too deep
    "nested lists": ("[run]\nsetup = " + "[" * 300 + "]" * 300, "orch.toml:2: is nested too"),
    "lists without end": ("x = " + "[" * 500_000, "nested too deeply"),
    "nested tables": ("[run]\nx = " + "{a=" * 300 + "1" + "}" * 300, "nested too deeply"),
    "a dotted key": (f"[run]\n{dotted(400_000)} = 1", "orch.toml:2: is nested too deeply"),
    "a dotted header": (f"[run]\n[worker.{dotted(300_000)}]", "orch.toml:2: is nested too"),
    "quoted parts": ("[" + ".".join(['"a.]"'] * 60_000) + "]", "nested too deeply"),
    "deep below a gate": (f"[[gate]]\n[gate.{dotted(31)}.{dotted(1)}]", "nested too deeply"),
    "deep by mixing": (
        "[run." + dotted(20) + "]\n" + dotted(20) + " = [{" + dotted(20) + " = 1}]",
        "nested too deeply",
    ),
    # numbers
    "endless digits": ("[run]\nparallel = " + "9" * 100_000, "orch.toml:2: a number has thousands"),
    "endless hexadecimal": ("[run]\nparallel = 0x" + "f" * 100_000, "at most 256, not a number"),
    "infinity": ("[run]\ntimeout_s = 1e999", "orch.toml:2: 'timeout_s' must be a finite number"),
    "no number": ("[run]\nmin_free_gb = nan", "orch.toml:2"),
    "a date": ("[run]\nattempts = 2024-01-01", "not a date or time"),
    # no text
    "UTF-16": ("[run]\nparallel = 2\n".encode("utf-16"), "is not UTF-8 text"),
    "a bare NUL": (b"[run]\nparallel = 2\n\0", "orch.toml:3: not TOML"),
    "a bare escape": (b"[run]\nfix = ['\x1b[2J']\n", "orch.toml:2: not TOML"),
    "half a letter": (b"[run]\nfix = ['\xf0\x9f']\n", "orch.toml:2: is not UTF-8"),
    # NULs that TOML can say
    "a NUL in fix": ('[run]\nfix = ["a\\u0000b"]', "'fix' holds a NUL"),
    "a NUL in setup": ('[run]\nsetup = ["ok", "a\\u0000b"]', "'setup' holds a NUL"),
    "a NUL in a gate": ('[[gate]]\nname = "a"\ncommand = "a\\u0000b"', "holds a NUL"),
    "a NUL in a worker": ('[worker.a]\nkind = "command"\ncommand = "a\\u0000"', "holds a NUL"),
    "a NUL in env": ('[run]\nenv = ["A\\u0000B"]', "is no name of a variable"),
    "a NUL in copy": ('[run]\ncopy = ["a\\u0000b"]', "no control characters"),
    "a NUL in workspaces": ('[run]\nworkspaces = "/a\\u0000b"', "holds control characters"),
    # names
    "a key with a hint of its own": (
        f'[run]\n"x\'\\n  hint: {FORGED}\\u001b[8m" = 1',
        r"unknown key 'x'\n  hint: ",
    ),
    "a table that turns around": ('["\\u202egate"]\n', r"unknown key '\u202egate'"),
    "a worker with a line of its own": (
        f'[worker."a\\nerror: {FORGED}"]\nkind = "command"\ncommand = "x"',
        "is no legal name of a worker",
    ),
    "a worker that is a path": (
        '[worker."../../x"]\nkind = "command"\ncommand = "x"',
        "is no legal name of a worker",
    ),
    "a default worker that is an escape": ('[run]\nworker = "\\u001b[2J"', r"'\x1b[2J'"),
    "a default worker with a hint of its own": (
        f'[run]\nworker = "a\\n  hint: {FORGED}"',
        r"add a table [worker.a\n  hint: ",
    ),
    "a gate that is a path": ('[[gate]]\nname = "../x"\ncommand = "x"', "is no legal name"),
    "a gate that is an option": ('[[gate]]\nname = "--help"\ncommand = "x"', "is no legal name"),
    "a gate with a line's end": ('[[gate]]\nname = "a\\n"\ncommand = "x"', "is no legal name"),
    "a gate in other letters": ('[[gate]]\nname = "unіt"\ncommand = "x"', "is no legal name"),
    "two gates of one name": (
        '[[gate]]\nname = "a"\ncommand = "x"\n[[gate]]\nname = "a"\ncommand = "y"',
        "orch.toml:5: a second gate is called 'a'",
    ),
    # what would lead elsewhere
    "an include": ('include = ["/etc/passwd"]\n', "orch.toml:1: unknown key 'include'"),
    "an include in [run]": ('[run]\ninclude = "../other.toml"\n', "unknown key 'include'"),
    "a copy from above": ('[run]\ncopy = ["../../.ssh"]', "'..' is not a name"),
    "a copy of the git folder": ('[run]\ncopy = [".git"]', "'.git' belongs to git"),
    "a copy of everything": ('[run]\ncopy_gates = ["**"]', "is a pattern"),
    "git turned around": ('[run]\nenv = ["GIT_DIR"]', "is never passed on"),
    "orch turned around": ('[worker.a]\nkind="command"\ncommand="x"\nenv=["ORCH_MARK"]', "never"),
    "workspaces of nobody": ('[run]\nworkspaces = "~nobody-here/x"', "nobody is called so here"),
    "workspaces in the repository": ('[run]\nworkspaces = "{root}/w"', "lies in the repository"),
    "workspaces beside it": ('[run]\nworkspaces = "../w"', "must be a whole path"),
    "a report from above": (
        '[[gate]]\nname = "a"\ncommand = "x"\njunit = "../x.xml"',
        "'junit': '../x.xml' is refused",
    ),
    "a report from elsewhere": (
        '[[gate]]\nname = "a"\ncommand = "x"\njunit = "/etc/passwd"',
        "is no path of a file below",
    ),
    "a report with a NUL": (
        '[[gate]]\nname = "a"\ncommand = "x"\njunit = "a\\u0000.xml"',
        "no control characters",
    ),
    # what would open the sandbox unseen
    "a sandbox of another version": ("[sandbox]\nallow = ['/']\n", "unknown key 'allow'"),
    "a sandbox that nobody knows": ('[run]\nsandbox = "off"', "orch.toml:2: 'sandbox' must be one"),
    "a sandbox in two places": ('[sandbox]\nmode = "none"\n', "'mode' does not belong here"),
    "a place with a NUL": ('[sandbox]\nread = ["/a\\u0000"]\n', "holds control characters"),
    "a place with an option": ('[sandbox]\nwrite = ["--bind"]\n', "is no whole path"),
    "a place above": ('[sandbox]\nread = ["/home/../root"]\n', "is no whole path"),
    "a place of somebody's": ('[sandbox]\nread = ["~root/.ssh"]\n', "is no whole path"),
    "a host with a path": ('[sandbox]\nsetup_network = ["http://x/y"]\n', "is no host"),
    "a host with a line's end": (
        '[[gate]]\nname = "a"\ncommand = "x"\nnetwork = ["a\\n"]',
        "is no host",
    ),
    "memory without end": ("[sandbox]\nmemory_gb = inf\n", "finite number"),
    "processes without end": ("[sandbox]\nprocesses = 0x" + "f" * 9000, "orch.toml"),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.sample(14)
def test_a_hostile_settings_file_is_one_clear_error(here: Attacked, name: str) -> None:
    text, word = HOSTILE[name]
    if isinstance(text, str):
        text = text.replace("{root}", str(here.root)) + "\n" * (len(text) < 1000)
        # The rest of the file is right, and would run.
        text += RUNS.replace("{ran}", str(here.ran)) if len(text) < 1000 else ""
    here.settle(text)
    said = here.refuses("run")
    assert word in said.err and ".agent/orch.toml" in said.err, said.err[:2000]


@pytest.mark.parametrize("typed", [("gate",), ("plan",), ("run", "--dry-run"), ("trust", "--yes")])
@pytest.mark.sample(2)
def test_every_command_that_reads_them_refuses_them(here: Attacked, typed: tuple[str, ...]) -> None:
    here.settle(f"[run]\n{dotted(5000)} = 1\n" + RUNS.replace("{ran}", str(here.ran)))
    here.refuses(*typed)
    here.settle("[run]\nparallel = " + "9" * 5000 + RUNS.replace("{ran}", str(here.ran)))
    here.refuses(*typed)


@pytest.mark.thorough
def test_the_doctor_tells_of_it_and_goes_on(here: Attacked) -> None:
    here.settle(f'[run]\n"\\u001b[2J\\nhint: {FORGED}" = 1\nworkspaces = "~nobody-here"\n')
    said = here.refuses("doctor")
    assert "nobody is called so" in said.out and "good  disk" in said.out
    here.settle(f'[run]\nworker = "a\\n  hint: {FORGED}"\n')
    assert "add a table [worker.a" in here.refuses("doctor").out


def test_hostile_settings_do_not_keep_a_run_from_being_looked_at(here: Attacked) -> None:
    assert here.orch("run").exit_code == 0
    here.settle(b"\0" * 100)
    for typed in (("status",), ("report",), ("show",), ("diff",), ("resume",)):
        assert here.orch(*typed).exit_code == 0


# --- what is no file ----------------------------------------------------------------------------


def fifo(path: Path) -> None:
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.mkdir()


def terminal(path: Path) -> None:
    path.symlink_to("/dev/tty")


def stdin(path: Path) -> None:
    path.symlink_to("/dev/stdin")


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def circle(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize("make", [fifo, folder, terminal, stdin, endless, circle])
@pytest.mark.parametrize("name", ["orch.toml", "orch.local.toml"])
@pytest.mark.sample(4)
def test_what_is_no_file_is_refused_and_never_waited_for(
    here: Attacked, make: Callable[[Path], None], name: str
) -> None:
    path = here.root / ".agent" / name
    path.unlink(missing_ok=True)
    make(path)
    began = time.monotonic()
    if name == "orch.local.toml" and make is circle:
        assert here.orch("run", "--dry-run").exit_code in (0, 2)
    else:
        here.refuses("run")
    assert time.monotonic() - began < 20


# --- what leads out of the checkout ---------------------------------------------------------------


@pytest.mark.parametrize("target", ["{home}/private", ".git/config", "agent/../.git/config"])
@pytest.mark.sample(1)
def test_rules_that_are_a_link_to_a_private_file_are_told_to_nobody(
    here: Attacked, target: str
) -> None:
    (here.home / "private").write_text("TOKEN=hunter2\n")
    link = target.replace("{home}", str(here.home))
    (here.root / "agent").mkdir()
    rules = here.root / ".agent" / "RULES.md"
    rules.symlink_to(link if link.startswith("/") else f"../{link}")
    assert rules.read_text()
    said = here.refuses("run")
    assert "RULES.md is a link that leads out" in said.err and "hunter2" not in said.err


def test_rules_without_end_are_read_up_to_a_limit(here: Attacked) -> None:
    with (here.root / ".agent" / "RULES.md").open("wb") as file:
        file.truncate(8 << 30)  # more than there is memory
    assert here.orch("run").exit_code == 0


def test_a_link_into_the_git_folder_is_not_copied(here: Attacked) -> None:
    """The repository's own configuration may hold an address with a password in it."""
    (here.root / "handy").symlink_to(".git/config")
    text = (here.root / ".agent" / "orch.toml").read_text()
    here.settle(text.replace("[run]", '[run]\ncopy = ["handy"]', 1))
    here.git("config", "remote.origin.url", "https://user:hunter2@example.invalid/x.git")
    said = here.orch("run")
    assert said.exit_code == 5 and "link into the git folder" in said.err + said.out, said
    everything = here.orch("report").out + here.orch("ledger", "events", "--json").out
    assert "hunter2" not in everything


def test_the_view_is_written_through_no_link(here: Attacked) -> None:
    victim = here.home / "victim"
    victim.write_text("mine\n")
    (here.root / ".agent" / "state_ledger.json").symlink_to(victim)
    assert here.orch("run").exit_code == 0
    assert victim.read_text() == "mine\n"


def test_orch_init_writes_through_no_link(here: Attacked) -> None:
    victim = here.home / "victim"
    for name in ("orch.toml", "RULES.md"):
        (here.root / ".agent" / name).unlink(missing_ok=True)
        (here.root / ".agent" / name).symlink_to(victim)
    said = here.orch("init")
    assert "Traceback" not in said.err and not victim.exists(), said


def test_what_a_clone_brings_is_settings_and_nothing_of_the_ledgers(
    here: Attacked, tmp_path: Path
) -> None:
    """A pull cannot bring what would count as trusted: git takes nothing below .git."""
    assert here.orch("run").exit_code == 0
    trusted = here.root / ".git" / "orch" / "trusted"
    blob = here.git("hash-object", "-w", str(next(trusted.iterdir())))
    done = subprocess.run(
        ("git", "update-index", "--add", "--cacheinfo", f"100644,{blob},.git/orch/trusted/0.json"),
        cwd=here.root,
        env=here.environ,
        capture_output=True,
        check=False,
    )
    assert done.returncode != 0
