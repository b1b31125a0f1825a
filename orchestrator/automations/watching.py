"""Files that automations watch: when something stirs, and has come to rest, it is looked at.

1. The system only says that something stirred; what has changed is found by looking (`looking`).
   So ten thousand files are one trigger, and an event that was lost costs a minute.
2. It is looked at once nothing more has stirred for the automation's `debounce_s`; where it never
   comes to rest, after a while all the same.
3. Stirring that cannot matter (in `.git`, `.agent`, or where no pattern reaches) is passed over.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

import anyio
import anyio.to_thread

from ledger.automations import Automation
from orchestrator.automations.children import Firing
from orchestrator.automations.looking import OWN, Looker, Snapshot
from orchestrator.errors import OrchError
from orchestrator.policy.paths import matches
from orchestrator.policy.pattern import parse_pattern
from orchestrator.workplace import Workplace

LOOK_EVERY_S = 60.0
"""Where the system tells nothing, as on a network file system."""
POLL_S = 0.2
BEGIN_WITHIN_S = 60.0
NEVER_AT_REST_S = 60.0
NEVER_AT_REST = 10
"""So many times the debounce, or the seconds above, if that is more."""


@dataclass
class Watched:
    """One automation's files: when they stirred, and how they were."""

    automation: Automation
    snapshot: Snapshot
    stirred: float | None = None
    """When something stirred last, by the monotonic clock; None: at rest."""
    since: float | None = None
    """When it began to stir."""
    looked: float = field(default_factory=time.monotonic)

    def stir(self, now: float) -> None:
        """Something stirs."""
        self.stirred = now
        self.since = now if self.since is None else self.since

    def rest_in(self, now: float) -> float:
        """In how many seconds it is to be looked at."""
        if self.stirred is None or self.since is None:
            return self.looked + LOOK_EVERY_S - now
        debounce_s = self.automation.debounce_s
        patience = self.since + max(NEVER_AT_REST_S, NEVER_AT_REST * debounce_s)
        return min(self.stirred + debounce_s, patience) - now


async def watch_files(
    workplace: Workplace, automations: Iterable[Automation], fire: Callable[[Firing], None]
) -> None:
    """Fire automations when their files have changed, until cancelled; OrchError where none can."""
    mine = [one for one in automations if one.watch]
    if not mine:
        return
    looker, watched = Looker(workplace), list[Watched]()
    while True:
        ears = Ears(workplace.checkout.resolve(), mine)
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.to_thread.run_sync, ears.listen)
            try:
                await ears.listens()
                for each in watched:
                    each.stir(time.monotonic())  # it may have, while nobody listened
                for one in mine if not watched else ():
                    snapshot = await anyio.to_thread.run_sync(looker.snapshot, one)
                    watched.append(Watched(one, snapshot))
                await _look(looker, watched, ears, fire)
            finally:
                ears.stop()


@dataclass
class Ears:
    """Hears what stirs below a checkout, in a thread of its own."""

    checkout: Path
    automations: Sequence[Automation]
    heard: SimpleQueue[str] = field(default_factory=SimpleQueue)
    """Paths from the checkout's top."""
    _begun: threading.Event = field(default_factory=threading.Event)
    _stop: threading.Event = field(default_factory=threading.Event)
    _folders: tuple[object, ...] = ()

    def listen(self) -> None:
        """Listen until stopped; OrchError where the system does not let us."""
        from watchfiles import watch

        roots = roots_of(self.checkout, self.automations)
        self._folders = _folders(roots)
        try:
            for batch in watch(
                *roots,
                watch_filter=None,
                debounce=400,
                step=50,
                stop_event=self._stop,
                rust_timeout=100,
                yield_on_timeout=True,  # its first answer says that it listens
                raise_interrupt=False,
                ignore_permission_denied=True,
            ):
                self._begun.set()
                for _, path in batch:
                    self.heard.put(os.path.relpath(path, self.checkout))
        except OSError as error:
            raise OrchError(
                f"the files below {', '.join(map(str, roots))} cannot be watched ({error})",
                hint="watch fewer folders, or raise the system's limit: "
                "sysctl fs.inotify.max_user_watches",
            ) from error
        finally:
            self._begun.set()

    async def listens(self) -> None:
        """Wait until nothing that stirs from now on is missed."""
        await anyio.to_thread.run_sync(self._begun.wait, BEGIN_WITHIN_S)

    def stop(self) -> None:
        """Listen no more."""
        self._stop.set()

    def are_deaf(self) -> bool:
        """Whether a folder is another one than that which is listened to, or has come or gone."""
        now = _folders(roots_of(self.checkout, self.automations))
        self._folders = self._folders or now
        return now != self._folders


def matters(patterns: tuple[str, ...], path: str, checkout: Path) -> bool:
    """Whether what stirred may be a watched file, or a folder that holds some."""
    first = path.split("/", 1)[0]
    if first in OWN:
        return False
    if matches(patterns, path):
        return True
    whole = checkout / path
    return whole.is_dir() or not os.path.lexists(whole)


def roots_of(checkout: Path, automations: Iterable[Automation]) -> tuple[Path, ...]:
    """The folders that must be watched for these patterns: none within another of them."""
    wanted: set[Path] = set()
    for one in automations:
        for pattern in one.watch:
            folder = checkout.joinpath(*parse_pattern(pattern).prefix)
            while folder != checkout and not folder.is_dir():
                folder = folder.parent
            wanted.add(folder)
    return tuple(sorted(one for one in wanted if not any(other in one.parents for other in wanted)))


async def _look(
    looker: Looker, watched: Sequence[Watched], ears: Ears, fire: Callable[[Firing], None]
) -> None:
    """Look at what has come to rest, until a folder is there that nobody listens to."""
    while not ears.are_deaf():
        await anyio.to_thread.run_sync(_stir, watched, ears)
        for each in watched:
            if each.rest_in(time.monotonic()) <= 0:
                await _look_at(looker, each, fire)
        soonest = min(each.rest_in(time.monotonic()) for each in watched)
        await anyio.sleep(min(max(soonest, 0.02), POLL_S))


def _folders(roots: Sequence[Path]) -> tuple[object, ...]:
    """Which folders these are: one that was made anew is another."""
    found: list[object] = []
    for root in roots:
        try:
            which = root.stat()
            found.append((root, which.st_dev, which.st_ino))
        except OSError:
            found.append((root, None))
    return tuple(found)


def _stir(watched: Sequence[Watched], ears: Ears) -> None:
    """Tell those whose files have stirred; each path is asked about once."""
    paths = set()
    while not ears.heard.empty():
        paths.add(ears.heard.get())
    now = time.monotonic()
    for each in watched:
        if any(matters(each.automation.watch, path, ears.checkout) for path in paths):
            each.stir(now)


async def _look_at(looker: Looker, each: Watched, fire: Callable[[Firing], None]) -> None:
    one = each.automation
    each.stirred = each.since = None
    each.looked = time.monotonic()
    now = await anyio.to_thread.run_sync(looker.snapshot, one)
    found = await anyio.to_thread.run_sync(looker.changes, each.snapshot, now)
    each.snapshot = now
    counting = found.counting(one.when)
    if counting.paths:
        fire(Firing(one.name, "watch", counting.said(), paths=counting.paths))
