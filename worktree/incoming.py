"""Objects that our git writes: in the store when they are whole, and nowhere when they are not.

1. Whatever writes objects writes them into a folder of its own, within the store; a git sees the
   store behind it. When it has ended well they are moved into their places; git itself does the
   same with what it receives.
2. When it has not (a full disk, a limit, a deadline, a kill) the folder goes with all that is half
   written in it. So what lies half written in the store is never ours, and is left alone: another
   git may be at it.
3. A folder is locked as long as its process lives, and used again and again. One that nobody
   holds was left by a process that died, and the next one that comes removes it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import threading
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path

from worktree.names import quoted
from worktree.removal import remove
from worktree.values import GitError

PREFIX = "orch-incoming-"
WRITERS = frozenset(
    {"commit-tree", "hash-object", "merge-tree", "unpack-objects", "update-index", "write-tree"}
)
"""The commands of git's that we have write objects."""


class Incoming:
    """The way of new objects into one store. Safe to use from many threads at once."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._free: list[Folder] = []
        self._cleared = False
        # At the end of the process too.
        weakref.finalize(self, _remove_all, self._free)

    @contextlib.contextmanager
    def folder(self) -> Iterator[Folder]:
        """A folder for one git; what was not moved out of it by the end goes with it."""
        try:
            with self._lock:
                if not self._cleared:
                    self.clear()
                self._free[:] = [one for one in self._free if one.is_there()]
                used = self._free.pop() if self._free else Folder.make(self._store)
        except OSError as error:
            raise refusal(self._store, error) from error
        try:
            yield used
        finally:
            if used.empty:
                with self._lock:
                    self._free.append(used)
            else:
                used.remove()

    def clear(self) -> None:
        """Removes what processes left that died."""
        self._cleared = True
        for path in self._store.glob(f"{PREFIX}*"):
            with contextlib.suppress(OSError):
                descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    remove(path)
                finally:
                    os.close(descriptor)


class Folder:
    """Where one git at a time writes its objects."""

    def __init__(self, store: Path, path: Path, descriptor: int) -> None:
        self._store, self._path, self._descriptor = store, path, descriptor
        self.empty = False
        """Nothing was written since it was moved out of here."""

    @staticmethod
    def make(store: Path) -> Folder:
        """A new one, locked."""
        while True:
            path = store / f"{PREFIX}{os.getpid()}-{secrets.token_hex(6)}"
            path.mkdir()
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            # Where folders cannot be locked, nobody can think that this one is nobody's.
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Somebody who clears may have been quicker.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(path.stat(), os.fstat(descriptor)):
                    return Folder(store, path, descriptor)
            os.close(descriptor)

    @property
    def environment(self) -> Mapping[str, str]:
        """What makes a git write here, and read there too."""
        self.empty = False
        behind = str(self._store).replace("\\", "\\\\").replace('"', '\\"')
        return {
            "GIT_OBJECT_DIRECTORY": str(self._path),
            # Quoted, for a colon would begin another folder.
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{behind}"',
        }

    def is_there(self) -> bool:
        """Whether nobody has removed it."""
        return self._path.is_dir()

    def write(self, object_id: str, content: bytes, *, durable: bool) -> None:
        """Writes an object, compressed as git keeps it; GitError where that fails."""
        self.empty = False
        place = self._path / object_id[:2] / object_id[2:]
        try:
            place.parent.mkdir(exist_ok=True)
            descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                if durable:
                    os.fsync(descriptor)
        except OSError as error:
            raise refusal(self._store, error) from error

    def move_out(self) -> None:
        """Moves all that is here into the store; GitError where that fails."""
        try:
            for folder in os.listdir(self._path):  # noqa: PTH208, names are wanted
                self._move(folder)
        except OSError as error:
            raise refusal(self._store, error) from error
        self.empty = True

    def remove(self) -> None:
        """Removes it with all that is in it."""
        try:
            remove(self._path)
        finally:
            os.close(self._descriptor)

    def _move(self, folder: str) -> None:
        here, there = self._path / folder, self._store / folder
        try:
            here.rename(there)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            # An index makes a pack visible, so it comes last.
            names = os.listdir(here)  # noqa: PTH208
            for name in sorted(names, key=lambda name: name.endswith(".idx")):
                (here / name).rename(there / name)
            here.rmdir()


def refusal(store: Path, error: OSError) -> GitError:
    """What to say where the store takes nothing."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    what = f"cannot write objects in {quoted(str(store))}: {error.strerror}"
    return GitError(what, kind="no-space" if full else "failed")


def _remove_all(folders: list[Folder]) -> None:
    while folders:
        with contextlib.suppress(OSError, GitError):
            folders.pop().remove()
