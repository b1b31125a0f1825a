"""Commit objects, written without a process.

1. A commit has few bytes, and an engine makes several for each task: to start git for each of
   them would cost it more than all that git does then.
2. Only what is certain is written here. What git would look for (an object that is not by itself
   in the store), clean (names), refuse or sign, it is left to do.
3. The bytes are those that git would write.
"""

from __future__ import annotations

import hashlib
import re
import time
import zlib
from pathlib import Path

from worktree.incoming import Incoming
from worktree.values import Person, Repository

# git takes away what a name begins or ends with of these, and some of them everywhere.
_EDGE = r"""[^\x00-\x20.,:;<>"\\'\x7f]"""
_CLEAN = re.compile(rf"{_EDGE}(?:[^\x00-\x1f<>\x7f]*{_EDGE})?")


def write_commit(
    repository: Repository,
    incoming: Incoming,
    tree: str,
    parents: tuple[str, ...],
    message: str,
    author: Person,
    *,
    durable: bool = True,
) -> str | None:
    """Writes a commit and returns its id; None where git has to see to it."""
    store = repository.common_dir / "objects"
    if (
        repository.shared
        or len(set(parents)) != len(parents)
        or not all(_CLEAN.fullmatch(text) for text in (author.name, author.email))
        or not all(_is_loose(store, one) for one in (tree, *parents))
    ):
        return None
    try:
        text = commit_text(tree, parents, message, author, time.time())
    except UnicodeEncodeError:
        return None
    if b"\0" in text:
        return None
    whole = b"commit %d\0%b" % (len(text), text)
    made = hashlib.new(repository.object_format, whole, usedforsecurity=False).hexdigest()
    with incoming.folder() as folder:
        folder.write(made, zlib.compress(whole, 1), durable=durable)
        folder.move_out()
    return made


def commit_text(
    tree: str, parents: tuple[str, ...], message: str, author: Person, at_s: float
) -> bytes:
    """What a commit object says."""
    offset_s = time.localtime(at_s).tm_gmtoff
    sign, minutes = "-" if offset_s < 0 else "+", abs(offset_s) // 60
    zone = f"{sign}{minutes // 60:02d}{minutes % 60:02d}"
    person = f"{author.name} <{author.email}> {int(at_s)} {zone}"
    lines = [
        f"tree {tree}",
        *(f"parent {parent}" for parent in parents),
        f"author {person}",
        f"committer {person}",
    ]
    return ("\n".join(lines) + f"\n\n{message}").encode()


def _is_loose(store: Path, object_id: str) -> bool:
    return (store / object_id[:2] / object_id[2:]).is_file()
