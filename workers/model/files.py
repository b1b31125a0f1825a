"""The files of a workspace, as tools may touch them: by paths that cannot lead out of it.

1. A path is relative to the workspace's top, or absolute and below it. `..`, `.git` and NUL are
   refused before anything is looked at.
2. Every component is opened by itself, from the descriptor of the folder before it, and no
   symbolic link is followed: whatever is put in the way meanwhile, nothing outside is reached.
3. Only plain files are read, and only so much of one. A file is written beside its place and
   moved there: who reads it meanwhile has the old one or the new one.
4. What cannot be done is an Unusable, in words that say what to do instead.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

FILE_BYTES = 4 * 1024 * 1024
"""What is read of one file, and written to one, at the most."""
ENTRIES = 400

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK a pipe that an agent made would be waited for.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class Unusable(Exception):
    """What a tool was asked for cannot be had; the message is for the model."""


@dataclass(frozen=True)
class Entry:
    """One name in a folder."""

    name: str
    kind: str
    """`file`, `folder`, `link` or `other`."""
    size_bytes: int = 0
    target: str = ""


class Tree:
    """A workspace's files. All of it blocks."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def relative(self, path: str) -> PurePosixPath:
        """A path as the tools speak of it; Unusable where it leads elsewhere."""
        if "\0" in path:
            raise Unusable("a path cannot hold a NUL character")
        given = PurePosixPath(path.strip() or ".")
        if given.is_absolute():
            if not given.is_relative_to(PurePosixPath(self.root)):
                raise Unusable(f"{_shown(path)} is outside the workspace: give a path within it")
            given = given.relative_to(PurePosixPath(self.root))
        if ".." in given.parts:
            raise Unusable(f"{_shown(path)}: '..' is not allowed; give a path from the top")
        # File systems that fold case and git's short names open the same folder by these.
        if any(part.lower() in (".git", "git~1") for part in given.parts):
            raise Unusable(f"{_shown(path)}: .git belongs to orch; what git knows is had by `run`")
        return given

    def read(self, path: str) -> bytes:
        """A file's content."""
        wanted = self.relative(path)
        with self._parent(wanted) as folder, self._opened(folder, wanted) as descriptor:
            size_bytes = os.fstat(descriptor).st_size
            if size_bytes > FILE_BYTES:
                what = f"{wanted} has {size_bytes:,} bytes, more than {FILE_BYTES:,}"
                raise Unusable(f"{what}: look into it with `search`, or with `run` and sed -n")
            with open(descriptor, "rb", closefd=False) as file:
                return file.read(FILE_BYTES)

    def write(self, path: str, content: bytes) -> bool:
        """Give a file this content, with its folders; whether it is new."""
        wanted = self.relative(path)
        if not wanted.parts:
            raise Unusable("give the path of a file, not of the workspace's top")
        if len(content) > FILE_BYTES:
            raise Unusable(f"{len(content):,} bytes are more than {FILE_BYTES:,}: write less")
        with self._parent(wanted, make=True) as folder:
            mode = self._replaceable(folder, wanted)
            beside = f".orch-{secrets.token_hex(6)}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            try:
                descriptor = os.open(beside, flags, 0o666, dir_fd=folder)
                with open(descriptor, "wb") as file:
                    file.write(content)
                    if mode is not None:
                        os.fchmod(descriptor, mode)
                os.rename(beside, wanted.name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException as error:
                with contextlib.suppress(OSError):
                    os.unlink(beside, dir_fd=folder)
                if isinstance(error, OSError):
                    raise Unusable(f"{wanted} could not be written: {error.strerror}") from None
                raise
        return mode is None

    def entries(self, path: str) -> tuple[Entry, ...]:
        """What is in a folder, by name, without `.git`."""
        wanted = self.relative(path)
        with self._folder(wanted, wanted.parts) as folder:
            names = sorted(name for name in os.listdir(folder) if name.lower() != ".git")  # noqa: PTH208
            return tuple(self._entry(folder, name) for name in names)

    def _entry(self, folder: int, name: str) -> Entry:
        try:
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISLNK(found.st_mode):
                return Entry(name, "link", target=os.readlink(name, dir_fd=folder))
        except OSError:
            return Entry(name, "other")
        if stat.S_ISDIR(found.st_mode):
            return Entry(name, "folder")
        return Entry(name, "file" if stat.S_ISREG(found.st_mode) else "other", found.st_size)

    @contextlib.contextmanager
    def _parent(self, wanted: PurePosixPath, *, make: bool = False) -> Iterator[int]:
        with self._folder(wanted, wanted.parts[:-1], make=make) as folder:
            yield folder

    @contextlib.contextmanager
    def _folder(
        self, wanted: PurePosixPath, parts: tuple[str, ...], *, make: bool = False
    ) -> Iterator[int]:
        """A folder of the tree, gone down to one step at a time."""
        at = os.open(self.root, _FOLDER)
        try:
            for number, part in enumerate(parts):
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(part, dir_fd=at)
                try:
                    below = os.open(part, _FOLDER, dir_fd=at)
                except OSError as error:
                    here = PurePosixPath(*parts[: number + 1])
                    raise self._why(at, part, here, error) from None
                os.close(at)
                at = below
            yield at
        except OSError as error:
            raise Unusable(f"{wanted}: {error.strerror}") from None
        finally:
            os.close(at)

    @contextlib.contextmanager
    def _opened(self, folder: int, wanted: PurePosixPath) -> Iterator[int]:
        """A plain file, open for reading."""
        if not wanted.parts:
            raise Unusable("give the path of a file, not of the workspace's top")
        try:
            descriptor = os.open(wanted.name, _FILE, dir_fd=folder)
        except OSError as error:
            raise self._why(folder, wanted.name, wanted, error) from None
        try:
            kind = os.fstat(descriptor).st_mode
            if stat.S_ISDIR(kind):
                raise Unusable(f"{wanted} is a folder: use `list`")
            if not stat.S_ISREG(kind):
                raise Unusable(f"{wanted} is no plain file")
            yield descriptor
        finally:
            os.close(descriptor)

    def _replaceable(self, folder: int, wanted: PurePosixPath) -> int | None:
        """The mode of the file that is there; None where there is none."""
        try:
            found = os.stat(wanted.name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return None
        if stat.S_ISDIR(found.st_mode):
            raise Unusable(f"{wanted} is a folder: give the path of a file")
        if not stat.S_ISREG(found.st_mode):
            raise self._why(folder, wanted.name, wanted, OSError(errno.ELOOP, "a link"))
        return stat.S_IMODE(found.st_mode)

    def _why(self, folder: int, name: str, wanted: PurePosixPath, error: OSError) -> Unusable:
        """Why something could not be opened, and what to do instead."""
        with contextlib.suppress(OSError):
            target = os.readlink(name, dir_fd=folder)
            return Unusable(
                f"{wanted} is a symbolic link to {_shown(target)}, and links are not followed:"
                " name the file itself"
            )
        if error.errno == errno.ENOENT:
            return Unusable(f"{wanted} does not exist{self._alike(folder, name)}")
        if error.errno == errno.ENOTDIR:
            return Unusable(f"{wanted} is no folder")
        return Unusable(f"{wanted}: {error.strerror}")

    def _alike(self, folder: int, name: str) -> str:
        """Names beside it that may have been meant."""
        import difflib

        names = [name for name in os.listdir(folder)[:5000] if name.lower() != ".git"]
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
        if near:
            return "; beside it there is: " + ", ".join(map(_shown, near))
        return "; `list` and `search` show what there is"


def _shown(path: str) -> str:
    """A path within a message."""
    return repr(path[:200])[1:-1]
