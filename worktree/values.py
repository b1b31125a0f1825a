"""What this room's functions take and return, and what they raise. Pure.

1. Failed work is a value; git failing as a tool is a `GitError`.
2. An error says what was asked, how it ended, and what to type next.
3. An object id is whole or it is refused: nothing else may become an argument of git's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from worktree.names import quoted

Kind = Literal[
    "failed",
    "timeout",
    "no-space",
    "locked",
    "moved",
    "missing-object",
    "name-conflict",
    "no-git",
    "not-a-repository",
    "bare",
    "unsafe-ownership",
    "no-such-revision",
    "remote",
    "bundle",
]

_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class GitError(Exception):
    """Git failed as a tool: what was asked of it, how it ended and what to do about it."""

    def __init__(
        self,
        what: str,
        *,
        kind: Kind = "failed",
        argv: tuple[str, ...] = (),
        exit_code: int | None = None,
        stderr: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(what)
        self.what = what
        self.kind: Kind = kind
        self.argv = argv
        self.exit_code = exit_code
        self.stderr = stderr
        self.hint = hint or _HINTS.get(kind, "")


class RefMoved(GitError):
    """A ref no longer stood where it was expected; nothing was changed."""


_HINTS: dict[Kind, str] = {
    "no-space": "free some disk space, then: orch resume",
    "no-git": "install git 2.38 or newer",
    "not-a-repository": "go to your project's folder, or make it a repository: git init",
    "missing-object": "fetch what is missing: git fetch --refetch --no-filter",
    "bundle": "take another copy of the bundle",
    "locked": "where no git is running any more, remove the .lock file that it names",
}


@dataclass(frozen=True)
class Repository:
    """A repository, and the user's place in it."""

    common_dir: Path
    """The folder that all its worktrees share."""
    git_dir: Path
    """The user's checkout's own; the same as `common_dir` in a main checkout."""
    checkout: Path | None
    """The user's worktree; None where the repository is bare."""
    object_format: str = "sha1"
    shared: str = ""
    """`core.sharedRepository`, so that objects we write stay writable for the user's group."""


@dataclass(frozen=True)
class Person:
    """Who commits."""

    name: str
    email: str


@dataclass(frozen=True)
class Signing:
    """How the user signs commits, from the user's own configuration only."""

    key: str
    config: tuple[tuple[str, str], ...]
    home: str


@dataclass(frozen=True)
class Change:
    """One path that differs between two trees; modes as git writes them, 000000 for none."""

    status: Literal["A", "M", "D", "T"]
    path: str
    old_mode: str
    new_mode: str
    blob: str
    """The new content's id; zeros where the path is gone."""


@dataclass(frozen=True)
class Commit:
    """A commit, read."""

    id: str
    tree: str
    parents: tuple[str, ...]
    author: Person
    at_s: int
    message: str

    @property
    def trailers(self) -> dict[str, tuple[str, ...]]:
        """What its last paragraph says, by key."""
        found: dict[str, tuple[str, ...]] = {}
        for line in self.message.rstrip().rpartition("\n\n")[2].splitlines():
            key, colon, value = line.partition(": ")
            if colon and re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", key):
                found[key] = (*found.get(key, ()), value.strip())
        return found


@dataclass(frozen=True)
class RefUpdate:
    """One line of a transaction. None is absence: `new=None` deletes, `old=None` creates."""

    ref: str
    new: str | None
    old: str | Literal["any"] | None


@dataclass(frozen=True)
class Answer:
    """How a call ended and what it said."""

    exit_code: int
    out: bytes
    err: str
    truncated: bool = False


def is_id(value: str) -> bool:
    """Whether it is a full object id."""
    return _ID.fullmatch(value) is not None


def check_id(value: str) -> str:
    """A full object id; ValueError where it is none."""
    if not is_id(value):
        raise ValueError(f"not a full object id: {quoted(value)}")
    return value


def parse_raw(out: bytes) -> tuple[Change, ...]:
    """The changes that a raw, NUL-separated diff lists."""
    parts = out.decode("utf-8", "surrogateescape").split("\0")
    found = []
    for meta, path in zip(parts[0:-1:2], parts[1::2], strict=False):
        old_mode, new_mode, _, blob, status = meta.lstrip(":").split(" ")
        if status not in ("A", "M", "D", "T"):
            raise GitError(f"git listed a change of an unknown kind: {quoted(meta)}")
        found.append(Change(status, path, old_mode, new_mode, blob))  # type: ignore[arg-type]
    return tuple(found)
