"""Give agents the skill that teaches them to drive orch.

1. It goes where agents look: `.claude/skills`, `.agents/skills`, of the repository or of a home.
2. A file that says the same is left alone. One that says something else is somebody's: it is
   replaced only on their word, and what it said stays beside it.
3. Nothing is written through a link that leads elsewhere.
4. It is for those who drive orch: workers are not offered it (`finding`).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

from ledger.guidance import SKILL_FILE
from orchestrator.errors import OrchError
from worktree.names import quoted

NAME = "orch"
PLACES = {"claude": ".claude/skills", "agents": ".agents/skills"}
"""By who looks there: Claude Code; Codex, Gemini, OpenCode, goose and others."""
BEFORE = f"{SKILL_FILE}.before"
"""What a replaced file said."""

Outcome = Literal["written", "same", "replaced"]


@dataclass(frozen=True)
class Installed:
    """What became of one place."""

    path: Path
    outcome: Outcome


def shipped_skill() -> str:
    """The skill's text."""
    return (files("orchestrator.guidance") / "shipped" / NAME / SKILL_FILE).read_text("utf-8")


def install(top: Path, agents: tuple[str, ...], *, replace: bool = False) -> tuple[Installed, ...]:
    """Put the skill below a folder, for these agents; nowhere, where one place is somebody's."""
    places = [_place(top, agent) for agent in agents]
    text = shipped_skill()
    changed = [path for path in places if _says(path) not in (None, text)]
    if changed and not replace:
        shown = ", ".join(quoted(str(path)) for path in changed)
        raise OrchError(
            f"{shown} says something else than this version's skill; nothing was written",
            hint=f"orch skills install --replace keeps what it says as {BEFORE}",
        )
    return tuple(_installed(path, text) for path in places)


def _place(top: Path, agent: str) -> Path:
    folder = top / PLACES[agent] / NAME
    for one in _way(top, folder / SKILL_FILE):
        if one.is_symlink() and not one.resolve().is_relative_to(top.resolve()):
            raise OrchError(
                f"{quoted(str(one))} is a link that leads out of {quoted(str(top))}",
                hint="make it a folder of its own, or install there by hand: --print",
            )
    return folder / SKILL_FILE


def _way(top: Path, path: Path) -> Iterator[Path]:
    """Everything between a folder and a file below it, the file too."""
    at = top
    for name in path.relative_to(top).parts:
        at = at / name
        yield at


def _says(path: Path) -> str | None:
    """What a file says; None where there is none."""
    if not os.path.lexists(path):
        return None
    try:
        return path.read_bytes().decode("utf-8", "backslashreplace")
    except OSError as error:
        raise OrchError(
            f"{quoted(str(path))} cannot be read: {error.strerror}", hint=f"ls -l '{path.parent}'"
        ) from error


def _installed(path: Path, text: str) -> Installed:
    before = _says(path)
    if before == text:
        return Installed(path, "same")
    path.parent.mkdir(parents=True, exist_ok=True)
    if before is not None:
        path.replace(_free(path.with_name(BEFORE)))
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", newline="\n", dir=path.parent, prefix=".skill-", delete=False
    ) as file:
        file.write(text)
    made = Path(file.name)
    made.chmod(0o644)
    made.replace(path)
    return Installed(path, "written" if before is None else "replaced")


def _free(path: Path) -> Path:
    """A name that nothing has: what was kept before is kept too."""
    number = 1
    found = path
    while os.path.lexists(found):
        number += 1
        found = path.with_name(f"{path.name}-{number}")
    return found
