"""Removing what an agent may have made: read-only, endlessly deep, linked elsewhere.

1. A link is removed, never followed.
2. What cannot be removed raises: nothing is left behind in silence.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from worktree.names import quoted
from worktree.values import GitError

_THREADS = 4
"""So many help where there are two cores already: to unlink is to wait for a file system."""


def remove(path: Path) -> None:
    """Removes a file, a link or a whole folder, if there is one."""
    try:
        is_folder = stat.S_ISDIR(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_folder:
        try:
            path.unlink()
        except PermissionError:
            unlock(path.parent)
            path.unlink()
        return
    # Quick and safe against links being swapped in, but stopped by modes and by depth.
    with contextlib.suppress(RecursionError):
        shutil.rmtree(path, ignore_errors=True)
    if os.path.lexists(path):
        try:
            unlock(path.parent)
            _remove_stubborn(path)
        except OSError as error:
            raise GitError(
                f"cannot remove {quoted(str(path))}: {error.strerror}",
                hint=f"see who owns it: ls -la {quoted(str(path))}",
            ) from error


def remove_trees(paths: Sequence[Path]) -> None:
    """Removes files and whole folders, all side by side; what cannot be removed keeps none back."""
    with ThreadPoolExecutor(min(_THREADS, len(paths) or 1)) as threads:
        removals = [threads.submit(remove, path) for path in paths]
    for removal in removals:
        removal.result()


def unlock(folder: Path) -> bool:
    """Makes a folder its owner's to read and write again; whether that was needed."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o700 == 0o700:
        return False
    folder.chmod(stat.S_IMODE(found.st_mode) | 0o700)
    return True


def unlock_all(root: Path) -> None:
    """The same for every folder below one, and itself; links are not followed."""
    folders = [root]
    while folders:
        folder = folders.pop()
        unlock(folder)
        with os.scandir(folder) as entries:
            folders.extend(Path(e.path) for e in entries if e.is_dir(follow_symlinks=False))


def _remove_stubborn(root: Path) -> None:
    # Folders are lifted to the top one by one, so no path grows long and nothing recurses.
    lifted = 0
    unlock(root)
    while True:
        folders = []
        with os.scandir(root) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                else:
                    Path(entry.path).unlink()
        if not folders:
            break
        for folder in folders:
            unlock(folder)
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        # Renaming a folder writes its `..`, so it must be writable itself.
                        unlock(Path(entry.path))
                        lifted += 1
                        Path(entry.path).rename(root / f".lifted-{os.getpid()}-{lifted}")
                    else:
                        Path(entry.path).unlink()
            folder.rmdir()
    root.rmdir()


def replace_file(path: Path, content: bytes) -> None:
    """Puts a file in place in one step, whatever was there."""
    if path.is_dir() and not path.is_symlink():
        remove(path)
    new = path.with_name(f"{path.name}.orch-new")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    new.replace(path)


def free_bytes(path: Path) -> int:
    """What is free where a path is, or will be."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free
