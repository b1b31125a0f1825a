"""Which tree a private index holds, known without asking git.

Who wrote an index last said what is in it; that stands as long as the file is the same. It lies
outside the tree and is written by nobody but us, and each write makes another file of it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

_Stamp = tuple[int, ...]


class IndexTrees:
    """The trees of private indexes. Safe to use from many threads, one for each index."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[_Stamp, str]] = {}

    def note(self, index: Path, tree: str) -> str:
        """It holds this tree as it is now."""
        stamp = _stamp(index)
        if stamp is not None:
            self._known[index] = stamp, tree
        return tree

    def of(self, index: Path, ask: Callable[[], str]) -> str:
        """The tree that it holds; asked for where that is not known."""
        stamp, tree = self._known.get(index, (None, ""))
        if stamp is not None and stamp == _stamp(index):
            return tree
        return self.note(index, ask())


def _stamp(index: Path) -> _Stamp | None:
    try:
        found = index.lstat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
