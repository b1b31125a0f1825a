"""What may be spent, what is, and whether one more call fits. Pure.

1. A call is reserved at its worst before it leaves: in its own scope, its attempt's, its task's
   and the run's, in all or in none.
2. What is reserved counts as spent until it is settled. Settled, it counts as what it came to;
   where that is not known, and where nobody is left to settle it, as the worst.
3. A call is refused where spent and reserved and its worst are more than a scope's cap. Where
   spent and its worst alone would fit, it is refused for now only: what is in flight may come to
   less than was reserved for it.
4. A call whose price is not known counts no money, and is counted as such: then the caps on tokens
   rule. Where money is capped and tokens are nowhere, nothing would: it is refused.
5. Money is counted in whole billionths of a dollar, so sums are exact; prices are rounded up, caps
   down.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal

from ledger.model import Shortage

ScopeName = Literal["call", "attempt", "task", "run"]
Purse = str
"""Who pays: the run (nothing), a task, or an attempt of one (`task/1`)."""

PRICE_UNKNOWN = "its price is not known, and only money is limited"
"""Why a call is refused that no cap could ever stop."""


def used_up(whose: str, why: str) -> str:
    """Why nothing more is spent; where a price is not known, nothing was used up."""
    said = "could never stop a call" if why == PRICE_UNKNOWN else "is used up"
    return f"{whose} {said}: {why}"


_NANOS = Decimal(10**9)


@dataclass(frozen=True)
class Sum:
    """Tokens and money, and how many calls there were whose price is not known."""

    tokens: int = 0
    nanos: int = 0
    unpriced: int = 0

    def __add__(self, other: Sum) -> Sum:
        return Sum(
            self.tokens + other.tokens, self.nanos + other.nanos, self.unpriced + other.unpriced
        )

    @property
    def cost_usd(self) -> float | None:
        """None where a part of it is not known, which is never zero."""
        return None if self.unpriced else self.nanos / 1e9


def sum_of(tokens: int, cost_usd: float | None) -> Sum:
    """One call's tokens and money; a fraction of a billionth is rounded up."""
    if cost_usd is None:
        return Sum(tokens, 0, 1)
    return Sum(tokens, math.ceil(Decimal(repr(cost_usd)) * _NANOS))


@dataclass(frozen=True)
class Cap:
    """The most that may be spent in a scope; None: as much as comes."""

    tokens: int | None = None
    usd: float | None = None

    @property
    def nanos(self) -> int | None:
        return None if self.usd is None else math.floor(Decimal(repr(self.usd)) * _NANOS)

    def holds(self, amount: Sum) -> bool:
        """Whether that much fits."""
        fits = self.tokens is None or amount.tokens <= self.tokens
        return fits and (self.nanos is None or amount.nanos <= self.nanos)


@dataclass(frozen=True)
class Caps:
    """The caps of all scopes; each attempt and each task has one of its own."""

    call: Cap = field(default_factory=Cap)
    attempt: Cap = field(default_factory=Cap)
    task: Cap = field(default_factory=Cap)
    run: Cap = field(default_factory=Cap)

    @property
    def of_tokens(self) -> bool:
        """Whether tokens are capped anywhere beyond the single call."""
        return any(cap.tokens is not None for cap in (self.attempt, self.task, self.run))

    @property
    def of_money(self) -> bool:
        return any(cap.usd is not None for cap in (self.call, self.attempt, self.task, self.run))


@dataclass(frozen=True)
class Held:
    """A reservation: who pays, and what it may come to."""

    task: str
    attempt: int
    worst: Sum

    @property
    def purses(self) -> tuple[Purse, Purse, Purse]:
        return (f"{self.task}/{self.attempt}", self.task, "")


@dataclass(frozen=True)
class TooMuch:
    """A call that does not fit, and in which scope."""

    scope: ScopeName
    why: str
    for_now: bool = False
    """What is in flight may come to less; then it would fit."""
    short: tuple[Shortage, ...] = ()
    """By how much; none where a price is not known."""


@dataclass(frozen=True)
class Books:
    """What is spent and what is reserved, by the caps."""

    caps: Caps = field(default_factory=Caps)
    spent: Mapping[Purse, Sum] = field(default_factory=dict)
    held: Mapping[str, Held] = field(default_factory=dict)

    def spent_by(self, purse: Purse = "") -> Sum:
        """What is settled."""
        return self.spent.get(purse, Sum())

    def held_by(self, purse: Purse = "") -> Sum:
        """What is reserved and not settled."""
        worsts = (held.worst for held in self.held.values() if purse in held.purses)
        return sum(worsts, Sum())

    def reserve(self, call: str, wanted: Held) -> Books | TooMuch:
        """Reserve the worst of a call in all scopes, by a name that is new."""
        if call in self.held:
            raise ValueError(f"call {call} is reserved already")
        worst = wanted.worst
        if worst.unpriced and self.caps.of_money and not self.caps.of_tokens:
            return TooMuch("run", PRICE_UNKNOWN)
        if not self.caps.call.holds(worst):
            why, short = _why(self.caps.call, Sum(), Sum(), worst)
            return TooMuch("call", why, short=short)
        caps = (self.caps.attempt, self.caps.task, self.caps.run)
        names: tuple[ScopeName, ...] = ("attempt", "task", "run")
        late: TooMuch | None = None
        for name, cap, purse in zip(names, caps, wanted.purses, strict=True):
            spent, held = self.spent_by(purse), self.held_by(purse)
            if not cap.holds(spent + worst):
                why, short = _why(cap, spent, Sum(), worst)
                return TooMuch(name, why, short=short)
            if late is None and not cap.holds(spent + held + worst):
                why, short = _why(cap, spent, held, worst)
                late = TooMuch(name, why, for_now=True, short=short)
        return late or self.hold(call, wanted)

    def hold(self, call: str, wanted: Held) -> Books:
        """Reserve it, whatever the caps say."""
        return replace(self, held={**self.held, call: wanted})

    def settle(self, call: str, came_to: Sum | None) -> Books:
        """Settle a call at what it came to; None: that is not known. Twice is as good as once."""
        held = self.held.get(call)
        if held is None:
            return self
        amount = held.worst if came_to is None else came_to
        spent = dict(self.spent)
        for purse in held.purses:
            spent[purse] = spent.get(purse, Sum()) + amount
        left = {name: other for name, other in self.held.items() if name != call}
        return replace(self, spent=spent, held=left)

    def abandoned(self) -> Books:
        """The same where nobody is left to settle anything: all that was reserved is spent."""
        books = self
        for call in self.held:
            books = books.settle(call, None)
        return books

    def under(self, caps: Caps) -> Books:
        """The same under other caps, also such as are below what is spent."""
        return replace(self, caps=caps)


def _why(cap: Cap, spent: Sum, held: Sum, worst: Sum) -> tuple[str, tuple[Shortage, ...]]:
    """Which of both is too much: the first in words, all in numbers."""
    taken, short, words = spent + held, [], []
    if cap.tokens is not None and taken.tokens + worst.tokens > cap.tokens:
        parts = [f"{amount.tokens:,} {word}" for amount, word in _parts(spent, held, worst)]
        words.append(f"{' + '.join(parts)}: more than {cap.tokens:,} tokens")
        left = max(0, cap.tokens - taken.tokens)
        short.append(Shortage(unit="tokens", needed=worst.tokens, left=left, limit=cap.tokens))
    if cap.usd is not None and cap.nanos is not None and taken.nanos + worst.nanos > cap.nanos:
        parts = [f"${amount.nanos / 1e9:.4f} {word}" for amount, word in _parts(spent, held, worst)]
        words.append(f"{' + '.join(parts)}: more than ${cap.usd:.4f}")
        left_usd = max(0, cap.nanos - taken.nanos) / 1e9
        needed_usd = worst.nanos / 1e9
        short.append(Shortage(unit="usd", needed=needed_usd, left=left_usd, limit=cap.usd))
    return words[0], tuple(short)


def _parts(spent: Sum, held: Sum, worst: Sum) -> list[tuple[Sum, str]]:
    told = [(spent, "spent"), (held, "in flight")]
    return [(amount, word) for amount, word in told if amount != Sum()] + [
        (worst, "that this call may come to")
    ]
