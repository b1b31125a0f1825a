"""Measure, run, measure again: what a firing does next, told as stories."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import heartbeat as h
from ledger.automations import Automation
from ledger.heartbeat_fold import Firing, Heartbeat, evolve
from orchestrator.policy.thermostat import (
    Act,
    BeginRound,
    Drive,
    Measure,
    Settle,
    StartRun,
    Step,
    next_step,
)

BASE = "b" * 40


class Story:
    """One firing, fact by fact."""

    def __init__(self, deadline: float | None = None, **fields: Any) -> None:
        fields = {"until": "x >= 3", "measure": {"x": "count"}, **fields}
        self.state = Heartbeat("a")
        automation = Automation(name="a", goal="g", **fields)
        self.tell(h.FiringStarted(automation=automation, base=BASE, deadline=deadline))

    def tell(self, *beats: h.Beat) -> Story:
        for beat in beats:
            self.state = evolve(self.state, beat, 1.0)
        return self

    def measures(self, value: float) -> Story:
        firing = self.firing
        number = len(firing.rounds)
        return self.tell(h.Measured(round=number, measure="x", value=value, commit=firing.result))

    def runs(self, landed: int = 1, outcome: str = "complete", exit_code: int = 0) -> Story:
        number = len(self.firing.rounds) + 1
        run, result = f"run-{number}", str(number) * 40
        ended = h.RoundEnded(
            round=number,
            run=run,
            outcome=outcome,
            exit_code=exit_code,
            landed=landed,
            result=result,
        )
        return self.tell(
            h.RoundStarted(round=number, base=self.firing.result),
            h.RoundRunStarted(round=number, run=run),
            ended,
        )

    @property
    def firing(self) -> Firing:
        assert self.state.firing is not None
        return self.state.firing

    def next(self, broke: bool = False, now: float = 0.0) -> Step:
        return next_step(self.firing, broke=broke, now=now)

    def outcome(self, broke: bool = False, now: float = 0.0) -> tuple[str, int]:
        step = self.next(broke, now)
        assert isinstance(step, Settle), step
        return step.outcome, step.exit_code


def test_it_measures_runs_and_measures_again_until_it_holds() -> None:
    story = Story()
    assert story.next() == Measure(0, "x", BASE)
    story.measures(1)
    assert story.next() == BeginRound(1, BASE)
    story.tell(h.RoundStarted(round=1, base=BASE))
    assert story.next() == StartRun(1, BASE)
    story.tell(h.RoundRunStarted(round=1, run="run-1"))
    assert story.next() == Drive(1, "run-1")
    result = "1" * 40
    ended = h.RoundEnded(
        round=1, run="run-1", outcome="complete", exit_code=0, landed=2, result=result
    )
    story.tell(ended)
    assert story.next() == Measure(1, "x", result)
    story.measures(2)
    assert story.next() == BeginRound(2, result), "the next round starts from what this one made"
    assert story.runs().measures(3).outcome() == ("holds", 0)


def test_where_it_holds_already_nothing_is_run() -> None:
    assert Story().measures(3).outcome() == ("holds", 0)


def test_without_an_until_it_is_one_run_and_its_exit_code() -> None:
    story = Story(until=None, measure={})
    assert story.next() == BeginRound(1, BASE)
    assert story.runs(exit_code=1).outcome() == ("done", 1)


def test_a_round_that_lands_nothing_is_the_last_and_is_not_measured() -> None:
    assert Story().measures(1).runs(landed=0).outcome() == ("no-gain", 1)


@pytest.mark.parametrize("value", [1.0, 0.5])
def test_a_round_after_which_it_is_no_nearer_is_the_last(value: float) -> None:
    assert Story().measures(1).runs().measures(value).outcome() == ("no-gain", 1)


def test_past_its_deadline_no_round_begins() -> None:
    story = Story(deadline=50.0)
    assert story.next(now=49.0) == Measure(0, "x", BASE)
    assert story.outcome(now=50.0) == ("deadline", 4), "nothing is asked for nothing"
    story.measures(0).runs().measures(1)
    assert isinstance(story.next(now=49.0), BeginRound)
    assert story.outcome(now=50.0) == ("deadline", 4)
    assert story.runs().measures(3).outcome(now=50.0) == ("holds", 0), "what is reached is reached"
    telling = Story(deadline=50.0, on_end=["notify"]).measures(0).runs().measures(1)
    assert telling.next(now=50.0) == Act("notify", "run-1")


def test_it_goes_round_at_most_so_often() -> None:
    story = Story(max_rounds=2).measures(0).runs().measures(1)
    assert isinstance(story.next(), BeginRound)
    assert story.runs().measures(2).outcome() == ("max-rounds", 1)


def test_without_money_no_round_begins_but_what_holds_holds() -> None:
    assert Story().measures(1).outcome(broke=True) == ("budget", 4)
    assert Story().measures(1).runs().measures(2).outcome(broke=True) == ("budget", 4)
    assert Story().measures(1).runs().measures(3).outcome(broke=True) == ("holds", 0)


@pytest.mark.parametrize(
    ("outcome", "exit_code", "expected"),
    [
        ("stopped", 130, "stopped"),
        ("deadline", 4, "deadline"),
        ("budget", 4, "budget"),
        ("person-needed", 5, "person-needed"),
        ("red-base", 5, "red-base"),
        ("no-space", 4, "no-space"),
        ("an-outcome-of-a-later-version", 1, "stopped"),
    ],
)
def test_a_run_that_ends_for_another_reason_ends_all(
    outcome: str, exit_code: int, expected: str
) -> None:
    story = Story().measures(1).runs(outcome=outcome, exit_code=exit_code).measures(2)
    assert story.outcome() == (expected, exit_code)


def test_some_failed_work_is_no_reason_to_stop_while_it_gets_nearer() -> None:
    story = Story().measures(1).runs(exit_code=1).measures(2)
    assert isinstance(story.next(), BeginRound)


def test_a_newer_trigger_takes_its_place_after_the_run_or_before_the_first() -> None:
    story = Story().tell(h.ReplacementRequested(because="more came"))
    assert story.outcome() == ("replaced", 0)
    story = Story().measures(1).runs().measures(2).tell(h.ReplacementRequested())
    assert story.outcome() == ("replaced", 0)


def test_only_a_whole_result_is_accepted_once_and_before_it_is_measured() -> None:
    accepting = {"accept": True, "into": "main"}
    story = Story(**accepting).measures(1).runs()
    assert story.next() == Act("accept", "run-1")
    story.tell(h.EndActionTaken(action="accept", run="run-1", good=True))
    assert isinstance(story.next(), Measure)
    for partly in ({"exit_code": 1}, {"landed": 0}, {"outcome": "person-needed", "exit_code": 5}):
        step = Story(**accepting).measures(1).runs(**partly).next()
        assert not isinstance(step, Act), partly
    assert not isinstance(Story().measures(1).runs().next(), Act), "nobody said so"


def test_a_result_that_cannot_be_accepted_needs_a_person() -> None:
    story = Story(accept=True, into="main").measures(1).runs()
    story.tell(h.EndActionTaken(action="accept", run="run-1", good=False, said="a conflict"))
    step = story.measures(2).next()
    assert step == Settle("person-needed", 5, "not accepted: a conflict")


def test_at_the_end_each_action_is_done_once_with_the_newest_run() -> None:
    story = Story(on_end=("push", "notify")).measures(1).runs().measures(2).runs().measures(3)
    assert story.next() == Act("push", "run-2")
    story.tell(h.EndActionTaken(action="push", run="run-2", good=False, said="no remote"))
    assert story.next() == Act("notify", "run-2")
    story.tell(h.EndActionTaken(action="notify", run="run-2", good=True))
    assert story.outcome() == ("holds", 0)
