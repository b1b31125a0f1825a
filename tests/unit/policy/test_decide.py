"""What is ordered next, rule by rule."""

from __future__ import annotations

import pytest

from ledger import events as e
from ledger.model import Limits
from orchestrator.policy.decide import decide
from orchestrator.policy.ending import under_way
from orchestrator.policy.now import Now
from orchestrator.policy.orders import (
    BuildCandidate,
    EndAll,
    EndJudging,
    JudgeCandidate,
    LandCandidate,
    Order,
    Record,
    RunBaseline,
    StartAttempt,
)
from tests.support.builders import BASE, FREE, NOW, Story, head, verdict


def orders(story: Story, now: Now = NOW) -> tuple[Order, ...]:
    return decide(story.state, FREE, now)


def facts(story: Story, now: Now = NOW) -> list[e.Event]:
    records = [order for order in orders(story, now) if isinstance(order, Record)]
    return [event for order in records for event in (order.event, *order.more)]


def finish(story: Story, now: Now = NOW) -> e.RunFinished:
    """The run's end, which is all that is ordered."""
    (fact,) = facts(story, now)
    assert isinstance(fact, e.RunFinished)
    return fact


def starts(story: Story, now: Now = NOW) -> list[str]:
    return [order.task for order in orders(story, now) if isinstance(order, StartAttempt)]


# --- the start --------------------------------------------------------------------------------


def test_the_baseline_and_the_first_workers_start_side_by_side():
    story = Story.of(5, parallel=2)
    assert orders(story) == (
        RunBaseline(),
        StartAttempt("t1", 1, BASE, "coder"),
        StartAttempt("t2", 1, BASE, "coder"),
    )


def test_a_task_starts_from_the_tip_on_which_its_needs_have_landed():
    story = Story.of({"a": [], "b": ["a"]}).baseline()
    assert starts(story) == ["a"]
    story.lands_at_once("a")
    assert orders(story) == (StartAttempt("b", 1, story.state.tip, "coder"),)
    assert story.state.tip != BASE


def test_a_dependant_of_an_unchanged_task_starts():
    story = Story.of({"a": [], "b": ["a"]}).baseline().starts("a").ends("a", "unchanged")
    assert starts(story) == ["b"]


def test_a_free_worker_does_not_wait_for_a_candidate_to_be_built():
    story = Story.of(3, parallel=2).baseline().queues("t1")
    assert orders(story) == (
        BuildCandidate(1, BASE, (head("t1"),)),
        StartAttempt("t2", 1, BASE, "coder"),
        StartAttempt("t3", 1, BASE, "coder"),
    )


def test_too_little_space_starts_nobody_and_lets_the_queue_go_on():
    story = Story.of(3, min_free_gb=5.0).baseline().queues("t1")
    assert orders(story, Now(0.0, free_gb=4.9)) == (BuildCandidate(1, BASE, (head("t1"),)),)
    candidate = story.builds(1)
    story.judges(candidate).lands(candidate)
    end = finish(story, Now(0.0, free_gb=4.9))
    assert (end.outcome, end.exit_code) == ("no-space", 4)
    assert "4.9 GB" in end.why
    assert starts(story, Now(0.0, free_gb=5.0)) == ["t2", "t3"]


# --- the end ----------------------------------------------------------------------------------


def test_a_finished_run_orders_nothing():
    story = Story.of(1).tell(e.RunFinished(outcome="complete", exit_code=0))
    assert orders(story) == ()


def test_a_stop_ends_what_is_under_way_before_the_run_is_finished():
    story = Story.of(2).tell(e.BaselineStarted()).starts("t1").tell(e.StopRequested(why="enough"))
    assert under_way(story.state)
    assert orders(story) == (EndAll("the run is ending"),)
    story.ends("t1", "lost").tell(e.BaselineLost(why="stopped"))
    end = finish(story)
    assert (end.outcome, end.exit_code, end.why) == ("stopped", 130, "enough")


def test_a_passed_deadline_ends_the_run_and_an_open_one_does_not():
    story = Story.of(1, deadline=100.0)
    assert RunBaseline() in orders(story, Now(99.9))
    end = finish(story, Now(100.0))
    assert (end.outcome, end.exit_code) == ("deadline", 4)


def test_a_red_base_ends_the_run_and_names_the_gates():
    story = Story.of(1).starts("t1").baseline("failed")
    assert orders(story) == (EndAll("the run is ending"),)
    story.ends("t1", "lost")
    end = finish(story)
    assert (end.outcome, end.exit_code) == ("red-base", 5)
    assert "unit" in end.why


def test_a_red_base_that_was_allowed_lets_work_land():
    story = Story.of(1, allow_red_base=True).baseline("could-not-run").queues("t1")
    story.judges(story.builds(1))
    assert orders(story) == (LandCandidate(1),)


@pytest.mark.parametrize(
    ("tell", "outcome", "exit_code"),
    [
        (lambda s: s.lands_at_once("a", "b"), "complete", 0),
        (lambda s: s.starts("a").ends("a", "unchanged").lands_at_once("b"), "complete", 0),
        (lambda s: s.tell(e.TaskGivenUp(task="a", why="no")), "complete", 1),
        (lambda s: s.starts("a").ends("a", "held"), "person-needed", 5),
        (
            lambda s: s.starts("a").ends("a", "held").tell(e.TaskGivenUp(task="other", why="no")),
            "person-needed",
            5,
        ),
    ],
)
def test_the_exit_code_says_what_came_of_the_run(tell, outcome, exit_code):
    story = Story.of({"a": [], "b": ["a"], "other": []}).baseline()
    tell(story)
    if story.state.tasks["other"].status == "ready":
        story.lands_at_once("other")
    end = finish(story)
    assert (end.outcome, end.exit_code) == (outcome, exit_code)


# --- tasks that cannot go on ------------------------------------------------------------------


def test_a_task_whose_attempts_are_used_up_is_given_up_with_the_last_reason():
    story = Story.of(1, attempts=2).baseline()
    story.starts("t1").ends("t1", "failed", why="it crashed")
    assert starts(story) == ["t1"]
    story.starts("t1").ends("t1", "failed", why="it crashed again")
    (fact,) = facts(story)
    assert fact == e.TaskGivenUp(task="t1", why="given up after 2 attempts: it crashed again")


def test_fewer_attempts_allowed_meanwhile_give_up_what_has_used_them():
    story = Story.of(2, attempts=3).baseline().starts("t1").ends("t1", "failed")
    story.tell(e.LimitsChanged(limits=Limits(attempts=1)))
    (fact,) = facts(story)
    assert isinstance(fact, e.TaskGivenUp)


def test_a_lost_worker_uses_up_no_attempt_and_five_in_a_row_ask_a_person():
    story = Story.of(1, attempts=1).baseline()
    for _ in range(4):
        story.starts("t1").ends("t1", "lost", why="the laptop slept")
        assert starts(story) == ["t1"]
    story.starts("t1").ends("t1", "lost", why="the laptop slept")
    (fact,) = facts(story)
    assert fact == e.TaskHeld(task="t1", why="its worker was lost 5 times: the laptop slept")


# --- landing ----------------------------------------------------------------------------------


def test_nothing_lands_before_the_base_is_known():
    story = Story.of(1, gates_parallel=2).tell(e.BaselineStarted()).queues("t1")
    story.judges(story.builds(1))
    assert orders(story) == ()
    story.tell(e.BaselineGateJudged(verdict=verdict()), e.BaselineFinished())
    assert orders(story) == (LandCandidate(1),)


def test_what_waits_for_the_baseline_is_not_judged_again():
    story = Story.of(3, gates_parallel=2).tell(e.BaselineStarted()).queues("t1", "t2")
    story.judges(story.builds(2))
    assert orders(story) == (StartAttempt("t3", 1, BASE, "coder"),)


def test_the_longest_passed_prefix_lands_first():
    story = Story.of(3, gates_parallel=3).baseline().queues("t1", "t2", "t3")
    short, long = story.builds(1), story.builds(3)
    story.judges(short).judges(long)
    assert orders(story) == (LandCandidate(long),)


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.2, 0.3])
def test_a_prefix_that_another_slot_wants_is_not_built_again_and_again(rate):
    for built in (1, 2, 3):
        story = Story.of(3, gates_parallel=2, failure_rate=rate).baseline()
        story.queues("t1", "t2", "t3").builds(built)
        lengths = {built}
        while builds := [one for one in orders(story) if isinstance(one, BuildCandidate)]:
            length = len(builds[0].heads)
            assert length not in lengths, "it is built already"
            lengths.add(length)
            story.builds(length)


def test_a_longer_prefix_judged_meanwhile_is_built_anew_and_costs_no_run():
    story = Story.of(3, gates_parallel=2).baseline().queues("t1", "t2", "t3")
    short, long = story.builds(1), story.builds(3, "all")
    story.tell(e.JudgingStarted(candidate=long)).judges(short).lands(short)
    story.tell(e.CandidateJudged(candidate=long, outcome="passed"))
    rest = (head("t2"), head("t3"))
    assert orders(story) == (BuildCandidate(3, story.state.tip, rest),)
    anew = story.builds(2, "all")
    assert JudgeCandidate(anew) in orders(story)
    story.judges(anew)
    assert orders(story) == (LandCandidate(anew),)


def test_a_passed_candidate_whose_tip_moved_is_built_again_and_blames_nobody():
    story = Story.of(1).baseline().queues("t1")
    story.judges(story.builds(1)).tell(e.LandingIntended(candidate=1))
    story.tell(e.CandidateStale(candidate=1, tip="pushed", tip_tree="pushed-tree"))
    assert orders(story) == (BuildCandidate(2, "pushed", (head("t1"),)),)
    assert story.state.tasks["t1"].charged == 0


# --- the queue --------------------------------------------------------------------------------


def test_a_queued_head_is_built_then_judged_then_landed():
    story = Story.of(1).baseline().queues("t1")
    assert orders(story) == (BuildCandidate(1, BASE, (head("t1"),)),)
    story.builds(1)
    assert orders(story) == (JudgeCandidate(1),)
    story.judges(1)
    assert orders(story) == (LandCandidate(1),)
    story.lands(1)
    assert finish(story).exit_code == 0


def test_the_baseline_has_the_only_slot_until_it_ends():
    story = Story.of(1).queues("t1")
    assert orders(story) == (RunBaseline(),)
    story.tell(e.BaselineStarted())
    assert orders(story) == ()
    story.tell(e.BaselineGateJudged(verdict=verdict()), e.BaselineFinished())
    assert orders(story) == (BuildCandidate(1, BASE, (head("t1"),)),)


def test_after_a_crash_the_baseline_and_a_judging_do_not_share_one_slot():
    story = Story.of(1).tell(e.BaselineStarted()).queues("t1")
    story.builds(1)
    story.tell(e.BaselineLost(why="killed"), e.EngineStarted(pid=2, host="here"))
    assert orders(story) == (RunBaseline(),)


def test_a_red_prefix_is_searched_from_its_front():
    story = Story.of(4).baseline().queues("t1", "t2", "t3", "t4")
    story.judges(story.builds(4), "failed")
    assert story.state.suspects == 4
    assert orders(story) == (BuildCandidate(2, BASE, (head("t1"), head("t2"))),)


def test_one_suspect_is_judged_once_more_before_it_is_blamed():
    story = Story.of(1, attempts=3).baseline().queues("t1")
    story.judges(story.builds(1), "failed")
    assert orders(story) == (JudgeCandidate(1, confirms=True),)
    story.judges(1, "failed", confirms=True)
    (fact,) = facts(story)
    assert isinstance(fact, e.HeadSentBack)
    assert (fact.task, fact.cause, fact.candidate, fact.charged) == ("t1", "red", 1, True)
    assert "unit" in fact.why


def test_a_suspect_left_over_from_a_longer_prefix_needs_no_second_finding():
    story = Story.of(2).baseline().queues("t1", "t2")
    both = story.builds(2, "both")
    story.judges(both, "failed")
    first = story.builds(1)
    story.judges(first).lands(first)
    assert story.state.suspects == 1
    assert orders(story) == (BuildCandidate(3, story.state.tip, (head("t2"),)),)
    alone = story.builds(1, "both")
    assert orders(story) == (JudgeCandidate(alone, confirms=True),)
    story.judges(alone, "failed", confirms=True)
    assert isinstance(facts(story)[0], e.HeadSentBack)


def test_a_verdict_that_is_only_repeated_does_not_confirm_another():
    story = Story.of(1).baseline().queues("t1")
    story.judges(story.builds(1, "same"), "failed")
    story.tell(e.CandidateDropped(candidate=1, why="killed"))
    story.judges(story.builds(1, "same"), "failed")
    assert orders(story) == (JudgeCandidate(2, confirms=True),)


def test_a_red_that_vanishes_is_flaky_said_so_and_lands():
    story = Story.of(1).baseline().queues("t1")
    story.judges(story.builds(1, "tree"), "failed").judges(1, "passed", confirms=True)
    assert facts(story) == [e.FlakeSeen(gate="unit", tree="tree", candidate=1, tests=("unit",))]
    story.tell(*facts(story))
    assert orders(story) == (LandCandidate(1),)
    assert story.state.tasks["t1"].charged == 0


def test_a_gate_that_cannot_run_twice_on_one_head_asks_a_person_and_charges_nobody():
    story = Story.of(1).baseline().queues("t1")
    story.judges(story.builds(1), "could-not-run")
    assert orders(story) == (JudgeCandidate(1),)
    story.judges(1, "could-not-run")
    back, held = facts(story)
    assert isinstance(back, e.HeadSentBack)
    assert (back.cause, back.charged) == ("could-not-run", False)
    assert held == e.TaskHeld(task="t1", why=back.why)
    story.tell(back, held)
    assert story.state.tasks["t1"].charged == 0
    assert finish(story).exit_code == 5


def test_a_judging_that_nobody_needs_is_ended():
    story = Story.of(4, gates_parallel=2).baseline().queues("t1", "t2", "t3", "t4")
    short, long = story.builds(2), story.builds(4)
    story.tell(e.JudgingStarted(candidate=long)).judges(short, "failed")
    assert EndJudging(long, "a part of it is red already") in orders(story)


def test_a_confirming_run_waits_for_a_free_slot():
    story = Story.of(3, gates_parallel=1).baseline().queues("t1", "t2", "t3")
    first, all_three = story.builds(1), story.builds(3)
    story.judges(first, "failed").tell(e.JudgingStarted(candidate=all_three))
    assert orders(story) == (EndJudging(all_three, "a part of it is red already"),)
    story.tell(e.CandidateDropped(candidate=all_three, why="ended"))
    assert orders(story) == (JudgeCandidate(first, confirms=True),)


def test_nothing_beyond_a_textual_conflict_is_built():
    story = Story.of(4, failure_rate=0.01).baseline().queues("t1", "t2", "t3", "t4")
    story.tell(e.PrefixCut(length=2))
    assert orders(story) == (BuildCandidate(1, BASE, (head("t1"), head("t2"))),)


def test_where_most_heads_fail_the_queue_goes_one_by_one():
    story = Story.of(6, failure_rate=0.9).baseline().queues("t1", "t2", "t3", "t4")
    assert orders(story)[0] == BuildCandidate(1, BASE, (head("t1"),))


def test_a_long_run_keeps_its_sense_of_how_often_heads_fail():
    story = Story.of(400, failure_rate=0.1, parallel=256, attempts=1).baseline()
    ids = list(story.state.tasks)
    for place in range(0, 300, 10):
        story.queues(*ids[place : place + 10])
        bad = story.builds(1)
        story.judges(bad, "failed").judges(bad, "failed", confirms=True)
        story.tell(*facts(story)).tell(*facts(story))
        good = story.builds(9)
        story.judges(good).lands(good)
    story.queues(*ids[300:350])
    (build,) = [order for order in orders(story) if isinstance(order, BuildCandidate)]
    assert len(build.heads) == 7  # ln 2 / 0.1


# --- what a fresh attempt begins with ---------------------------------------------------------


def test_a_head_that_was_sent_back_is_reapplied_on_the_new_tip():
    story = Story.of(2).baseline().queues("t1", "t2")
    story.tell(e.HeadSentBack(task="t2", attempt=1, cause="conflict", charged=False))
    first = story.builds(1)
    story.judges(first).lands(first)
    assert orders(story) == (
        StartAttempt("t2", 2, story.state.tip, "coder", reapply=("base", "h-t2-1")),
    )


def test_a_crash_does_not_make_the_next_attempt_forget_its_change():
    story = Story.of(1).baseline().queues("t1")
    story.tell(e.HeadSentBack(task="t1", attempt=1, cause="conflict", charged=False))
    story.starts("t1").ends("t1", "lost")
    assert orders(story) == (StartAttempt("t1", 3, BASE, "coder", reapply=(BASE, "h-t1-1")),)


def test_a_failed_attempt_is_followed_by_a_clean_one():
    story = Story.of(1).baseline().starts("t1").ends("t1", "failed")
    assert orders(story) == (StartAttempt("t1", 2, BASE, "coder"),)


# --- rejections -------------------------------------------------------------------------------


def test_a_rejection_is_built_judged_and_landed_before_the_queue_goes_on():
    story = Story.of(3).baseline().lands_at_once("t1", "t2").queues("t3")
    story.tell(e.RejectRequested(tasks=("t1",)))
    number = len(story.state.candidates) + 1
    assert orders(story) == (BuildCandidate(number, story.state.tip, removes=("t1",)),)
    story.builds_without("t1")
    assert orders(story) == (JudgeCandidate(number),)
    story.judges(number)
    assert orders(story) == (LandCandidate(number),)
    story.lands(number)
    assert story.state.tasks["t1"].status == "rejected"
    assert orders(story) == (BuildCandidate(number + 1, story.state.tip, (head("t3"),)),)


def test_a_rejection_that_breaks_what_stays_is_refused_with_the_gate():
    story = Story.of(2).baseline().lands_at_once("t1", "t2")
    story.tell(e.RejectRequested(tasks=("t1",)))
    number = story.builds_without("t1")
    story.judges(number, "failed")
    assert orders(story) == (JudgeCandidate(number, confirms=True),)
    story.judges(number, "failed", confirms=True)
    (fact,) = facts(story)
    assert fact == e.RejectRefused(tasks=("t1",), why="gate 'unit' is not green without them")
    story.tell(fact)
    assert story.state.tasks["t1"].status == "landed"
    assert finish(story).exit_code == 0


def test_a_rejection_waits_for_a_gate_slot():
    story = Story.of(2).baseline().lands_at_once("t1").queues("t2")
    busy = story.builds(1)
    story.tell(e.JudgingStarted(candidate=busy), e.RejectRequested(tasks=("t1",)))
    story.builds_without("t1")
    assert orders(story) == ()
