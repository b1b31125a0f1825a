"""The process table through psutil: slower, for systems without /proc, and without tags."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import psutil

from workers.alive import MARK_VARIABLE, Process, Seen


class PortableTable:
    """A Table over psutil."""

    def see(self, pid: int) -> Seen | None:
        """See Table."""
        try:
            found = psutil.Process(pid)
            with found.oneshot():
                return Seen(
                    process=Process(pid, found.create_time()),
                    parent=found.ppid(),
                    session=os.getsid(pid),
                    zombie=found.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD),
                )
        except (psutil.Error, OSError):
            return None

    def children(self, pid: int) -> set[int]:
        """See Table."""
        try:
            return {child.pid for child in psutil.Process(pid).children()}
        except (psutil.Error, OSError):
            return set()

    def adopted(self) -> set[int]:
        """See Table."""
        return self.children(os.getpid())

    def below(self, roots: Iterable[int]) -> set[int]:
        """See Table."""
        children: dict[int, list[int]] = {}
        for found in psutil.process_iter(["ppid"]):
            children.setdefault(found.info["ppid"], []).append(found.pid)
        seen: set[int] = set()
        ahead = list(roots)
        while ahead:
            for pid in children.get(ahead.pop(), ()):
                if pid not in seen:
                    seen.add(pid)
                    ahead.append(pid)
        return seen

    def mine(self) -> Iterator[int]:
        """See Table."""
        me = os.geteuid()
        for found in psutil.process_iter(["uids"]):
            uids = found.info["uids"]
            if uids is not None and uids.effective == me:
                yield found.pid

    def mark(self, pid: int) -> str | None:
        """See Table."""
        try:
            return psutil.Process(pid).environ().get(MARK_VARIABLE)
        except psutil.NoSuchProcess as gone:
            raise ProcessLookupError(pid) from gone
        except (psutil.Error, OSError):
            return None

    def tag(self, pid: int) -> int | None:
        """See Table."""
        return None

    def usage(self, pid: int) -> tuple[int, int]:
        """See Table."""
        try:
            found = psutil.Process(pid)
            with found.oneshot():
                return int(found.memory_info().rss), int(found.num_threads())
        except (psutil.Error, OSError):
            return 0, 0

    def held_bytes(self, pid: int) -> int:
        """See Table."""
        return self.usage(pid)[0]
