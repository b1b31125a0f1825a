"""Objects that lie by themselves in the store, read without a process.

1. What an attempt has just written lies so, and an engine asks for it several times a task.
2. Only what is certain is answered here: an object that is not by itself (packed, borrowed, in a
   promise) or that is large is left to git.
3. An object is what its name says: its bytes are held against its id.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from operator import itemgetter
from typing import Literal, NamedTuple

from worktree.values import Change, Repository

LIMIT_BYTES = 1 << 20
FOLDERS = 500
"""Where more differ, git is quicker."""
FOLDER = b"40000"
_MODES = frozenset({FOLDER, b"100644", b"100755", b"120000", b"160000"})
"""Trees of long ago have others, which git takes for these."""
_HEAD_BYTES = 64
"""No head of an object is as long: its kind, its size, a NUL."""
_PACKED_HEAD_BYTES = 1024
"""And in so many bytes of zlib's it is whole: the codes come first, then what they stand for."""


@dataclass(frozen=True)
class Object:
    """What the store holds under a name."""

    kind: str
    """`blob`, `tree`, `commit` or `tag`; `missing`: nothing of that name."""
    size_bytes: int
    content: bytes = b""


MISSING = Object("missing", 0)


class Loose:
    """The loose objects of a repository, for some questions at once: it keeps trees it read."""

    def __init__(self, repository: Repository) -> None:
        self._store = repository.common_dir / "objects"
        self._format = repository.object_format
        self._entries: dict[str, dict[bytes, Entry]] = {}

    def read(self, name: str) -> Object | None:
        """An object by its id, or as `id:path` below a commit or tree; None: git must be asked."""
        root, colon, path = name.partition(":")
        if not colon:
            return self._read(root)
        found = self.tree_of(root)
        for part in path.encode("utf-8", "surrogateescape").split(b"/") if path else ():
            entries = None if found is None else self._list(found)
            if entries is None:
                return None
            if part not in entries:
                return MISSING
            found = entries[part].id
        return None if found is None else self._read(found)

    def tree_of(self, root: str) -> str | None:
        """The tree of a commit, or of a tree; None: git must be asked."""
        if root in self._entries:
            return root
        found = self._read(root)
        if found is None or found.kind not in ("commit", "tree"):
            return None
        if found.kind == "tree":
            return root
        return found.content[5:].partition(b"\n")[0].decode("ascii", "replace")

    def size(self, object_id: str) -> Object | None:
        """Its kind and size, without its content."""
        raw = self._inflated(object_id, _PACKED_HEAD_BYTES, _HEAD_BYTES)
        return None if raw is None else _head(raw)[0]

    def diff(self, old: str, new: str) -> tuple[Change, ...] | None:
        """What differs between two trees or commits, by path; None: git must be asked."""
        roots = self.tree_of(old), self.tree_of(new)
        if None in roots:
            return None
        found: list[tuple[bytes, Change]] = []
        folders: list[tuple[bytes, str | None, str | None]] = [(b"", *roots)]
        for prefix, before, after in folders:  # it grows on the way
            sides = [{} if side is None else self._list(side) for side in (before, after)]
            if None in sides or len(folders) > FOLDERS:
                return None
            ours, theirs = (side or {} for side in sides)
            for name in ours.keys() | theirs.keys():
                one, other = ours.get(name), theirs.get(name)
                if one == other:
                    continue
                if not all(side is None or side.mode in _MODES for side in (one, other)):
                    return None
                below = [side.id if side and side.mode == FOLDER else None for side in (one, other)]
                if any(below):
                    folders.append((prefix + name + b"/", below[0], below[1]))
                if change := _change(prefix + name, one, other):
                    found.append((prefix + name, change))
        return tuple(change for _, change in sorted(found, key=itemgetter(0)))

    # --- within -----------------------------------------------------------------------------

    def _read(self, object_id: str) -> Object | None:
        raw = self._inflated(object_id, LIMIT_BYTES, LIMIT_BYTES)
        if raw is None:
            return None
        head, at = _head(raw)
        if head is None or len(raw) != at + head.size_bytes:
            return None
        if hashlib.new(self._format, raw, usedforsecurity=False).hexdigest() != object_id:
            return None
        return Object(head.kind, head.size_bytes, raw[at:])

    def _inflated(self, object_id: str, read_bytes: int, limit_bytes: int) -> bytes | None:
        """Its first bytes; None where it is not loose, or no stream of zlib's."""
        try:
            with (self._store / object_id[:2] / object_id[2:]).open("rb") as file:
                return zlib.decompressobj().decompress(file.read(read_bytes), limit_bytes)
        except (OSError, zlib.error):
            return None

    def _list(self, tree: str) -> dict[bytes, Entry] | None:
        """The entries of a tree by name; nothing is in what is no tree."""
        if tree not in self._entries:
            found = self._read(tree)
            if found is None:
                return None
            listed: list[Entry] = []
            if found.kind == "tree":
                try:
                    listed = split_tree(found.content, len(tree) // 2)
                except ValueError:
                    return None
            entries = {entry.name: entry for entry in listed}
            if len(entries) != len(listed):
                return None  # what a name twice means is git's to say
            self._entries[tree] = entries
        return self._entries[tree]


class Entry(NamedTuple):
    """One name in a tree."""

    name: bytes
    mode: bytes
    """As trees have it, without a leading zero."""
    id: str


def split_tree(content: bytes, width: int) -> list[Entry]:
    """What a tree object holds, ids of so many bytes: `mode name NUL id`, over and over.

    ValueError where it is no such thing.
    """
    found = []
    at = 0
    while at < len(content):
        end = content.index(b"\0", at)
        after = end + 1 + width
        mode, _, name = content[at:end].partition(b" ")
        found.append(Entry(name, mode, content[end + 1 : after].hex()))
        at = after
    return found


def _change(path: bytes, old: Entry | None, new: Entry | None) -> Change | None:
    """How a path that is no folder changed; None where it is none on either side."""
    before, after = (side if side and side.mode != FOLDER else None for side in (old, new))
    if before is None and after is None:
        return None
    status: Literal["A", "M", "D", "T"] = "A" if before is None else "D"
    if before and after:
        status = "M" if before.mode[:3] == after.mode[:3] else "T"
    old_mode, new_mode = (f"{side.mode.decode() if side else '':0>6}" for side in (before, after))
    one = before or after
    assert one is not None
    blob = after.id if after else "0" * len(one.id)
    return Change(status, path.decode("utf-8", "surrogateescape"), old_mode, new_mode, blob)


def _head(raw: bytes) -> tuple[Object | None, int]:
    """Kind and size, and where the content begins."""
    head, nul, _ = raw.partition(b"\0")
    kind, _, size = head.partition(b" ")
    if not nul or not size.isdigit():
        return None, 0
    return Object(kind.decode("ascii", "replace"), int(size)), len(head) + 1
