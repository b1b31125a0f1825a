"""The files of a commit as plain files in a folder: for looking at, not for working in.

1. The folder belongs to no repository: nothing that is done there reaches one.
2. Regular files only. Links could lead out of it, submodules are elsewhere; both are left out,
   and so is what is larger than the limit. How many were left out is told.
3. No filter and no attribute of the commit has a say: what is written is what git keeps.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from worktree.contents import list_sizes, read_blobs
from worktree.git import Git

FILE_BYTES = 4 << 20


def export_commit(git: Git, commit: str, folder: Path, limit_bytes: int = FILE_BYTES) -> int:
    """Write a commit's files below an empty folder; how many larger ones were left out."""
    files = list_sizes(git, commit)
    small = [file for file in files if file.size_bytes <= limit_bytes and _is_plain(file.path)]
    made: set[PurePosixPath] = set()
    for file, content in read_blobs(git, small):
        parent = PurePosixPath(file.path).parent
        if parent not in made:
            (folder / parent).mkdir(parents=True, exist_ok=True)
            made.add(parent)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with open(os.open(folder / file.path, flags, 0o600), "wb") as out:
            out.write(content)
    return len(files) - len(small)


def _is_plain(path: str) -> bool:
    """Whether a path of a commit stays below the folder: a hostile one may try not to."""
    parts = path.split("/")
    return "\0" not in path and not any(part in ("", ".", "..") for part in parts)
