"""What a set-up left among the files that a commit would take.

1. It is not the worker's: as long as it is as the set-up left it, no commit takes it and nobody
   is blamed for it. A lock file that an installer writes is the usual case.
2. A file that the worker has written since is the worker's. Whether it has is told by the file's
   inode and times; a program can set back all of them but the time of the last change.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from orchestrator.policy.pattern import escape
from worktree.commit import new_files
from worktree.git import Git
from worktree.workspace import Workspace

Mark = tuple[int, int, int, int]
Left = Mapping[str, Mark]
"""Paths from the top of the tree, and how each stood."""


def look_at_left(git: Git, workspace: Workspace, excludes: str) -> Left:
    """The new files of a workspace that a worker has not yet had."""
    marks = {path: _mark(workspace.path / path) for path in new_files(git, workspace, excludes)}
    return {path: mark for path, mark in marks.items() if mark is not None}


def left_excludes(workspace: Workspace, left: Left) -> str:
    """Lines of an exclude file: what is still as it was left."""
    return "".join(
        f"/{_line(path)}\n"
        for path, mark in left.items()
        if _mark(workspace.path / path) == mark and "\n" not in path
    )


def _line(path: str) -> str:
    text = escape(path)
    return f"{text[:-1]}\\ " if text.endswith(" ") else text


def _mark(path: Path) -> Mark | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
