"""Who keeps the money: what the gateway asks before a call leaves, and tells when it has ended.

1. `reserve` returns when the reservation is durable: after a kill it counts as spent.
2. Where a call would fit but for others in flight, it waits for these; that wait is bounded.
3. `settle` is told what a call came to; None: nobody knows, and the worst counts.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Protocol

import anyio

from ledger.books import Books, Caps, Held, ScopeName, TooMuch, sum_of
from ledger.model import CallPurpose, RunId, Shortage, TaskId, Tokens

PATIENCE_S = 1800.0
"""How long a call waits for others in flight: longer than a call may take."""


@dataclass(frozen=True)
class Call:
    """A call that wants to leave, and what it may come to."""

    run: RunId
    task: TaskId
    attempt: int
    worker: str
    provider: str
    model: str
    tokens: int
    """At the worst."""
    cost_usd: float | None
    """At the worst; None: the price is not known."""
    purpose: CallPurpose = "work"


@dataclass(frozen=True)
class Reservation:
    """A call that may leave."""

    id: str
    call: Call


@dataclass(frozen=True)
class Refused:
    """A call that may not, and in which scope it would be too much."""

    scope: ScopeName
    why: str
    short: tuple[Shortage, ...] = ()
    """By how much."""


class Till(Protocol):
    """Keeps the books of a run."""

    async def reserve(self, call: Call) -> Reservation | Refused:
        """Reserve a call's worst, durably, before it leaves."""

    async def settle(
        self, reservation: Reservation, tokens: Tokens | None, cost_usd: float | None
    ) -> None:
        """Say what a call came to. Tokens of None: not known, the worst counts."""


class MemoryTill:
    """A till that forgets when it ends: for tests, and for calls outside a run."""

    def __init__(self, caps: Caps | None = None, patience_s: float = PATIENCE_S) -> None:
        self.books = Books(caps or Caps())
        self._patience_s = patience_s
        self._settled = anyio.Event()
        self._numbers = itertools.count(1)

    async def reserve(self, call: Call) -> Reservation | Refused:
        """As the protocol says."""
        worst = sum_of(call.tokens, call.cost_usd)
        name = f"{call.task}/{call.attempt}/{next(self._numbers)}"
        found = self.books.reserve(name, Held(call.task, call.attempt, worst))
        with anyio.move_on_after(self._patience_s):
            while isinstance(found, TooMuch) and found.for_now:
                await self._settled.wait()
                found = self.books.reserve(name, Held(call.task, call.attempt, worst))
        if isinstance(found, TooMuch):
            return Refused(found.scope, found.why, found.short)
        self.books = found
        return Reservation(name, call)

    async def settle(
        self, reservation: Reservation, tokens: Tokens | None, cost_usd: float | None
    ) -> None:
        """As the protocol says."""
        came_to = None if tokens is None else sum_of(tokens.total, cost_usd)
        self.books = self.books.settle(reservation.id, came_to)
        self._settled.set()
        self._settled = anyio.Event()
