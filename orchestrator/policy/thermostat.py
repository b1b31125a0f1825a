"""What a firing does next, and when it is over: measure, run, measure again. Pure.

1. With an `until`, what it starts from is measured first. Where it holds already nothing is run.
2. A round is one run. It starts from the result of the round before, so its tasks find what that
   one landed. A round that was begun is finished before anything else: also after a crash.
3. After a round its result is accepted, where the automation says so and all of it landed; then
   it is measured.
4. It is over, in this order: when a newer trigger is to take its place; when its run ended for
   another reason than that nothing was left to do; when accepting needs a person; without an
   `until`, after one round; when the `until` holds; when a round brought nothing, which is where
   nothing landed, or the measure is no nearer to its goal than before; after `max_rounds`; when
   nothing is left of the budget; when its deadline has passed.
5. Before it is settled, what `on_end` says is done with the newest run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from ledger.heartbeat import EndAction, FiringOutcome, RoundEnded
from ledger.heartbeat_fold import Firing, Point
from orchestrator.policy.until import Until, parse_until, said_of_number

_OUTCOMES = frozenset(get_args(FiringOutcome))


@dataclass(frozen=True, slots=True)
class Measure:
    """Have the measure say its number of a commit."""

    round: int
    name: str
    commit: str


@dataclass(frozen=True, slots=True)
class BeginRound:
    """Record that a run is about to start."""

    round: int
    base: str


@dataclass(frozen=True, slots=True)
class StartRun:
    """Start the run of the round that was begun, unless it has one."""

    round: int
    base: str


@dataclass(frozen=True, slots=True)
class Drive:
    """Drive the round's run to its end."""

    round: int
    run: str


@dataclass(frozen=True, slots=True)
class Act:
    """Do something with a run's result."""

    action: EndAction
    run: str


@dataclass(frozen=True, slots=True)
class Settle:
    """It is over."""

    outcome: FiringOutcome
    exit_code: int
    why: str = ""


Step = Measure | BeginRound | StartRun | Drive | Act | Settle


def next_step(firing: Firing, *, broke: bool, now: float = 0.0) -> Step:
    """What is to be done next; `broke`: nothing is left of its budget, or of the day's."""
    late = firing.started.deadline is not None and now >= firing.started.deadline
    automation, last = firing.started.automation, firing.last
    until = parse_until(automation.until) if automation.until else None
    if last is None:
        if firing.replaced is not None:
            return _replaced(firing)
        if late:
            return _late()
        if until is None:
            return _begin(firing, broke)
        if not firing.series:
            return Measure(0, until.measure, firing.started.base)
        if until.holds(firing.series[0].value):
            return Settle("holds", 0, f"{_said(until, firing.series[0])} already")
        return _begin(firing, broke)
    if last.run is None:
        return StartRun(last.number, last.base)
    if last.ended is None:
        return Drive(last.number, last.run)
    if automation.accept and whole(last.ended) and not firing.acted("accept", last.run):
        return Act("accept", last.run)
    measured = firing.series[-1].round == last.number if firing.series else False
    if until is not None and not measured and last.ended.landed:
        return Measure(last.number, until.measure, last.ended.result)
    over = _over(firing, until, last.ended, broke)
    if over is None and late:
        over = _late()
    if over is None:
        return _begin(firing, broke)
    for action in automation.on_end:
        if not firing.acted(action, last.run):
            return Act(action, last.run)
    return over


def whole(ended: RoundEnded) -> bool:
    """Whether a run did all that it was to do, and something of it landed."""
    return ended.outcome == "complete" and ended.exit_code == 0 and ended.landed > 0


def _begin(firing: Firing, broke: bool) -> BeginRound | Settle:
    if broke:
        return Settle("budget", 4, "nothing is left of what it may spend")
    return BeginRound(len(firing.rounds) + 1, firing.result)


def _late() -> Settle:
    return Settle("deadline", 4, "its deadline has passed")


def _replaced(firing: Firing) -> Settle:
    return Settle("replaced", 0, f"a newer trigger took its place: {firing.replaced}")


def _over(firing: Firing, until: Until | None, ended: RoundEnded, broke: bool) -> Settle | None:
    """Why it is over; None: it goes round again."""
    automation = firing.started.automation
    if firing.replaced is not None:
        return _replaced(firing)
    if ended.outcome != "complete":
        outcome: FiringOutcome = "stopped"
        if ended.outcome in _OUTCOMES:
            outcome = ended.outcome  # type: ignore[assignment]
        return Settle(outcome, ended.exit_code, f"so ended {ended.run}")
    refused = next((one for one in firing.actions if one.run == ended.run and not one.good), None)
    if refused is not None and refused.action == "accept":
        return Settle("person-needed", 5, f"not accepted: {refused.said}")
    if until is None:
        return Settle("done", ended.exit_code)
    now = firing.series[-1]
    rounds = len(firing.rounds)
    if now.round == rounds and until.holds(now.value):
        return Settle("holds", ended.exit_code, _said(until, now))
    if not ended.landed:
        return Settle("no-gain", 1, f"round {rounds} landed nothing; {_said(until, now)}")
    if not until.nearer(now.value, firing.series[-2].value):
        before = said_of_number(firing.series[-2].value)
        why = f"round {rounds} brought it no nearer, from {before}; {_said(until, now)}"
        return Settle("no-gain", 1, why)
    if rounds >= automation.max_rounds:
        return Settle("max-rounds", 1, f"after {rounds} rounds {_said(until, now)}")
    if broke:
        return Settle("budget", 4, f"nothing is left of what it may spend; {_said(until, now)}")
    return None


def _said(until: Until, point: Point) -> str:
    """`coverage is 91`."""
    return f"{until.measure} is {said_of_number(point.value)}"
