"""Which schedules are due, and how far the clocks have drifted apart.

1. What is due is decided by the wall clock, at each look anew: nothing is counted down, so a
   laptop that slept, or a clock that was set, changes nothing but when the look is taken.
2. However often a schedule was due since the last look, it is due once, at the newest time.
3. The monotonic clock does not count sleep and cannot be set: where the wall clock has gone
   another way, the person is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ledger.automations import Automation
from orchestrator.automations.memory import Memory, Seen, look_at_schedule
from orchestrator.automations.times import last_due, next_due

DRIFT_S = 5.0
"""A machine that is busy, or a clock that is set right by degrees, comes to less."""


@dataclass(frozen=True, slots=True)
class Due:
    """A schedule that is due."""

    name: str
    at: float
    late_s: float


def look_at_schedules(
    automations: Iterable[Automation], memory: Memory, now: float
) -> tuple[tuple[Due, ...], Memory]:
    """What is due now, and what is to be remembered of it."""
    found: list[Due] = []
    changes: dict[str, Seen] = {}
    for one in automations:
        before = memory.of(one.name)
        seen = look_at_schedule(one, before, now)
        if one.schedule is not None:
            at = last_due(one.schedule, one.time_zone, seen.since, now)
            if at is not None:
                found.append(Due(one.name, at, now - at))
                seen = seen.model_copy(update={"since": at})
        if seen != before:
            changes[one.name] = seen
    return tuple(found), memory.with_seen(changes)


def next_of(automation: Automation, now: float) -> float | None:
    """When its schedule is due next."""
    if automation.schedule is None:
        return None
    return next_due(automation.schedule, automation.time_zone, now)


@dataclass(frozen=True, slots=True)
class Reading:
    """Both clocks, read at one moment."""

    wall: float
    monotonic: float


def jumped(before: Reading, now: Reading) -> float:
    """By how much the wall clock went another way than time did; zero where it did not."""
    drift = (now.wall - before.wall) - (now.monotonic - before.monotonic)
    return drift if abs(drift) >= DRIFT_S else 0.0
