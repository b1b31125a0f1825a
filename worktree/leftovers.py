"""What a pool, or a process that ended, has left in a folder: found by its name, and removed.

1. Names tell what is ours: `orch-...` for a tree and for its entry in the repository, the same
   behind a dot for its folder, and in `.index/` with what may lie beside a private index.
2. Entries go first, quickly, so that the repository knows nothing of a worktree that is half
   gone. A tree that is half gone keeps its name, and is found again.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from worktree.git import Git
from worktree.metadata import drop_entries, our_entries
from worktree.names import PREFIX, quoted
from worktree.removal import remove, remove_trees

_BESIDE = (".lock", ".exclude", ".exclude.orch-new")
"""What may lie beside a private index, after its name."""


def sweep(
    git: Git, root: Path, keep_names: tuple[str, ...] = (), prefix: str = PREFIX
) -> tuple[str, ...]:
    """Removes what ended processes left: half-written objects, and worktrees in this folder whose
    name begins with the prefix, except those whose name begins with one of `keep_names`; returns
    the worktrees."""
    if not prefix.startswith(PREFIX):
        raise ValueError(f"only what begins with {PREFIX} is ours to remove: {quoted(prefix)}")
    git.incoming.clear()
    root = Path(os.path.abspath(root))  # noqa: PTH100
    names = {*our_entries(git, root), *leftovers(root, "")}
    gone = tuple(
        name
        for name in sorted(names)
        if name.startswith(prefix) and not name.startswith(keep_names)
    )
    remove_named(git, root, gone)
    return gone


def leftovers(root: Path, prefix: str) -> list[str]:
    """Names of folders, or of their state, that are in the pool's folder and ours."""
    found: set[str] = set()
    for folder in (root, root / ".index"):
        with contextlib.suppress(OSError):
            found |= {name.removeprefix(".") for name in os.listdir(folder)}  # noqa: PTH208
    wanted = re.compile(rf"{re.escape(prefix)}-\d+" if prefix else rf"{PREFIX}.+")
    for suffix in _BESIDE:
        found = {name.removesuffix(suffix) for name in found}
    return sorted(name for name in found if wanted.fullmatch(name))


def remove_named(git: Git, root: Path, names: Sequence[str]) -> None:
    """Removes worktrees and all that belongs to them; their entries first, quickly."""
    if not names:
        return
    drop_entries(git, [root / name for name in names])
    beside = [root / ".index" / f"{name}{suffix}" for name in names for suffix in ("", *_BESIDE)]
    remove_trees([root / f"{dot}{name}" for name in names for dot in ("", ".")])
    for path in beside:
        remove(path)
