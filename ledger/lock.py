"""One engine per run, by a kernel lock held for the engine's life.

1. The kernel's lock decides, and ends with the process, however that ends. What the file says
   (who, where, since when) is for people only.
2. No child keeps the lock alive: a program started by the engine does not inherit the
   descriptor, and a fork of it closes its copy at once.
3. The file is removed only by one who holds its lock; whoever gets the lock of a file that was
   removed meanwhile starts over.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
import weakref
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from ledger.schema import LedgerError, LedgerUnwritable

PATIENCE_S = 0.3
"""Someone who only looks whether the lock is held holds it for a moment: wait that out."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, as far as its file says."""

    pid: int | None = None
    since: float | None = None
    host: str | None = None


class EngineRunning(LedgerError):
    """Another engine drives the run."""

    def __init__(self, path: Path, holder: Holder) -> None:
        who = f"process {holder.pid} on {holder.host}" if holder.pid else "another process"
        super().__init__(
            f"an engine already drives run {path.stem} ({who})",
            "`orch status --watch` follows it, `orch stop` ends it in order",
        )
        self.path = path
        self.pid, self.since, self.host = holder.pid, holder.since, holder.host


class EngineLock:
    """A run's lock, held."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor: int | None = descriptor
        _held.add(self)

    @classmethod
    def take(cls, path: Path) -> EngineLock:
        """Take the lock, or raise EngineRunning."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = _lock(path, PATIENCE_S)
        except OSError as error:
            raise LedgerUnwritable(
                f"the lock {path} cannot be taken ({error.strerror})",
                f"see who owns it and whether the disk is full: `ls -la {path.parent}`",
            ) from error
        if descriptor is None:
            raise EngineRunning(path, _said(path))
        who = {"pid": os.getpid(), "host": os.uname().nodename, "since": time.time()}
        with suppress(OSError):  # no room for what is only for people is no reason not to go on
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(who).encode(), 0)
        return cls(path, descriptor)

    def release(self) -> None:
        """Let go; a second time does nothing."""
        if self._descriptor is None:
            return
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
        # Said, not left to close: a child that forked this instant may still hold a copy.
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self._forget()

    def _forget(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> EngineLock:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def is_held(path: Path) -> bool:
    """Whether an engine holds the lock now; makes nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        # Shared, so that two who look at once do not see each other.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def holder(path: Path) -> Holder | None:
    """Who holds the lock now, None when nobody does."""
    return _said(path) if is_held(path) else None


def remove(path: Path) -> bool:
    """Remove the lock's file unless an engine holds it; whether it is gone."""
    if not path.exists():
        return True
    descriptor = _lock(path, PATIENCE_S)
    if descriptor is None:
        return False
    try:
        path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)
    return True


def _lock(path: Path, patience_s: float) -> int | None:
    """A descriptor of the file at that path with its lock, None when somebody keeps it."""
    deadline = time.monotonic() + patience_s
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(descriptor, path):
                return descriptor
        except BlockingIOError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if time.monotonic() > deadline:
            return None
        time.sleep(0.01)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _said(path: Path) -> Holder:
    try:
        words = json.loads(path.read_bytes()[:4096])
        return Holder(int(words["pid"]), float(words["since"]), str(words["host"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Holder()


_held: weakref.WeakSet[EngineLock] = weakref.WeakSet()


def _forget_in_child() -> None:
    for lock in list(_held):
        lock._forget()


# A fork without exec copies the descriptor, and the kernel frees the lock with its last copy.
os.register_at_fork(after_in_child=_forget_in_child)
