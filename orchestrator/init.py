"""`orch init`: the first files of a repository, from what it already has.

1. Only `.agent/orch.toml`, `.agent/RULES.md` and `.agent/.gitignore` are written, and only where
   they are not; what is there is never changed.
2. A file that is there is compared with what would be written now, and the difference is the
   answer.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

from orchestrator.detect import propose
from orchestrator.errors import OrchError
from orchestrator.planning.plan_text import toml_list, toml_text
from orchestrator.proposal import PRESENT_ONLY, READ, InitProposal, Look

SIZE_LIMIT_BYTES = 1024 * 1024
DEEPEST = 3
MOST_NAMES = 5000
_PASSED_OVER = frozenset({"node_modules", "target", "build", "dist", "venv", "__pycache__"})

RULES = """\
# Rules for every worker

These hold for each task, whoever does it. Add what your project wants.

- Do what the task asks, and nothing beside it. Change only files that the task's paths cover.
- Do not make a check pass by weakening it: no test is deleted, skipped or emptied, no
  threshold lowered, no warning silenced, unless the task says so.
- Do not change `.agent/`, CI files or the configuration of tests and linters.
- Do not add a dependency, unless the task says so.
- No secrets in files: no keys, tokens or passwords.
- Leave no debugging output, no commented-out code and no notes to yourself.
- When the task cannot be done as it is written, change nothing and say why.
"""
CODEMOD = "'''xargs -r -d '\\n' ruff check --select UP --fix --exit-zero < \"$ORCH_PATHS_FILE\"'''"
"""An example of a command, as TOML."""
IGNORE = """\
# made by orch for this checkout alone
state_ledger.json
orch.local.toml
"""


@dataclass(frozen=True, slots=True)
class Difference:
    """A file that is there and says something else than would be written now."""

    path: str
    diff: str


@dataclass(frozen=True, slots=True)
class InitResult:
    """What `orch init` did and found."""

    proposal: InitProposal
    written: tuple[str, ...]
    unchanged: tuple[str, ...]
    differing: tuple[Difference, ...]


def initialise(checkout: Path, search: str | None = None) -> InitResult:
    """Write the files that are not there; compare those that are. `search`: the user's PATH."""
    proposal = propose(look_at(checkout, search))
    wanted = {
        ".agent/orch.toml": render_settings(proposal),
        ".agent/RULES.md": RULES,
        ".agent/.gitignore": IGNORE,
    }
    written: list[str] = []
    unchanged: list[str] = []
    differing: list[Difference] = []
    try:
        (checkout / ".agent").mkdir(exist_ok=True)
        for name, text in wanted.items():
            path = checkout / name
            try:
                with path.open("x", encoding="utf-8", newline="\n") as file:
                    file.write(text)
                written.append(name)
            except FileExistsError:
                there = path.read_text(encoding="utf-8", errors="replace")
                if there == text:
                    unchanged.append(name)
                else:
                    differing.append(Difference(name, _diff(name, there, text)))
    except OSError as error:
        what = f"cannot write {error.filename}: {error.strerror}"
        raise OrchError(what, hint="make .agent a folder that you may write to") from None
    return InitResult(proposal, tuple(written), tuple(unchanged), tuple(differing))


def look_at(checkout: Path, search: str | None = None) -> Look:
    """The files that say how a repository is judged, the names near its root, Python's name."""
    files: dict[str, str] = {}
    for name in READ:
        path = checkout / name
        if path.is_file():
            try:
                with path.open("rb") as file:
                    raw = b"" if name in PRESENT_ONLY else file.read(SIZE_LIMIT_BYTES)
            except PermissionError:
                continue  # what cannot be read proposes nothing
            files[name] = raw.decode("utf-8", errors="replace")
    python = "python" if shutil.which("python", path=search) else "python3"
    return Look(files, frozenset(_names(checkout)), python)


def _names(checkout: Path) -> list[str]:
    found: list[str] = []
    for folder, folders, names in os.walk(checkout):
        inside = Path(folder).relative_to(checkout)
        depth = len(inside.parts)
        folders[:] = sorted(
            name
            for name in folders
            if depth < DEEPEST and not name.startswith(".") and name not in _PASSED_OVER
        )
        found += [(inside / name).as_posix() for name in sorted(names)]
        if len(found) >= MOST_NAMES:
            break
    return found[:MOST_NAMES]


# --- the text --------------------------------------------------------------------------------


def render_settings(proposal: InitProposal) -> str:
    """The text of `.agent/orch.toml`, with comments that say what each key does."""
    lines = [
        "# Settings of orch for this repository, shared by everybody who works on it.",
        "# What is yours alone (parallel, worker, ...) goes into .agent/orch.local.toml.",
        "",
        "[run]",
        "parallel = 4              # workers at the same time",
        "gates_parallel = 1        # judgings of what is to land, at the same time",
        "attempts = 3              # tries at a task, each from a fresh start",
        "rounds = 3                # quick corrections within a try",
        "timeout_s = 1800          # a try's own working time",
        '# worker = "codemod"      # who does the tasks that name nobody',
        *_list_lines("fix", proposal.fix, "run before each commit of a worker's changes"),
        *_list_lines("setup", proposal.setup, "once in each workspace"),
        *_list_lines(
            "setup_inputs", proposal.setup_inputs, "set up anew when one of these changed"
        ),
        *_list_lines("keep", proposal.keep, "ignored folders that a workspace keeps"),
        '# copy = [".env.test"]    # ignored files of your checkout that workspaces need',
        "# protected = []          # what no task may change, beside .agent/ and CI files",
        "",
        "# Gates judge by their exit code. Stage check: quick, after each round of a worker; the",
        "# output goes back to it. Stage land: everything that lands has passed it.",
    ]
    for proposed in proposal.gates:
        gate = proposed.gate
        lines += [
            "",
            f"[[gate]]  # {_one_line(proposed.reason)}",
            f"name = {toml_text(gate.name)}",
            f"command = {toml_text(gate.command)}",
            f"stage = {toml_text(gate.stage)}",
        ]
    if not proposal.gates:
        lines += [
            "# Nothing was found that could judge: without a gate whatever is made would land.",
            "#",
            "# [[gate]]",
            '# name = "tests"',
            '# command = "make test"',
        ]
    lines += [
        "",
        "# A worker is any program. It finds the task in the file that $ORCH_BRIEF_FILE names, and",
        "# the files that the task covers, one a line, in the one that $ORCH_PATHS_FILE names.",
        "#",
        "# [worker.codemod]",
        '# kind = "command"',
        f"# command = {CODEMOD}",
    ]
    return "\n".join(lines) + "\n"


def _list_lines(key: str, values: Sequence[str], comment: str) -> list[str]:
    if values:
        return [f"{key} = {toml_list(values)}  # {comment}"]
    return [f"# {f'{key} = []':<24}# {comment}"]


def _one_line(text: str) -> str:
    return "".join(char for char in text if char.isprintable())


def _diff(name: str, there: str, wanted: str) -> str:
    lines = unified_diff(
        there.splitlines(keepends=True),
        wanted.splitlines(keepends=True),
        f"{name} (as it is)",
        f"{name} (as orch init would write it now)",
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
