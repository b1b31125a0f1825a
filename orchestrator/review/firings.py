"""What automations did since a time, in the morning report: what no run of theirs tells. Pure.

1. A run tells how it ended. Told here is what came before and after it: that one could not be
   started, that its measure said no number, that its result could not be accepted or pushed.
2. Whoever was cut short, or is settled as needing a person, needs one; the rest has failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ledger.heartbeat_fold import Firing
from orchestrator.review.markdown import code, escaped
from orchestrator.review.words import day

PERSON_NEEDED = 5


@dataclass(frozen=True)
class Fired:
    """One automation: its firings that were settled since then, and what could not start."""

    name: str
    settled: tuple[Firing, ...]
    not_started: tuple[tuple[float, str], ...]
    """When, and why."""
    cut_short: bool = False


def needs_of(one: Fired) -> Iterator[str]:
    """For whom a person is needed."""
    if one.cut_short:
        type_it = code(f"orch schedule run {one.name} --waiting")
        yield f"- automation {code(one.name)} was cut short; to go on: {type_it}"
    for firing in one.settled:
        if _own_code(firing) == PERSON_NEEDED:
            yield _settled(one, firing)


def failures_of(one: Fired) -> Iterator[str]:
    """What could not be started, measured, accepted, pushed or told."""
    for at, why in one.not_started:
        yield f"- automation {code(one.name)} did not start, {day(at)}: {escaped(why, 300)}"
    for firing in one.settled:
        if _own_code(firing) not in (0, PERSON_NEEDED):
            yield _settled(one, firing)
        for action in firing.actions:
            if not action.good and action.action != "accept":
                what = f"{action.action} of {code(action.run)}"
                yield f"- {what}, for {code(one.name)}: {escaped(action.said, 300)}"


def _own_code(firing: Firing) -> int:
    """The exit code that it was settled with, 0 where its last run tells the same."""
    settled, last = firing.settled, firing.last
    if settled is None or (last and last.ended and last.ended.exit_code == settled.exit_code):
        return 0
    return settled.exit_code


def _settled(one: Fired, firing: Firing) -> str:
    assert firing.settled is not None
    said = f"{firing.settled.outcome.replace('-', ' ')}: {escaped(firing.settled.why, 300)}"
    return f"- automation {code(one.name)}, started {day(firing.started_at)}: {said}"
