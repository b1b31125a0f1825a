"""Which processes live, where they come from, and how to end one and no other.

1. A process is its pid and its start time, never its pid alone: pids come round again.
2. A child carries its mark in its environment (ORCH_MARK), which every ordinary descendant
   inherits and which outlives the engine.
3. On Linux it carries a tag too: the soft limit RLIMIT_LOCKS, which kernels since 2.4.25 do not
   enforce, but which a fork and an exec pass on, also through `env -i`, setsid and a double fork.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
import signal
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

MARK_VARIABLE = "ORCH_MARK"

_RLIMIT_LOCKS = 10
_HALF = (1 << 30) - 1
_PR_SET_CHILD_SUBREAPER = 36
_subreaper_pid = 0


@dataclass(frozen=True, slots=True)
class Process:
    """One process for as long as it lives, and no later one with the same pid."""

    pid: int
    start: float
    """In units of the table it came from; only ever compared."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a process at one moment."""

    process: Process
    parent: int
    session: int
    zombie: bool


class Table(Protocol):
    """The processes of this machine."""

    def see(self, pid: int) -> Seen | None:
        """What there is to see of it; None where it is gone."""

    def children(self, pid: int) -> set[int]:
        """Its direct children."""

    def adopted(self) -> set[int]:
        """Our own children, those of our other threads perhaps left out: where we are subreaper,
        orphans come to the first."""

    def below(self, roots: Iterable[int]) -> set[int]:
        """All descendants of the roots, without the roots."""

    def mine(self) -> Iterator[int]:
        """Every process of this user, in no order."""

    def mark(self, pid: int) -> str | None:
        """The mark in its environment; None where it has none or may not be read.

        ProcessLookupError where the process is gone, as far as the system tells."""

    def tag(self, pid: int) -> int | None:
        """The tag it inherited; None where it has none. ProcessLookupError where it is gone."""

    def usage(self, pid: int) -> tuple[int, int]:
        """Bytes of memory that it holds, shared ones too, and its threads; 0 where it is gone."""

    def held_bytes(self, pid: int) -> int:
        """The same without what others hold as well, which counts in parts; dear to find out."""


def become_subreaper() -> bool:
    """Make orphans of our children ours rather than init's; False where the system cannot.

    The engine calls it once. Without it, daemons are found by a scan of all processes instead.
    """
    global _subreaper_pid
    if sys.platform == "linux":
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0:
            _subreaper_pid = os.getpid()
    return is_subreaper()


def is_subreaper() -> bool:
    """Whether orphans of our children become ours."""
    return _subreaper_pid == os.getpid()  # a fork does not inherit it


def is_within(mark: str, prefix: str) -> bool:
    """Whether a mark is the prefix or below it, by whole components.

    >>> is_within("run/a/1/x", "run/a/1"), is_within("run/a/10/x", "run/a/1")
    (True, False)
    """
    prefix = prefix.rstrip("/")
    return mark == prefix or mark.startswith(prefix + "/")


def tag_of(mark: str, nonce: int) -> int:
    """The tag of a child: the run's half, by which a dead engine's are found, and its own half."""
    return _half(mark.split("/")[0]) << 30 | _half(f"{mark}\0{nonce}") | 1 << 60


def is_tag(value: int) -> bool:
    """Whether a limit is a tag of ours: bit 60 is its highest, which no person would ask for."""
    return value >> 60 == 1


def is_tag_of_run(tag: int, run: str) -> bool:
    """Whether a tag was given to a child of that run (the first component of its mark)."""
    return is_tag(tag) and tag >> 30 & _HALF == _half(run)


def _half(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") & _HALF


@contextlib.contextmanager
def tagging(tag: int) -> Iterator[None]:
    """Children that this process starts inside the block inherit the tag; a no-op elsewhere."""
    # Set on ourselves and taken back, because a child tagged after its start could fork before.
    # What another thread starts meanwhile is tagged too, but shares our session, and nothing in
    # our own session is ever taken for a descendant of a child.
    if sys.platform != "linux":
        yield
        return
    before = resource.getrlimit(_RLIMIT_LOCKS)
    try:
        resource.setrlimit(_RLIMIT_LOCKS, (tag, before[1]))
    except (OSError, ValueError):  # a hard limit that somebody set: go without
        yield
        return
    try:
        yield
    finally:
        resource.setrlimit(_RLIMIT_LOCKS, before)


def send(table: Table, process: Process, number: signal.Signals) -> None:
    """Signal exactly this process; nothing happens where it is gone or another user's."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        descriptor = open_pidfd(process.pid)
        if descriptor is None:
            if _is_still(table, process):
                os.kill(process.pid, number)
            return
        try:
            # Compared after opening: from here on the descriptor cannot mean another process.
            if _is_still(table, process):
                signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)


def open_pidfd(pid: int) -> int | None:
    """A descriptor of that process, readable once it exited; None where there is no such thing."""
    if sys.platform == "linux":
        # An old kernel, a strict container, no descriptor left: there is a slower way.
        with contextlib.suppress(OSError):
            return os.pidfd_open(pid)
    return None


def _is_still(table: Table, process: Process) -> bool:
    seen = table.see(process.pid)
    return seen is not None and seen.process == process


def system_table() -> Table:
    """The best table that this system has."""
    if sys.platform == "linux":
        from workers.alive_linux import LinuxTable

        return LinuxTable()
    else:
        from workers.alive_portable import PortableTable

        return PortableTable()
