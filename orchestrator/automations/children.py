"""Firing an automation: `orch schedule run NAME` as a process of its own.

1. Each firing is a child in a session of its own: a defect in it ends nothing else, Ctrl-C does
   not reach it, and it goes on when whoever started it ends.
2. What it says is in a log of its automation's, outside the checkout.
3. Of one automation at most two are under way: one works, the other waits its turn or is about to
   be told that it is not needed. What comes meanwhile is held and told to the next one, together.
4. Threads may fire and look at the same time.
5. No child is given the secret of a webhook.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from orchestrator.itself import ORCH
from orchestrator.workplace import Workplace

MOST_AT_ONCE = 2
PATHS_TOLD = 1000
PATHS_BYTES = 64 << 10
"""What a command line holds everywhere; how many there were is told in words."""
LOG_BYTES = 1 << 20
"""A log that is longer gives way to a new one, and is kept until that is as long."""

Cause = Literal["schedule", "watch", "branch", "webhook", "resume"]
"""`resume`: nothing new, but what is there goes on, or starts now that it may."""


@dataclass(frozen=True)
class Firing:
    """What is to be fired, and because of what."""

    name: str
    cause: Cause
    because: str
    due: float | None = None
    paths: tuple[str, ...] = ()

    def joined(self, other: Firing) -> Firing:
        """Both as one; the newer says why."""
        due = [one for one in (self.due, other.due) if one is not None]
        paths = tuple(dict.fromkeys((*self.paths, *other.paths)))
        return Firing(self.name, other.cause, other.because, max(due, default=None), paths)


@dataclass(frozen=True)
class Child:
    """A firing that is under way."""

    firing: Firing
    process: subprocess.Popen[bytes]
    log: Path


Starts = Callable[[Workplace, Firing, Mapping[str, str]], Child]


@dataclass
class Children:
    """The firings that are under way, and those that are held."""

    workplace: Workplace
    environ: Mapping[str, str]
    said: Callable[[str], None]
    under_way: list[Child] = field(default_factory=list)
    held: dict[str, Firing] = field(default_factory=dict)
    _one_at_a_time: threading.RLock = field(default_factory=threading.RLock)

    def fire(self, firing: Firing) -> None:
        """Start it, or hold it until one of its kind has ended."""
        with self._one_at_a_time:
            self._fire(firing)

    def _fire(self, firing: Firing) -> None:
        if sum(one.firing.name == firing.name for one in self.under_way) >= MOST_AT_ONCE:
            before = self.held.get(firing.name)
            self.held[firing.name] = before.joined(firing) if before else firing
            return
        try:
            child = start_child(self.workplace, firing, self.environ)
        except OSError as error:
            self.said(f"{firing.name}: could not be started ({error.strerror})")
            return
        self.under_way.append(child)
        self.said(f"{firing.name}: {firing.because} (process {child.process.pid})")

    def look(self) -> None:
        """Tell of those that have ended, and start what was held for them."""
        with self._one_at_a_time:
            self._look()

    def _look(self) -> None:
        for child in tuple(self.under_way):
            code = child.process.poll()
            if code is None:
                continue
            self.under_way.remove(child)
            self.said(f"{child.firing.name}: {_ended(code)}{_pointer(code, child.log)}")
            if held := self.held.pop(child.firing.name, None):
                self.fire(held)

    def going_on(self) -> tuple[Child, ...]:
        """Those that have not ended."""
        return tuple(one for one in self.under_way if one.process.poll() is None)


def words_of(firing: Firing) -> tuple[str, ...]:
    """What is typed for a firing, after `orch`."""
    words = ["schedule", "run", firing.name]
    if firing.cause == "resume":
        return (*words, "--waiting")
    words += ["--because", firing.because]
    if firing.due is not None:
        words += ["--due", repr(firing.due)]
    for path in told(firing.paths):
        words += ["--path", path]
    return tuple(words)


def told(paths: Iterable[str]) -> tuple[str, ...]:
    """Those of many paths that a command line is given; none that is no text."""
    found: list[str] = []
    left = PATHS_BYTES
    for path in paths:
        try:
            left -= len(path.encode("utf-8")) + 10
        except UnicodeEncodeError:
            continue
        if left < 0 or len(found) == PATHS_TOLD:
            break
        found.append(path)
    return tuple(found)


def log_of(workplace: Workplace, name: str) -> Path:
    """Where the firings of an automation say what they do."""
    return workplace.place.folder / "watch" / f"{name}.log"


def start_child(workplace: Workplace, firing: Firing, environ: Mapping[str, str]) -> Child:
    """Start it; OSError where the system cannot."""
    log = log_of(workplace, firing.name)
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "ab") as sink:
        process = subprocess.Popen(
            (*ORCH, *words_of(firing)),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            cwd=workplace.checkout,
            env=dict(environ),
            start_new_session=True,
        )
    return Child(firing, process, log)


def _ended(code: int) -> str:
    if code < 0:
        return f"ended by signal {-code}"
    return "ended" if code == 0 else f"ended with exit code {code}"


def _pointer(code: int, log: Path) -> str:
    return "" if code == 0 else f"; what it said is in {log}"
