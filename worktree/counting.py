"""How many files a tree holds and how many an index lists: where all that are listed are there,
and no more files are there than that, nothing else is."""

from __future__ import annotations

import os
from pathlib import Path


def count_entries(index: Path) -> int | None:
    """How many files an index lists; None where that cannot be read."""
    try:
        with index.open("rb") as file:
            head = file.read(12)
    except OSError:
        return None
    return int.from_bytes(head[8:], "big") if len(head) == 12 and head[:4] == b"DIRC" else None


def count_files(root: Path, keep: tuple[str, ...]) -> int | None:
    """Files and links below a worktree, but its pointer and what is kept.

    None where something is there that no commit has: an empty or a locked folder, a `.git` within,
    a pipe.
    """
    count = 0
    kept = {str(root / path) for path in keep}
    folders = [str(root)]
    for folder in folders:  # it grows on the way
        if os.lstat(folder).st_mode & 0o700 != 0o700:
            return None
        empty = True
        with os.scandir(folder) as entries:
            for entry in entries:
                empty = False
                if entry.path in kept:
                    continue
                if entry.name.lower() == ".git":
                    if entry.name != ".git" or folder != folders[0]:
                        return None
                elif entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif entry.is_file(follow_symlinks=False) or entry.is_symlink():
                    count += 1
                else:
                    return None
        if empty and folder != folders[0]:
            return None
    return count
