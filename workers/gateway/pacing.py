"""One pace for each credential, for all workers of this run and for other runs of this user.

1. The pace (`workers.gateway.pace`) lies in a small file (`pace_files`), named by a digest of the
   credential and never holding it. It changes under a lock.
2. Who probes after a pause, and who has one of a provider's few places, is told by kernel locks.
3. Where the files cannot be used the pace is kept in memory: one run then knows only itself. When
   the last who uses them is done they go, but for what tells of a pause that goes on.
4. All waits are looked at again every second, by the wall clock, and bounded by a monotonic one.
5. A pause that lasts is told to a listener, once, and its end too.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio

from workers.gateway.pace import Pace
from workers.gateway.pace_files import PaceFiles, Release, sweep

TELL_S = 5.0
"""A pause that lasts longer is told."""
LOOK_S = 1.0
NEAR_S = 0.05


@dataclass(frozen=True)
class Paused:
    """A provider's limit that lasts."""

    provider: str
    until: float | None
    """Seconds since the epoch; None: it is over."""


Listener = Callable[[Paused], None]


class OutOfPatience(Exception):
    """The limit lasts longer than a call may wait."""


def digest_of(url: str, key: str) -> str:
    """What a credential is known by."""
    return hashlib.sha256(f"orch pace\0{url}\0{key}".encode()).hexdigest()[:24]


class Turn:
    """One call's turn: to be told what it heard of limits."""

    def __init__(self, lane: Lane, probe: Release | None) -> None:
        self.sent = time.time()
        self._lane, self._probe = lane, probe

    def limited(self, told_s: float | None) -> None:
        """It was told to come again later."""
        chance = random.random()
        self._lane.change(lambda pace: pace.limited(time.time(), self.sent, told_s, chance))
        self.release()

    def served(self, empty_s: float | None = None) -> None:
        """It was served; for so long nothing is left, where the provider says so."""
        if self._lane.pace().window is not None:
            self._lane.change(lambda pace: pace.served(time.time(), self.sent))
        if empty_s:
            self._lane.change(lambda pace: pace.emptied(time.time(), empty_s))
        self.release()

    def release(self) -> None:
        """Let another one probe, where this one did."""
        if self._probe is not None:
            self._probe()
            self._probe = None


class Pacer:
    """The paces of all credentials."""

    def __init__(self, folder: Path | None, listener: Listener | None = None) -> None:
        self._folder = folder
        self._listener = listener or (lambda paused: None)
        self._lanes: dict[str, Lane] = {}

    def __enter__(self) -> Pacer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Use the files no more, and leave none behind that nobody else uses."""
        for lane in self._lanes.values():
            lane.let_go()
        if self._folder is not None and self._lanes:
            sweep(self._folder)

    def lane(self, credential: str, provider: str, parallel: int | None = None) -> Lane:
        """The lane of a credential, known by its digest."""
        if credential not in self._lanes:
            files = PaceFiles(self._folder / credential) if self._folder else None
            self._lanes[credential] = Lane(files, provider, parallel, self._listener)
        return self._lanes[credential]


class Lane:
    """All calls of one credential."""

    def __init__(
        self, files: PaceFiles | None, provider: str, parallel: int | None, listener: Listener
    ) -> None:
        self._files, self._provider, self._parallel = files, provider, parallel
        self._listener = listener
        self._own = Pace()
        self._under_way = 0
        self._told = False
        self._locks: set[str] = set()
        """Those that are held in memory."""

    @contextlib.asynccontextmanager
    async def turn(self, patience_s: float) -> AsyncIterator[Turn]:
        """Wait until a call may leave, and count it until it has ended. OutOfPatience."""
        if self._files is not None:
            self._files.use()
        with contextlib.ExitStack() as held:
            try:
                with anyio.fail_after(patience_s):
                    probe = await self._wait(held)
            except TimeoutError:
                raise OutOfPatience from None
            turn = Turn(self, probe)
            held.callback(turn.release)
            self._under_way += 1
            try:
                yield turn
            finally:
                self._under_way -= 1

    def pace(self) -> Pace:
        """What is known now, by this run and by others."""
        shared = self._files.load() if self._files is not None else None
        return self._own if shared is None else shared

    def let_go(self) -> None:
        """Use its files no more, until the next call."""
        if self._files is not None:
            self._files.let_go()

    def change(self, step: Callable[[Pace], Pace]) -> None:
        """Replace the pace by what follows from it."""
        with self._locked("lock", wait_s=0.2):
            before = self.pace()
            self._own = step(before)
            if self._own != before and self._files is not None:
                self._files.save(self._own)

    async def _wait(self, held: contextlib.ExitStack) -> Release | None:
        """Return when a call may leave; how to let go of the probe, where it is that."""
        try:
            await self._place(held)
            while True:
                pace = self.pace()
                left_s = pace.left_s(time.time())
                if left_s > 0:
                    self._tell(pace.until if left_s >= TELL_S else None)
                    await anyio.sleep(min(left_s, LOOK_S))
                elif pace.allows(self._under_way):
                    return None
                elif pace.window == 1 and (probe := self._lock("probe")) is not None:
                    again = self.pace()
                    if again.window == 1 and again.left_s(time.time()) == 0:
                        return probe
                    probe()  # somebody else has just heard what there is to hear
                else:
                    await anyio.sleep(NEAR_S * (1 + random.random()))
        finally:
            if self._told and self.pace().left_s(time.time()) == 0:
                self._tell(None)

    async def _place(self, held: contextlib.ExitStack) -> None:
        """One of the places of a provider that serves only so many at a time."""
        while self._parallel is not None:
            for number in range(self._parallel):
                place = self._lock(f"place-{number}")
                if place is not None:
                    held.callback(place)
                    return
            await anyio.sleep(NEAR_S * (1 + random.random()))

    def _tell(self, until: float | None) -> None:
        if self._told != (until is not None):
            self._told = until is not None
            self._listener(Paused(self._provider, until))

    # --- the files ----------------------------------------------------------------------------

    def _lock(self, what: str) -> Release | None:
        """Take the lock of that name: how to let go of it, None where somebody has it."""
        if self._files is not None:
            try:
                return self._files.lock(what)
            except OSError:
                pass  # no files here: this run knows only itself
        if what in self._locks:
            return None
        self._locks.add(what)
        return partial(self._locks.discard, what)

    @contextlib.contextmanager
    def _locked(self, what: str, wait_s: float) -> Iterator[None]:
        """Hold a lock for a moment; go on without it where it is not to be had."""
        until = time.monotonic() + wait_s
        while (release := self._lock(what)) is None and time.monotonic() < until:
            time.sleep(0.001)
        try:
            yield
        finally:
            if release is not None:
                release()
