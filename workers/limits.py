"""How much a child with all that comes from it may use, and what happens when that is not enough.

1. Where this machine gives groups (`workers.groups`) the kernel counts and refuses.
2. For what they do not hold, orch looks: it adds up the memory and the processes of the child's
   tree, several times a second. What is quicker than that may hold more for a moment.
3. Memory is what is held: pages that several processes share count once where it matters, and
   files in the sandbox's temporary folders count, since these are memory.
4. What goes over a limit is ended at once, whole, without a goodbye: it would need for that what
   it has not got.
5. What ran into a limit is over it, whatever exit code it came to: a part of it was ended or
   refused, and nobody knows what that part would have said.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from workers.alive import Process, Table
from workers.groups import Groups, make_groups

OWN_PROCESSES = 3
"""Bubblewrap's two and the relay: they are not the command's."""
SLACK_PROCESSES = 16
"""How far above the limit the kernel refuses, where it is orch that counts."""


@dataclass(frozen=True)
class ChildLimits:
    """How much one child, with all that comes from it, may use."""

    memory_bytes: int | None = None
    processes: int | None = None
    file_bytes: int | None = None

    def why_memory(self) -> str:
        """What is said of one that went over."""
        return f"it used more than {(self.memory_bytes or 0) / 1024**3:.1f} GB of memory"

    def why_processes(self) -> str:
        """What is said of one that went over."""
        return f"it had more than {self.processes} processes"


class Guard:
    """One child's limits, from before it begins until it is gone."""

    def __init__(self, limits: ChildLimits, groups: Groups | None, places: Iterable[str]) -> None:
        self.groups = groups
        self._limits, self._places = limits, tuple(places)
        holds = groups.holds if groups is not None else frozenset()
        self._memory_bytes = limits.memory_bytes if "memory" not in holds else None
        self._processes = limits.processes if "pids" not in holds else None

    def hold(self, pid: int) -> None:
        """Hold a process to the limits, with all that will come from it. OSError."""
        if self.groups is not None:
            self.groups.enter(pid)
        if self._limits.file_bytes is not None:
            _lower(pid, resource.RLIMIT_FSIZE, self._limits.file_bytes)
        if self._processes is not None:
            # In its own namespace, where its processes are counted and not all of the user's.
            # A little above what orch ends it for, so that it is seen to be over.
            _lower(pid, resource.RLIMIT_NPROC, self._processes + SLACK_PROCESSES)

    def over(self) -> str:
        """Which limit the kernel saw it run into, for a person; empty: none."""
        if self.groups is None:
            return ""
        found = self.groups.over()
        if "memory" in found:
            return self._limits.why_memory()
        return self._limits.why_processes() if "pids" in found else ""

    @property
    def must_look(self) -> bool:
        """Whether the kernel does not count all of it."""
        return self._memory_bytes is not None or self._processes is not None

    def look(self, living: Iterable[Process], table: Table) -> str:
        """The same by what lives of it now, for what the kernel does not count."""
        pids = [process.pid for process in living]
        used = [table.usage(pid) for pid in pids]
        threads = sum(count for _, count in used)
        if self._processes is not None and threads > self._processes + OWN_PROCESSES:
            return self._limits.why_processes()
        if self._memory_bytes is not None:
            room = self._memory_bytes - self._in_files(pids)
            if sum(held for held, _ in used) > room and sum(map(table.held_bytes, pids)) > room:
                return self._limits.why_memory()
        return ""

    def _in_files(self, pids: list[int]) -> int:
        """What the temporary folders of the sandbox hold."""
        for pid in reversed(pids):
            root = Path(f"/proc/{pid}/root")
            with contextlib.suppress(OSError):
                if root.stat().st_dev == Path("/").stat().st_dev:
                    continue  # one that is still, or only, on this side
                found = {}
                for place in self._places:
                    state = os.statvfs(f"{root}{place}")
                    key = os.stat(f"{root}{place}").st_dev  # noqa: PTH116, a link in there is theirs
                    found[key] = (state.f_blocks - state.f_bfree) * state.f_frsize
                return sum(found.values())
        return 0


def _lower(pid: int, kind: int, most: int) -> None:
    """Lower a limit of a process for good; one that is lower already stays."""
    if sys.platform == "linux":
        _, hard = resource.prlimit(pid, kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.prlimit(pid, kind, (most, most))


def make_guard(limits: ChildLimits, mark: str, places: Iterable[str]) -> Guard:
    """The guard of a child with that mark. OSError where groups that there were are none now."""
    groups = None
    if limits.memory_bytes is not None or limits.processes is not None:
        most = None if limits.processes is None else limits.processes + OWN_PROCESSES
        run = mark.partition("/")[0]
        groups = make_groups(run, memory_bytes=limits.memory_bytes, processes=most)
    return Guard(limits, groups, places)
