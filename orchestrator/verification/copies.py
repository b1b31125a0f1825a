"""Files of the user's checkout that workspaces need beside the tree.

1. Copied are the files (or folders of them) that the settings name; for gates also those that
   only gates may see. Only what lies inside the checkout, never its git folder, never through a
   link that leads out of it; never through a link in the workspace.
2. A copy never takes the place of a file of the tree: what is judged is the tree as it is.
3. Number and size are bounded. A name that means nothing is said, not passed over.
4. What files like `.env` set are secrets of whoever gets a copy: no output may show them.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ledger.model import Preparation
from orchestrator.policy.pattern import escape
from worktree.workspace import Workspace

COPY_LIMIT_BYTES = 64 * 1024 * 1024
COPY_LIMIT_FILES = 2000
Kind = Literal["worker", "gate"]

_SETS = re.compile(r"\.env(?:rc|\..+)?|.+\.env")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_SETTING = re.compile(
    r"^[ \t]*(?:export[ \t]+)?([A-Za-z_][\w.-]*)[ \t]*[=:][ \t]*"
    r"""(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|((?:(?![ \t]#)[^\r\n])*))""",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Trouble:
    """Why a workspace could not be made ready."""

    what: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.what} (hint: {self.hint})" if self.hint else self.what


class _Refused(Exception):
    """A copy that may not be made; the message is for a person."""


def copied_names(preparation: Preparation, kind: Kind) -> tuple[str, ...]:
    """What is copied into a workspace of that kind."""
    gates_only = preparation.copy_gates if kind == "gate" else ()
    return tuple(dict.fromkeys((*preparation.copy_files, *gates_only)))


def copy_excludes(preparation: Preparation) -> str:
    """Lines of an exclude file, so that nothing that was copied is ever committed."""
    names = copied_names(preparation, "gate")
    return "".join(f"/{escape(name.strip('/'))}\n" for name in names)


def hash_copies(checkout: Path, names: Iterable[str]) -> dict[str, str]:
    """Hashes of what would be copied, by path; what may not be copied is marked as such."""
    found: dict[str, str] = {}
    for name in names:
        try:
            for path, content, _ in _sources(checkout, name):
                found[path] = hashlib.sha256(content).hexdigest()
                if len(found) > COPY_LIMIT_FILES:
                    return found  # too many to be copied, too
        except (_Refused, OSError):
            found[name] = "refused"
    return found


def copied_secrets(checkout: Path, names: Iterable[str]) -> dict[str, str]:
    """The values, by names, that files like `.env` set among what would be copied."""
    found: dict[str, str] = {}
    for name in names:
        with suppress(_Refused, OSError):
            for path, content, _ in _sources(checkout, name):
                if not _SETS.fullmatch(path.rpartition("/")[2]):
                    continue
                for set_ in _SETTING.finditer(content.decode("utf-8", "surrogateescape")):
                    value = next((v for v in set_.groups()[1:] if v is not None), "").strip()
                    key = set_[1] if found.get(set_[1], value) == value else f"{set_[1]} of {path}"
                    found[key] = value
                    # Who reads the file may take what stands behind a backslash for itself.
                    if (read := _ESCAPE.sub(_unescaped, value)) != value:
                        found[f"{key} (as it is read)"] = read
    return found


def _unescaped(escape: re.Match[str]) -> str:
    return {"n": "\n", "r": "\r", "t": "\t"}.get(escape[1], escape[1])


def copy_files(checkout: Path, workspace: Workspace, names: tuple[str, ...]) -> Trouble | None:
    """Copy what these names mean into a workspace; why not, where that may not be."""
    files = size_bytes = 0
    for name in names:
        try:
            for path, content, mode in _sources(checkout, name):
                files, size_bytes = files + 1, size_bytes + len(content)
                if files > COPY_LIMIT_FILES or size_bytes > COPY_LIMIT_BYTES:
                    raise _Refused(
                        f"more than {COPY_LIMIT_FILES} files or {COPY_LIMIT_BYTES >> 20} MiB"
                    )
                _write_inside(workspace.path, path, content, mode)
        except _Refused as refused:
            hint = "change `copy` or `copy_gates` in .agent/orch.toml"
            return Trouble(f"'{name}' cannot be copied from the checkout: {refused}", hint)
        except OSError as error:
            why = error.strerror or str(error)
            return Trouble(f"'{name}' cannot be copied from the checkout: {why}")
    return None


def _sources(checkout: Path, name: str) -> Iterator[tuple[str, bytes, int]]:
    """The regular files that a name means: path, content, mode."""
    top = Path(os.path.realpath(checkout))
    parts = Path(name.strip("/")).parts
    if not parts or ".." in parts or parts[0].lower() == ".git":
        raise _Refused("it is not inside the checkout")
    source = top.joinpath(*parts)
    real = Path(os.path.realpath(source))
    if not real.is_relative_to(top):
        raise _Refused("it is a link that leads out of the checkout")
    if real.relative_to(top).parts[:1] and real.relative_to(top).parts[0].lower() == ".git":
        raise _Refused("it is a link into the git folder")
    if source.is_file():
        yield ("/".join(parts), *_content(top, source))
    elif source.is_dir():
        for folder, folders, files in os.walk(source):
            folders[:] = sorted(one for one in folders if one != ".git")
            for file in sorted(files):
                path = Path(folder) / file
                if path.is_symlink() or not path.is_file():
                    continue
                yield (path.relative_to(top).as_posix(), *_content(top, path))
    else:
        raise _Refused("there is no such file")


def _content(top: Path, path: Path) -> tuple[bytes, int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _Refused("it is not a regular file")
        if status.st_size > COPY_LIMIT_BYTES:
            raise _Refused(f"it is larger than {COPY_LIMIT_BYTES >> 20} MiB")
        return file.read(COPY_LIMIT_BYTES), status.st_mode & 0o700 | 0o600


def _write_inside(tree: Path, path: str, content: bytes, mode: int) -> None:
    """Write a new file below the tree, through real folders only: the tree may hold any link."""
    *folders, name = path.split("/")
    at = os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in folders:
            with suppress(FileExistsError):
                os.mkdir(folder, 0o755, dir_fd=at)
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            try:
                below = os.open(folder, flags, dir_fd=at)
            except OSError as error:
                raise _Refused(f"the tree has something else at {folder}/") from error
            os.close(at)
            at = below
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(name, flags, mode, dir_fd=at)
        except FileExistsError:
            if not _is_same(name, at, content):
                raise _Refused("the tree has a file of its own there") from None
            return
        with open(descriptor, "wb") as file:
            file.write(content)
    finally:
        os.close(at)


def _is_same(name: str, folder: int, content: bytes) -> bool:
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with open(os.open(name, flags, dir_fd=folder), "rb") as file:
            return file.read(len(content) + 1) == content
    except OSError:
        return False
