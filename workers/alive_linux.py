"""The process table as Linux shows it under /proc: some microseconds a process, no library."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from workers.alive import MARK_VARIABLE, Process, Seen, is_tag

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_MARK = b"\0" + MARK_VARIABLE.encode() + b"="


class LinuxTable:
    """A Table over /proc."""

    def __init__(self) -> None:
        # Kernels without CONFIG_PROC_CHILDREN lack the file; then parents are read one by one.
        me = os.getpid()
        self._lists_children = Path(f"/proc/{me}/task/{me}/children").exists()

    def see(self, pid: int) -> Seen | None:
        """See Table."""
        stat = _read(f"/proc/{pid}/stat")
        # The name may hold blanks and brackets: only what follows the last bracket has columns.
        columns = stat[stat.rfind(b")") + 2 :].split()
        if len(columns) < 20:
            return None
        return Seen(
            process=Process(pid, int(columns[19])),
            parent=int(columns[1]),
            session=int(columns[3]),
            zombie=columns[0] in (b"Z", b"X"),
        )

    def children(self, pid: int) -> set[int]:
        """See Table."""
        if not self._lists_children:
            return self._children_of_all().get(pid, set())
        return _listed_children(pid)

    def adopted(self) -> set[int]:
        """See Table."""
        me = os.getpid()
        if not self._lists_children:
            return self.children(me)
        return _listed_by(me, str(me))

    def below(self, roots: Iterable[int]) -> set[int]:
        """See Table."""
        all_children = None if self._lists_children else self._children_of_all()
        found: set[int] = set()
        ahead = list(roots)
        while ahead:
            pid = ahead.pop()
            below = _listed_children(pid) if all_children is None else all_children.get(pid, set())
            ahead.extend(below - found)
            found |= below
        return found

    def mine(self) -> Iterator[int]:
        """See Table."""
        me = os.geteuid()
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    if entry.stat().st_uid == me:
                        yield int(entry.name)

    def mark(self, pid: int) -> str | None:
        """See Table."""
        environ = b"\0" + _read(f"/proc/{pid}/environ")
        at = environ.find(_MARK)
        if at < 0:
            if environ == b"\0" and self.see(pid) is None:
                raise ProcessLookupError(pid)
            return None
        value = environ[at + len(_MARK) :]
        return value[: value.find(b"\0") if b"\0" in value else None].decode("utf-8", "replace")

    def tag(self, pid: int) -> int | None:
        """See Table."""
        limits = _read(f"/proc/{pid}/limits")
        if not limits:
            raise ProcessLookupError(pid)
        at = limits.find(b"Max file locks")
        columns = limits[at + len(b"Max file locks") :].split(maxsplit=1) if at >= 0 else []
        tag = int(columns[0]) if columns and columns[0].isdigit() else 0
        return tag if is_tag(tag) else None

    def usage(self, pid: int) -> tuple[int, int]:
        """See Table."""
        stat = _read(f"/proc/{pid}/stat")
        columns = stat[stat.rfind(b")") + 2 :].split()
        if len(columns) < 22 or columns[0] in (b"Z", b"X"):
            return 0, 0
        return int(columns[21]) * _PAGE_BYTES, int(columns[17])

    def held_bytes(self, pid: int) -> int:
        """See Table."""
        for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
        return self.usage(pid)[0]

    def _children_of_all(self) -> dict[int, set[int]]:
        children: dict[int, set[int]] = {}
        for entry in os.scandir("/proc"):
            seen = self.see(int(entry.name)) if entry.name.isdigit() else None
            if seen is not None:
                children.setdefault(seen.parent, set()).add(seen.process.pid)
        return children


def _listed_children(pid: int) -> set[int]:
    try:
        threads = [entry.name for entry in os.scandir(f"/proc/{pid}/task")]
    except OSError:
        return set()
    found: set[int] = set()
    for thread in threads:  # each thread has a list of its own
        found |= _listed_by(pid, thread)
    return found


def _listed_by(pid: int, thread: str) -> set[int]:
    return set(map(int, _read(f"/proc/{pid}/task/{thread}/children").split()))


def _read(path: str) -> bytes:
    """The content of a file of /proc; empty where its process is gone or not ours."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        parts = []
        while part := os.read(descriptor, 65536):
            parts.append(part)
        return b"".join(parts)
    except OSError:  # ESRCH: gone between the two calls
        return b""
    finally:
        os.close(descriptor)
