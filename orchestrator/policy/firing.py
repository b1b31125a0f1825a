"""Whether a trigger starts its automation. Pure; what happens once it has is in `thermostat`.

1. A due time that was answered before is skipped: what was missed is caught up once. What a clock
   answered that was days ahead keeps nothing from starting.
2. While a run of its own goes on, or was cut short and goes on first, `while_running` says what
   becomes of a trigger: it is skipped, waits, or is to take that one's place.
3. Within its quiet hours, and for `pause_s` after its last start, it does not start by itself. A
   time of its schedule is skipped then, since the next will come; whatever else asked for it waits.
   A person is not held up.
4. Once what a day may cost is spent, or held by runs that go on, nothing starts, whoever asks.
5. `only_if` comes last, since it is a command: the caller runs it when all else has been answered.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ledger.automations import Automation
from ledger.books import Cap, Sum
from ledger.heartbeat import SkipReason, Trigger
from ledger.heartbeat_fold import Heartbeat


@dataclass(frozen=True, slots=True)
class Moment:
    """What the clock and the ledger say."""

    at: float
    """Seconds since the epoch."""
    quiet_until: float | None = None
    """When the quiet hours that it is in end; None: it is in none."""
    spent: Sum = field(default_factory=Sum)
    """What all runs of the repository have spent since midnight."""
    held: Sum = field(default_factory=Sum)
    """What those that go on may still spend."""
    cap: Cap = field(default_factory=Cap)
    """What a day may cost."""


@dataclass(frozen=True, slots=True)
class Skip:
    """It starts nothing."""

    reason: SkipReason
    why: str


@dataclass(frozen=True, slots=True)
class Wait:
    """It waits its turn."""

    not_before: float | None
    """None: until nothing of its own goes on."""
    why: str


@dataclass(frozen=True, slots=True)
class Start:
    """It starts now."""


@dataclass(frozen=True, slots=True)
class Replace:
    """What goes on ends in order; then it starts."""


def answer(
    automation: Automation, state: Heartbeat, trigger: Trigger, now: Moment, *, going_on: bool
) -> Start | Skip | Wait | Replace:
    """What becomes of a trigger."""
    due, answered = trigger.due, state.answered_at(now.at)
    if due is not None and answered is not None and due <= answered:
        return Skip("answered", "that time was answered before")
    if going_on:
        match automation.while_running:
            case "skip":
                return Skip("going-on", "its last run goes on")
            case "queue":
                return Wait(None, "its last run goes on")
            case "replace":
                return Replace()
    found = may_start(automation, state, now, by_person=trigger.cause == "person")
    if isinstance(found, Wait) and trigger.cause == "schedule":
        return Skip("quiet" if now.quiet_until is not None else "pause", found.why)
    return found


def may_start(
    automation: Automation, state: Heartbeat, now: Moment, *, by_person: bool
) -> Start | Skip | Wait:
    """Whether what waits may start now; a Skip drops it."""
    if is_empty(left(now.cap, now.spent + now.held)):
        return Skip("budget", f"what a day may cost is spent: {_said(now)}")
    if by_person:
        return Start()
    if now.quiet_until is not None:
        return Wait(now.quiet_until, "it is within its quiet hours")
    last = state.last_start
    # A start that lies ahead was recorded by a clock that has been set back since.
    if last is not None and last <= now.at < last + automation.pause_s:
        return Wait(last + automation.pause_s, "its last start was too short a time ago")
    return Start()


def left(cap: Cap, spent: Sum) -> Cap:
    """What of a cap is left; never below zero."""
    return Cap(
        tokens=None if cap.tokens is None else max(0, cap.tokens - spent.tokens),
        usd=None if cap.usd is None else max(0, (cap.nanos or 0) - spent.nanos) / 1e9,
    )


def tighter(one: Cap, other: Cap) -> Cap:
    """The smaller of two caps, each part on its own."""
    tokens = [cap.tokens for cap in (one, other) if cap.tokens is not None]
    usd = [cap.usd for cap in (one, other) if cap.usd is not None]
    return Cap(tokens=min(tokens, default=None), usd=min(usd, default=None))


def is_empty(cap: Cap) -> bool:
    """Whether nothing at all may be spent under it."""
    return cap.tokens == 0 or cap.nanos == 0


def _said(now: Moment) -> str:
    parts, held = [], now.held
    if now.cap.usd is not None:
        also = f" and ${held.nanos / 1e9:.2f} held by runs that go on," if held.nanos else ""
        parts.append(f"${now.spent.nanos / 1e9:.2f}{also} of ${now.cap.usd:.2f}")
    if now.cap.tokens is not None:
        also = f" and {held.tokens:,} held by runs that go on," if held.tokens else ""
        parts.append(f"{now.spent.tokens:,}{also} of {now.cap.tokens:,} tokens")
    return ", ".join(parts)
