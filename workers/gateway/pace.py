"""How fast calls may leave that share a credential. Pure.

1. A limit holds all of them until a moment of the wall clock: a provider's limits run on while a
   laptop sleeps. A clock that is set back makes no pause longer than it was.
2. How long: what the provider says, at the least; else ever longer, from a second to a minute,
   with a share by chance so that two runs do not meet again. A day at the most.
3. When the pause is over one call goes first, the probe; the others wait for what it hears. Is it
   limited again, the pause is longer; is it served, two may go, then four, until all may.
4. A call that left before the pause began and is limited too says nothing new: it may make the
   pause longer by what it was told, not by how often.
5. A provider that says it has nothing left, while it still answers, is taken at its word.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from workers.wire.dialect import RateLimit

FIRST_S, LAST_S = 1.0, 60.0
LONGEST_S = 24 * 3600.0
CHANCE = 0.25
ALL = 64
"""As many at a time need no counting any more."""


@dataclass(frozen=True)
class Pace:
    """What is known of a credential."""

    until: float = 0.0
    """Nobody goes before it, in seconds since the epoch."""
    wrote: float = 0.0
    """When that was found out."""
    times: int = 0
    """How often in a row."""
    window: int | None = None
    """How many may be under way; None: as many as come."""

    def left_s(self, now: float) -> float:
        """How long the pause still lasts."""
        return max(0.0, min(self.until - now, self.until - self.wrote))

    def allows(self, under_way: int) -> bool:
        """Whether one more may go beside these; the probe goes by a lock."""
        return self.window is None or (self.window > 1 and under_way < self.window)

    def limited(self, now: float, sent: float, told_s: float | None, chance: float) -> Pace:
        """After a call that left at `sent` was told to come again later; `chance` from 0 to 1."""
        is_news = self.window is None or not self._is_from_before(sent, now)
        times = self.times + 1 if is_news else self.times
        own_s = min(FIRST_S * 2 ** min(times - 1, 20), LAST_S) if is_news else 0.0
        wait_s = min(max(told_s or 0.0, own_s) * (1 + CHANCE * chance), LONGEST_S)
        until = max(now + wait_s, now + self.left_s(now))
        return Pace(until, now if is_news else self.wrote, times, 1)

    def served(self, now: float, sent: float) -> Pace:
        """After a call that left at `sent` was served."""
        if self.window is None or self._is_from_before(sent, now):
            return self
        window = self.window * 2
        return replace(self, times=0, window=window if window < ALL else None)

    def _is_from_before(self, sent: float, now: float) -> bool:
        """Whether a call left before the pause began. A pause of the future was written by a clock
        that was set back since: it is before everything."""
        return sent < self.wrote <= now

    def emptied(self, now: float, wait_s: float) -> Pace:
        """After a provider served a call, and said that nothing is left for so long."""
        until = now + min(wait_s, LONGEST_S)
        if until <= now + self.left_s(now):
            return self
        return replace(self, until=until, wrote=now, window=1)


def told_wait_s(limits: Iterable[RateLimit]) -> float | None:
    """How long nothing is left, by what a provider says of its limits; None: there is some."""
    waits = [one.reset_in_s for one in limits if one.remaining == 0 and one.reset_in_s]
    return max(waits, default=None)
