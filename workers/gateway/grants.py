"""Who may call which models: each attempt by a key of its own, which ends with it."""

from __future__ import annotations

import hmac
import math
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import anyio

from ledger.model import CallPurpose, RunId, Shortage, TaskId, Tokens
from workers.gateway.trouble import Trouble

KEY = "sk-orch-1"
"""Some clients look at how a key begins; redaction knows the looks of it."""
TROUBLES = 100
"""As many are kept of one attempt."""


@dataclass(frozen=True)
class CallLimits:
    """What one attempt's calls may be."""

    max_output: int | None = None
    """Tokens that one call may write; what is asked beyond is lowered to it."""
    calls: int | None = None
    """How many calls it may make."""


@dataclass(frozen=True)
class Grant:
    """What an attempt may call."""

    run: RunId
    task: TaskId
    attempt: int
    worker: str
    provider: str
    models: tuple[str, ...]
    limits: CallLimits = field(default_factory=CallLimits)
    purpose: CallPurpose = "work"
    varying: tuple[tuple[str, str], ...] = ()
    """Texts that differ when the run is repeated, the workspace's path for one, and a word for
    each that a record holds in its place."""


@dataclass(frozen=True)
class Ended:
    """Why an attempt may make no more calls."""

    reason: Literal["closed", "budget", "calls", "record", "then"]
    """`record`: a replay has no answer; `then`: the attempt was ended there when recorded."""
    why: str
    scope: str = ""
    short: tuple[Shortage, ...] = ()
    """What of a budget was too little."""


@dataclass
class Told:
    """Whom to tell what happens to an attempt's calls; each must return at once."""

    trouble: Callable[[Trouble], None] = lambda trouble: None
    ended: Callable[[Ended], None] = lambda ended: None


class Access:
    """An open grant: its key, and what became of it so far."""

    def __init__(self, grant: Grant, told: Told) -> None:
        self.grant = grant
        self.key = KEY + secrets.token_urlsafe(24)
        self.ended: Ended | None = None
        self.calls = 0
        self.unsettled = 0
        """Calls whose usage was never told: their worst was counted."""
        self.tokens = Tokens()
        self.cost_usd: float | None = 0.0
        """None: a part of it is not known."""
        self.troubles: list[Trouble] = []
        self._calls: set[anyio.CancelScope] = set()
        self._quiet = anyio.Event()
        self._told = told
        self._waited_s = 0.0
        self._waiting = 0
        self._since = math.inf

    @property
    def waited_s(self) -> float:
        """How long it waited for limits, and for others: time that is not its own."""
        return self._waited_s + (time.monotonic() - self._since if self._waiting else 0.0)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Time that is not the worker's; what several calls wait at a time counts once."""
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._waited_s += time.monotonic() - self._since

    @contextmanager
    def under_way(self) -> Iterator[anyio.CancelScope]:
        """A call, which ends when the attempt does."""
        with anyio.CancelScope() as call:
            self._calls.add(call)
            try:
                yield call
            finally:
                self._calls.discard(call)
                if not self._calls:
                    self._quiet.set()
                    self._quiet = anyio.Event()

    async def end_calls(self) -> None:
        """End the calls that are under way, and wait until they are settled."""
        for call in self._calls:
            call.cancel()
        while self._calls:
            await self._quiet.wait()

    def trouble(self, trouble: Trouble) -> None:
        """Tell of trouble."""
        if len(self.troubles) < TROUBLES:
            self.troubles.append(trouble)
        self._told.trouble(trouble)

    def end(self, ended: Ended) -> None:
        """No more calls from here on; said once. Those under way go on."""
        if self.ended is None:
            self.ended = ended
            self._told.ended(ended)

    def spent(self, tokens: Tokens | None, cost_usd: float | None) -> None:
        """Count a call that has ended."""
        if tokens is None:
            self.unsettled += 1
        else:
            self.tokens += tokens
        known = self.cost_usd is not None and cost_usd is not None
        self.cost_usd = (self.cost_usd or 0.0) + (cost_usd or 0.0) if known else None


class Keys:
    """All open grants by their keys."""

    def __init__(self) -> None:
        self._open: dict[str, Access] = {}

    def __iter__(self) -> Iterator[Access]:
        return iter(tuple(self._open.values()))

    def open(self, grant: Grant, told: Told) -> Access:
        """A new key for an attempt."""
        access = Access(grant, told)
        self._open[access.key] = access
        return access

    def find(self, key: str) -> Access | None:
        """The open grant of a key. Takes as long whichever key comes."""
        found = None
        for known, access in self._open.items():
            if hmac.compare_digest(known.encode(), key.encode("utf-8", "replace")):
                found = access
        return found

    def close(self, key: str) -> Access | None:
        """The key is good for nothing any more."""
        access = self._open.pop(key, None)
        if access is not None:
            access.end(Ended("closed", "the attempt has ended"))
        return access
