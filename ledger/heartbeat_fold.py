"""Where an automation stands: `fold` makes it of the facts of its stream. Pure.

1. Triggers that wait are one: paths are joined, the newest says because of what, and a trigger
   that may start earlier lets all of them.
2. A firing is open from its start until it is settled. There is one at a time.
3. A due time counts as answered when a trigger of it was, whatever the answer. One that lies days
   ahead was told by a clock that was wrong then: it counts no longer once the clock is right.
4. A fact that makes no sense where it stands raises `IllegalBeat`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ledger import heartbeat as h

STARTS_KEPT = 200
AHEAD_S = 2 * 86400.0
"""A clock that is set right by more than that was wrong."""
PATHS_KEPT = 2000
"""Of files that changed; a plan for more of them would be no better."""


class IllegalBeat(ValueError):
    """A fact that cannot follow on those before it."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The triggers that wait, as one."""

    trigger: h.Trigger
    since: float
    not_before: float | None = None
    why: str = ""
    by_person: bool = False
    """One of them was a person's."""


@dataclass(frozen=True, slots=True)
class Round:
    """One run of a firing."""

    number: int
    base: str
    started_at: float
    run: str | None = None
    """None: it was about to be started."""
    ended: h.RoundEnded | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """What a measure said after a round; 0: before the first."""

    round: int
    value: float
    commit: str


@dataclass(frozen=True, slots=True)
class Firing:
    """One start, and what came of it."""

    number: int
    started: h.FiringStarted
    started_at: float
    rounds: tuple[Round, ...] = ()
    series: tuple[Point, ...] = ()
    actions: tuple[h.EndActionTaken, ...] = ()
    replaced: str | None = None
    """Because of what a newer trigger is to take its place."""
    settled: h.FiringSettled | None = None
    settled_at: float | None = None

    @property
    def last(self) -> Round | None:
        """The newest round."""
        return self.rounds[-1] if self.rounds else None

    @property
    def result(self) -> str:
        """What the next round starts from."""
        ended = [one.ended for one in self.rounds if one.ended]
        return ended[-1].result if ended else self.started.base

    @property
    def runs(self) -> tuple[str, ...]:
        return tuple(one.run for one in self.rounds if one.run)

    def acted(self, action: str, run: str) -> bool:
        """Whether that was done, or tried, with that run's result."""
        return any(one.action == action and one.run == run for one in self.actions)


@dataclass(frozen=True)
class Heartbeat:
    """Where an automation stands after its fact number `seq`."""

    name: str
    seq: int = 0
    waiting: Waiting | None = None
    firing: Firing | None = None
    """The newest."""
    starts: tuple[float, ...] = ()
    """When its firings started, the newest 200."""
    answered: float | None = None
    """The newest due time that was answered."""
    skipped: h.TriggerSkipped | h.TriggersDropped | None = None
    """The last that did not start."""
    skipped_at: float | None = None
    firings: int = 0

    @property
    def open(self) -> Firing | None:
        """The firing that is not settled: it goes on, or was cut short."""
        return self.firing if self.firing and not self.firing.settled else None

    def answered_at(self, now: float) -> float | None:
        """The newest due time that was answered, as it counts now."""
        return self.answered if self.answered is None or self.answered <= now + AHEAD_S else None

    @property
    def last_start(self) -> float | None:
        return self.starts[-1] if self.starts else None

    def starts_since(self, at: float) -> int:
        """How often it started since then."""
        return sum(start >= at for start in self.starts)


def fold(name: str, beats: Iterable[tuple[h.Beat, float]]) -> Heartbeat:
    """The state after all facts of a stream."""
    state = Heartbeat(name)
    for beat, at in beats:
        state = evolve(state, beat, at)
    return state


def evolve(state: Heartbeat, beat: h.Beat, at: float) -> Heartbeat:
    """The state after one more fact."""
    state = replace(state, seq=state.seq + 1)
    match beat:
        case h.Triggered():
            waiting = _joined(state.waiting, beat, at)
            return replace(state, waiting=waiting, answered=_answered(state, beat.trigger, at))
        case h.TriggerSkipped():
            answered = _answered(state, beat.trigger, at)
            return replace(state, skipped=beat, skipped_at=at, answered=answered)
        case h.TriggersDropped():
            return replace(state, waiting=None, skipped=beat, skipped_at=at)
        case h.TriggersDeferred():
            _require(state.waiting is not None, "no trigger waits")
            assert state.waiting is not None
            later = replace(state.waiting, not_before=beat.not_before, why=beat.why)
            return replace(state, waiting=later)
        case h.FiringStarted():
            _require(state.open is None, "a firing goes on already")
            number = state.firings + 1
            return replace(
                state,
                waiting=None,
                firing=Firing(number, beat, at),
                firings=number,
                starts=(*state.starts, at)[-STARTS_KEPT:],
            )
        case _:
            firing = state.open
            if firing is None:
                raise IllegalBeat(f"{beat.kind}: no firing goes on")
            return replace(state, firing=_evolved(firing, beat, at))


def _evolved(firing: Firing, beat: h.Beat, at: float) -> Firing:
    last = firing.last
    match beat:
        case h.FiringResumed():
            return firing
        case h.ReplacementRequested():
            return replace(firing, replaced=beat.because)
        case h.RoundStarted():
            _require(last is None or last.ended is not None, "the round before goes on")
            _require(beat.round == len(firing.rounds) + 1, f"round {beat.round} is not the next")
            fresh = Round(beat.round, beat.base, at)
            return replace(firing, rounds=(*firing.rounds, fresh))
        case h.RoundRunStarted():
            _require(last is not None and last.number == beat.round, "no such round has begun")
            return _with_last(firing, run=beat.run)
        case h.RoundEnded():
            _require(last is not None and last.run == beat.run, f"{beat.run} is not its run")
            return _with_last(firing, ended=beat)
        case h.Measured():
            point = Point(beat.round, beat.value, beat.commit)
            return replace(firing, series=(*firing.series, point))
        case h.EndActionTaken():
            return replace(firing, actions=(*firing.actions, beat))
        case h.FiringSettled():
            return replace(firing, settled=beat, settled_at=at)
        case _:
            raise IllegalBeat(f"{beat.kind} within a firing")


def _with_last(firing: Firing, **changes: object) -> Firing:
    changed = replace(firing.rounds[-1], **changes)  # type: ignore[arg-type]
    return replace(firing, rounds=(*firing.rounds[:-1], changed))


def _joined(waiting: Waiting | None, beat: h.Triggered, at: float) -> Waiting:
    by_person = beat.trigger.cause == "person"
    if waiting is None:
        return Waiting(beat.trigger, at, beat.not_before, beat.why, by_person)
    paths = tuple(dict.fromkeys((*waiting.trigger.paths, *beat.trigger.paths)))[:PATHS_KEPT]
    soon = None in (waiting.not_before, beat.not_before)
    times = [time for time in (waiting.not_before, beat.not_before) if time is not None]
    return Waiting(
        beat.trigger.model_copy(update={"paths": paths}),
        waiting.since,
        None if soon else min(times),
        "" if soon else beat.why or waiting.why,
        waiting.by_person or by_person,
    )


def _answered(state: Heartbeat, trigger: h.Trigger, at: float) -> float | None:
    """The newest due time that was answered, this trigger's included."""
    before = state.answered_at(at)
    return max((one for one in (before, trigger.due) if one is not None), default=None)


def _require(holds: bool, why: str) -> None:
    if not holds:
        raise IllegalBeat(why)
