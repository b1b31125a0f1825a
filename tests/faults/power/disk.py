"""A disk as a journalling file system keeps it: what is there after the power failed.

1. What was written to a file is on the disk once the file is synced; until then the file has the
   content that it was last synced with, or none.
2. Names (made, moved, linked, removed) are written to a journal in their order. A sync of any
   file or folder writes the journal up to there. What came after the newest sync may be there or
   not: `names` says which of the two is looked at.
3. A name that is not there leads to nothing, whatever was synced below it.
"""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

_HEAD = struct.Struct("=B7xQIIQ")
Names = Literal["kept", "lost"]


@dataclass(frozen=True)
class Operation:
    """One thing that a process did to the disk."""

    kind: str
    first: str
    second: str
    number: int
    data: bytes


def load_operations(log: Path) -> list[Operation]:
    """What the recorder wrote down, in its order."""
    raw, at, found = log.read_bytes(), 0, []
    while at < len(raw):
        kind, number, first, second, size = _HEAD.unpack_from(raw, at)
        at += _HEAD.size
        parts = []
        for length in (first, second, size):
            parts.append(raw[at : at + length])
            at += length
        names = (os.fsdecode(parts[0]), os.fsdecode(parts[1]))
        found.append(Operation(chr(kind), *names, number, parts[2]))
    return found


@dataclass
class File:
    """A file's content, as processes see it and as the disk has it."""

    seen: bytearray
    synced: bytes
    mode: int = 0o644


@dataclass
class Folder:
    mode: int = 0o755


@dataclass
class Link:
    target: str


Node = File | Folder | Link


@dataclass
class Disk:
    """Names, and what they lead to."""

    names: dict[str, Node] = field(default_factory=dict)
    durable: dict[str, Node] = field(default_factory=dict)
    """The names up to the newest sync."""

    @classmethod
    def of(cls, root: Path) -> Disk:
        """A folder as it is now, all of it on the disk."""
        disk = cls()
        for path in sorted([root, *root.rglob("*")]):
            if path.is_symlink():
                disk.names[str(path)] = Link(os.readlink(path))
            elif path.is_dir():
                disk.names[str(path)] = Folder(path.stat().st_mode & 0o777)
            elif path.is_file():
                content = path.read_bytes()
                mode = path.stat().st_mode & 0o777
                disk.names[str(path)] = File(bytearray(content), content, mode)
        disk.durable = dict(disk.names)
        return disk

    def apply(self, one: Operation) -> None:
        """Do what a process did. What it did to files that others made is passed over."""
        node = self.names.get(one.first)
        match one.kind:
            case "c":
                self.names[one.first] = File(bytearray(), b"", (one.number & 0o777) or 0o644)
            case "w" if isinstance(node, File):
                end = one.number + len(one.data)
                if len(node.seen) < one.number:
                    node.seen.extend(bytes(one.number - len(node.seen)))
                node.seen[one.number : end] = one.data
            case "t" if isinstance(node, File):
                del node.seen[one.number :]
                node.seen.extend(bytes(one.number - len(node.seen)))
            case "s":
                if isinstance(node, File):
                    node.synced = bytes(node.seen)
                self.durable = dict(self.names)
            case "r":
                self._move(one.first, one.second)
            case "l" if node is not None:
                self.names[one.second] = node
            case "y":
                self.names[one.first] = Link(one.second)
            case "u":
                self.names.pop(one.first, None)
            case "m":
                self.names[one.first] = Folder((one.number & 0o777) | 0o700)
            case "d":
                for name in [n for n in self.names if n.startswith(f"{one.first}/")]:
                    del self.names[name]
                self.names.pop(one.first, None)

    def _move(self, first: str, second: str) -> None:
        below = [name for name in self.names if name == first or name.startswith(f"{first}/")]
        if below:
            for name in [n for n in self.names if n.startswith(f"{second}/")]:
                del self.names[name]
        for name in below:
            self.names[second + name[len(first) :]] = self.names.pop(name)

    def after_power_failed(self, root: Path, names: Names) -> None:
        """Make a folder what the disk holds."""
        shutil.rmtree(root, ignore_errors=True)
        for name, node in sorted((self.names if names == "kept" else self.durable).items()):
            path = Path(name)
            if not path.parent.is_dir() and path != root:
                continue
            match node:
                case Folder():
                    path.mkdir(mode=node.mode)
                case Link():
                    path.symlink_to(node.target)
                case File():
                    path.write_bytes(node.synced)
                    path.chmod(node.mode)


def syncs(operations: list[Operation]) -> Iterator[int]:
    """The places right after each sync."""
    return (at + 1 for at, one in enumerate(operations) if one.kind == "s")
