"""Firing an automation: `orch schedule run NAME` as a process of its own.

1. Each firing is a child in a session of its own: a defect in it ends nothing else, Ctrl-C does
   not reach it, and it goes on when whoever started it ends.
2. What it says is in a log of its automation's, outside the checkout.
3. Of one automation at most two are under way: one works, the other waits its turn or is about to
   be told that it is not needed. What comes meanwhile is held and told to the next one, together.
4. Threads may fire and look at the same time.
5. No child is given the secret of a webhook.
6. One that failed before the ledger had a word of what it was for is started again later (`again`).
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from orchestrator.automations.again import Retries, facts_of
from orchestrator.itself import ORCH
from orchestrator.review.words import duration, noted
from orchestrator.workplace import Workplace

ERROR = "error: "
"""As the command line begins it."""
MOST_AT_ONCE = 2
PATHS_TOLD = 1000
PATHS_BYTES = 64 << 10
"""What a command line holds everywhere; how many there were is told in words."""
SAID_BYTES = 64 << 10
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
    log_began: int
    """How long the log was before it."""
    facts: int | None
    """How many its automation's ledger had before it; None: that could not be read."""


@dataclass
class Children:
    """The firings that are under way, and those that are held."""

    workplace: Workplace
    environ: Mapping[str, str]
    said: Callable[[str], None]
    again: Retries = field(default_factory=Retries)
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
        if before := self.again.take(firing.name):
            firing = before.joined(firing)
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
            self.said(f"{child.firing.name}: {_ended(code)}{_told(code, child)}")
            self._start_again(code, child)
            if held := self.held.pop(child.firing.name, None):
                self.fire(held)

        for firing in self.again.due():
            self._fire(firing)

    def _start_again(self, code: int, child: Child) -> None:
        firing, facts = child.firing, child.facts
        if firing.cause == "resume":
            return
        if code == 0 or facts is None or facts_of(self.workplace, firing.name) != facts:
            self.again.succeeded(firing.name)
            return
        wait_s = self.again.failed(firing)
        then = "it is given up" if wait_s is None else f"once more in {duration(wait_s)}"
        self.said(f"{firing.name}: the ledger has nothing of it: {then}")

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
    began, facts = log.stat().st_size if log.exists() else 0, facts_of(workplace, firing.name)
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
    return Child(firing, process, log, began, facts)


def _ended(code: int) -> str:
    if code < 0:
        return f"ended by signal {-code}"
    return "ended" if code == 0 else f"ended with exit code {code}"


def _told(code: int, child: Child) -> str:
    """The error that it ended with, in a line, and where all is that it said."""
    if code == 0:
        return ""
    said = _error_in(child)
    return f"{f': {said}' if said else ''}; what it said is in {child.log}"


def _error_in(child: Child) -> str:
    try:
        with child.log.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(child.log_began, size - SAID_BYTES))
            lines = log.read(SAID_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    at = max((n for n, line in enumerate(lines) if line.startswith(ERROR)), default=None)
    return "" if at is None else noted("\n".join(lines[at : at + 2]).removeprefix(ERROR), 400)
