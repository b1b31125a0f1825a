"""A tip that somebody else moved: when it is judged, and what follows."""

from __future__ import annotations

import pytest

from ledger import events as e
from ledger.model import Outcome
from orchestrator.policy.decide import decide
from orchestrator.policy.orders import (
    BuildCandidate,
    EndAll,
    EndJudging,
    JudgeCandidate,
    JudgeTip,
    LandCandidate,
    Order,
    Record,
    RunBaseline,
    StartAttempt,
)
from orchestrator.policy.tip import in_question
from tests.support.builders import FREE, NOW, Story, head, verdict

PUSHED = e.TipMoved(tip="pushed", tip_tree="pushed-tree")


def orders(story: Story) -> tuple[Order, ...]:
    return decide(story.state, FREE, NOW)


def recorded(story: Story) -> list[e.Event]:
    found = [order for order in orders(story) if isinstance(order, Record)]
    return [event for order in found for event in (order.event, *order.more)]


def says(story: Story, outcome: Outcome, gate: str = "unit", tip: str = "pushed") -> Story:
    """A gate judges the tip."""
    said = verdict(outcome, "pushed-tree", gate)
    return story.tell(
        e.TipJudgingStarted(tip=tip, gate=gate), e.TipGateJudged(tip=tip, verdict=said)
    )


def suspected(*tasks: str, attempts: int = 1, **limits: int) -> Story:
    """The first queued head was red, on a tip that somebody else moved."""
    names = tasks or ("t1",)
    story = Story.of(len(names), attempts=attempts, parallel=9, **limits).baseline().tell(PUSHED)
    story.queues(*names)
    return story.judges(story.builds(1), "failed")


def checked(outcome: Outcome = "failed", **limits: int) -> Story:
    """A check gate was not green on the first attempt from such a tip."""
    story = Story.of(2, **limits).baseline().tell(PUSHED).starts("t1")
    return story.tell(
        e.RoundFinished(task="t1", attempt=1, round=1, commit="c", tree="t"),
        e.RoundGateJudged(task="t1", attempt=1, round=1, verdict=verdict(outcome, "t", "lint")),
    )


# --- when it is asked -------------------------------------------------------------------------


def test_a_moved_tip_on_which_everything_passes_is_not_judged():
    story = Story.of(1).baseline().tell(PUSHED).queues("t1")
    story.judges(story.builds(1))
    assert orders(story) == (LandCandidate(1),)
    story.lands(1)
    assert story.state.moved is None and story.state.result == "c1"


def test_the_gate_that_would_blame_judges_the_tip_first_and_nothing_else_goes_on():
    story = suspected("t1", "t2")
    assert in_question(story.state) == "unit"
    assert orders(story) == (JudgeTip("pushed", "unit"),)
    story.tell(e.TipJudgingStarted(tip="pushed", gate="unit"))
    assert orders(story) == ()


def test_a_red_prefix_is_not_searched_while_the_tip_is_in_question():
    story = Story.of(4, gates_parallel=2).baseline().tell(PUSHED).queues("t1", "t2", "t3", "t4")
    story.judges(story.builds(4), "failed")
    assert orders(story) == (JudgeTip("pushed", "unit"),)


def test_a_green_tip_lets_the_head_be_confirmed_and_blamed_as_ever():
    story = says(suspected(), "passed")
    assert orders(story) == (JudgeCandidate(1, confirms=True),)
    story.judges(1, "failed", confirms=True)
    (fact,) = recorded(story)
    assert isinstance(fact, e.HeadSentBack) and fact.charged


def test_another_gate_that_is_red_then_judges_the_tip_too():
    story = says(suspected(), "passed")
    story.tell(
        e.JudgingStarted(candidate=1, confirms=True),
        e.CandidateGateJudged(candidate=1, verdict=verdict("failed", "t", "slow")),
        e.CandidateJudged(candidate=1, outcome="failed", gate="slow"),
    )
    assert orders(story) == (JudgeTip("pushed", "slow"),)


def test_a_tip_that_orch_landed_is_above_suspicion():
    story = Story.of(2).baseline().tell(PUSHED).lands_at_once("t1").queues("t2")
    story.judges(story.builds(1), "failed")
    assert in_question(story.state) is None
    assert orders(story) == (JudgeCandidate(2, confirms=True),)


def test_the_question_waits_for_a_free_slot_and_takes_one():
    story = Story.of(3, gates_parallel=2).baseline().tell(PUSHED).queues("t1", "t2", "t3")
    short, middle = story.builds(1), story.builds(2)
    story.tell(e.JudgingStarted(candidate=short), e.JudgingStarted(candidate=middle))
    story.tell(
        e.CandidateJudged(candidate=middle, outcome="failed", gate="unit"),
    )
    assert orders(story) == (JudgeTip("pushed", "unit"),)
    story.tell(
        e.TipJudgingStarted(tip="pushed", gate="unit"),
        e.LimitsChanged(limits=story.state.limits.model_copy(update={"gates_parallel": 1})),
    )
    story.tell(e.CandidateDropped(candidate=short, why="gone"))
    assert not any(isinstance(o, JudgeCandidate | JudgeTip) for o in orders(story))


def test_a_question_that_nobody_asks_any_more_keeps_its_slot_until_it_is_answered():
    story = Story.of(3, gates_parallel=2, failure_rate=0.45).baseline().lands_at_once("t1")
    story.tell(PUSHED).queues("t2", "t3").judges(story.builds(1), "failed")
    story.tell(e.TipJudgingStarted(tip="pushed", gate="unit"))
    story.tell(e.TipMoved(tip="mended", tip_tree="mended-tree"))
    story.builds(1)
    story.builds(2)
    assert len([o for o in orders(story) if isinstance(o, JudgeCandidate)]) == 1
    story.tell(e.RejectRequested(tasks=("t1",)))
    story.builds_without("t1")
    story.tell(e.LimitsChanged(limits=story.state.limits.model_copy(update={"gates_parallel": 1})))
    assert orders(story) == ()


def test_the_baseline_starts_even_while_the_tip_is_in_question():
    story = Story.of(1, gates_parallel=2).tell(PUSHED).queues("t1")
    story.judges(story.builds(1), "failed")
    assert orders(story) == (JudgeTip("pushed", "unit"), RunBaseline())


def test_what_nobody_needs_is_ended_while_the_tip_is_in_question():
    story = Story.of(3, gates_parallel=2).baseline().tell(PUSHED).queues("t1", "t2", "t3")
    short, long = story.builds(1), story.builds(3)
    story.tell(e.JudgingStarted(candidate=long))
    story.judges(short, "failed")
    assert orders(story) == (
        EndJudging(long, "a part of it is red already"),
        JudgeTip("pushed", "unit"),
    )


def test_a_rejection_is_not_refused_for_a_red_that_was_on_the_tip():
    story = Story.of(2).baseline().lands_at_once("t1").tell(PUSHED)
    story.tell(e.RejectRequested(tasks=("t1",)))
    story.judges(story.builds_without("t1"), "failed")
    assert orders(story) == (JudgeTip("pushed", "unit"),)


# --- red --------------------------------------------------------------------------------------


def test_a_red_tip_is_confirmed_then_ends_the_run_in_order_and_says_what_is_red():
    story = says(suspected("t1", "t2"), "failed")
    assert orders(story) == (JudgeTip("pushed", "unit", confirms=True),)
    (end,) = recorded(says(story, "failed"))
    assert isinstance(end, e.RunFinished)
    assert (end.outcome, end.exit_code) == ("person-needed", 5)
    assert "'unit' is red on pushed" in end.why and "refs/orch/20261122-goal-a1/tip" in end.why


def test_what_is_under_way_is_ended_before_a_red_tip_ends_the_run():
    story = checked()
    for _ in range(2):
        says(story, "failed", "lint")
    assert orders(story) == (EndAll("the run is ending"),)
    story.ends("t1", "lost")
    (end,) = recorded(story)
    assert isinstance(end, e.RunFinished) and end.exit_code == 5


def test_a_gate_that_cannot_run_on_the_tip_twice_ends_the_run_too():
    story = says(suspected(), "could-not-run")
    assert orders(story) == (JudgeTip("pushed", "unit", confirms=True),)
    (end,) = recorded(says(story, "could-not-run"))
    assert isinstance(end, e.RunFinished)
    assert "'unit' could not run on pushed" in end.why


def test_what_passed_on_a_red_tip_lands_before_the_run_would_end():
    story = Story.of(2, gates_parallel=2).baseline().tell(PUSHED).queues("t1", "t2")
    short, long = story.builds(1), story.builds(2)
    story.tell(e.JudgingStarted(candidate=short)).judges(long, "failed")
    for _ in range(2):
        says(story, "failed")
    story.tell(e.CandidateJudged(candidate=short, outcome="passed"))
    assert orders(story) == (LandCandidate(short),)
    story.lands(short)
    assert in_question(story.state) is None
    assert isinstance(orders(story)[0], BuildCandidate)


def test_a_tip_that_was_red_then_green_is_flaky_and_said_so_once():
    story = says(says(suspected(), "failed"), "passed")
    assert recorded(story) == [e.FlakeSeen(gate="unit", tree="pushed-tree", tests=("unit",))]
    story.tell(*recorded(story))
    assert orders(story) == (JudgeCandidate(1, confirms=True),)


def test_another_engine_asks_again_what_was_not_green_and_only_that():
    story = says(says(suspected(), "passed", "lint"), "failed")
    story.tell(e.EngineStarted(pid=2, host="here"))
    assert orders(story) == (JudgeTip("pushed", "unit"),)
    assert story.state.moved and set(story.state.moved.said) == {"lint"}


def test_a_tip_that_moves_on_takes_the_question_with_it():
    story = says(suspected(), "failed")
    story.tell(e.TipMoved(tip="mended", tip_tree="mended-tree"))
    assert in_question(story.state) is None
    assert orders(story) == (BuildCandidate(2, "mended", (head("t1"),)),)


def test_a_tip_that_is_put_back_is_no_strangers():
    story = says(suspected(), "failed")
    story.tell(e.TipMoved(tip="base", tip_tree="base-tree", without=("pushed",)))
    assert story.state.moved is None
    (back,) = recorded(story)
    assert isinstance(back, e.HeadSentBack)
    assert (back.cause, back.charged) == ("base", False)
    story.tell(back)
    assert orders(story) == (StartAttempt("t1", 2, "base", "coder", reapply=("pushed", "h-t1-1")),)


def test_what_a_person_submitted_is_not_sent_back_for_its_base():
    story = Story.of(1).baseline().tell(PUSHED)
    story.tell(e.HeadSubmitted(task="t1", attempt=1, base="pushed", head="h", tree="t"))
    story.tell(e.TipMoved(tip="base", tip_tree="base-tree", without=("pushed",)))
    assert orders(story) == (BuildCandidate(1, "base", (head("t1"),)),)


# --- attempts that begin there ----------------------------------------------------------------


def test_a_red_check_on_a_moved_tip_asks_the_gate_about_the_tip_before_anybody_else_begins():
    assert orders(checked()) == (JudgeTip("pushed", "lint"),)


def test_a_check_that_went_green_in_the_next_round_asks_nobody():
    story = checked().tell(
        e.RoundFinished(task="t1", attempt=1, round=2, commit="c", tree="t2"),
        e.RoundGateJudged(task="t1", attempt=1, round=2, verdict=verdict("passed", "t2", "lint")),
    )
    assert in_question(story.state) is None


@pytest.mark.parametrize("outcome", ["failed", "could-not-run"])
def test_an_attempt_is_not_charged_for_a_check_that_was_not_green_where_it_began(outcome):
    story = checked(outcome, attempts=1)
    if outcome == "failed":
        story.ends("t1", "failed", cause="check", why="gate 'lint' failed")
    else:
        story.ends("t1", "held", cause="could-not-run", why="gate 'lint' could not run")
    assert orders(story) == (JudgeTip("pushed", "lint"),), "nobody is given up meanwhile"
    for _ in range(2):
        says(story, outcome, "lint")
    assert story.state.tasks["t1"].charged == 0
    assert story.state.tasks["t1"].status == "ready"
    story.tell(e.EngineStarted(pid=2, host="here"))
    for _ in range(2):
        says(story, outcome, "lint")
    assert story.state.tasks["t1"].charged == 0


def test_nobody_is_let_off_twice_for_one_attempt():
    story = Story.of(1).baseline().starts("t1").ends("t1", "failed", cause="worker").tell(PUSHED)
    story.starts("t1").tell(
        e.RoundFinished(task="t1", attempt=2, round=1, commit="c", tree="t"),
        e.RoundGateJudged(task="t1", attempt=2, round=1, verdict=verdict("failed", "t", "lint")),
    )
    story.ends("t1", "failed", cause="check")
    for _ in range(2):
        says(says(story, "failed", "lint"), "failed", "lint").tell(
            e.EngineStarted(pid=2, host="here")
        )
        assert story.state.tasks["t1"].charged == 1


def test_an_attempt_is_charged_for_a_check_that_was_green_where_it_began():
    story = checked(attempts=1).ends("t1", "failed", cause="check", why="gate 'lint' failed")
    says(story, "passed", "lint")
    (fact,) = recorded(story)
    assert fact == e.TaskGivenUp(task="t1", why="given up after 1 attempt: gate 'lint' failed")


def test_a_worker_that_crashed_there_is_charged_without_a_question():
    story = Story.of(1, attempts=1).baseline().tell(PUSHED).starts("t1")
    story.ends("t1", "failed", cause="worker", why="exit 1")
    assert isinstance(recorded(story)[0], e.TaskGivenUp)
