"""Where the ledger is, found without asking git: for views, which should answer at once.

1. The folder that git would find is found the same way: the nearest `.git` upward, a file that
   names it in a linked worktree, `commondir` behind that. Variables of git's do not count.
2. Nothing is made and nothing is written. Where nothing is found, git is asked, since it knows
   why there is nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ledger.place import Place
    from ledger.store import Store

_POINTER_BYTES = 4096


def find_common_folder(start: Path) -> Path | None:
    """The common git folder of the repository that a folder lies in."""
    for folder in (start, *start.parents):
        entry = folder / ".git"
        if entry.is_dir():
            return entry if (entry / "HEAD").exists() else None
        if entry.is_file():
            return _behind(entry)
    return None


def _behind(pointer: Path) -> Path | None:
    """The common folder that a linked worktree's `.git` file leads to."""
    named = _line(pointer).removeprefix("gitdir:").strip()
    if not named:
        return None
    git_dir = pointer.parent / named
    common = _line(git_dir / "commondir")
    found = git_dir / common if common else git_dir
    return found.resolve() if (found / "HEAD").exists() else None


def _line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_POINTER_BYTES).decode("utf-8", "surrogateescape").rstrip("\n")
    except OSError:
        return ""


@dataclass(frozen=True)
class Ledger:
    """A repository's ledger, open for reading."""

    place: Place
    store: Store | None
    """None: nothing was ever run here."""


def open_ledger(start: Path, environ: Mapping[str, str]) -> Ledger:
    """The ledger of the repository that a folder lies in; errors as git would explain them."""
    from ledger.place import place_of
    from ledger.store import Store

    common = find_common_folder(start)
    if common is None:
        from orchestrator.workplace import open_workplace

        place = open_workplace(start, environ).place
    else:
        place = place_of(common, environ)
    return Ledger(place, Store.open_existing(place.ledger))
