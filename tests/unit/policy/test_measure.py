"""How many tests must run on a tree, and who may lose some."""

import pytest

from ledger import events as e
from ledger.model import FEWER_TESTS, TestCount, Verdict
from ledger.state import IllegalEvent
from orchestrator.policy.measure import (
    measure_of_accept,
    measure_of_candidate,
    measure_of_round,
)
from orchestrator.review.status import why_so
from tests.support.builders import BASE, Story, head, verdict


def counted(tests, tree="base-tree", outcome="passed", **more):
    return verdict(outcome, tree).model_copy(update={"tests": TestCount(passed=tests), **more})


def with_base(needs, tests=100):
    base = e.BaselineGateJudged(verdict=counted(tests))
    return Story.of(needs).tell(e.BaselineStarted(), base, e.BaselineFinished())


def judged(story, number, said):
    story.tell(
        e.JudgingStarted(candidate=number),
        e.CandidateGateJudged(candidate=number, verdict=said),
        e.CandidateJudged(
            candidate=number,
            outcome=said.outcome,
            gate=None if said.outcome == "passed" else "unit",
        ),
    )


def lands(story, task, tests, **ended):
    """The task's head lands, and so many tests ran on what it made."""
    story.starts(task).ends(task, **ended)
    number = story.builds(1, f"{story.state.tip_tree}+{task}")
    judged(story, number, counted(tests, story.state.candidates[number].built.tree))
    story.lands(number)


def measured(story, number):
    measure = measure_of_candidate(story.state, "unit", story.state.candidates[number].built)
    return measure.tests, measure.may_lose


def queued(story, task, **ended):
    story.starts(task).ends(task, **ended)
    return story.builds(1)


def test_as_many_as_on_the_base_then_as_many_as_on_what_landed_last():
    story = with_base(3)
    assert measured(story, queued(story, "t1")) == (100, False)
    judged(story, 1, counted(107, "base-tree+1"))
    story.lands(1)
    assert measured(story, queued(story, "t2")) == (107, False)
    assert measure_of_round(story.state, "unit", "t3", story.state.tip, ()).tests == 107
    assert measure_of_round(story.state, "unit", "t3", BASE, ()).tests == 100


def test_nothing_is_required_where_nothing_was_counted():
    story = Story.of(2).baseline()
    assert measured(story, queued(story, "t1")) == (None, False)
    assert measure_of_candidate(Story.of(1).state, "unit", _built()).base is None


def _built(**fields):
    fields = {"candidate": 1, "base": BASE, "commit": "c", "tree": "t", **fields}
    return e.CandidateBuilt.model_validate(fields)


def test_a_tip_that_somebody_else_moved_requires_nothing():
    story = with_base(2)
    assert measure_of_candidate(story.state, "unit", _built(base="theirs")).tests is None
    assert measure_of_accept(story.state, "unit", (), "theirs").tests is None
    assert measure_of_accept(story.state, "unit", (), BASE).tests == 100


def test_a_gate_that_did_not_judge_a_landing_asks_for_what_was_before_it():
    story = with_base(3)
    lands(story, "t1", 110)
    story.lands_at_once("t2")  # told without a count
    assert measured(story, queued(story, "t3")) == (110, False)
    story = with_base(3)
    lands(story, "t1", 110)
    story.starts("t2").ends("t2", leave=("tests/old.py",))
    number = story.builds(1)
    story.judges(number).lands(number)
    assert measured(story, queued(story, "t3")) == (None, False)


@pytest.mark.parametrize("how", ["the plan", "a person", "by name", "submitted"])
def test_a_head_may_lose_tests_by_leave_and_what_comes_after_is_bound_by_what_is_left(how):
    story = with_base(2)
    match how:
        case "the plan":
            story.starts("t1").ends("t1", leave=("tests/old.py",))
        case "a person":
            story.starts("t1").ends("t1", "held", held_paths=("tests/old.py",))
            story.tell(e.PathAllowed(task="t1", path="tests/old.py"))
        case "by name":
            story.starts("t1").ends("t1", "held", held_paths=(FEWER_TESTS,))
            story.tell(e.PathAllowed(task="t1", path=FEWER_TESTS))
        case "submitted":
            story.tell(e.HeadSubmitted(task="t1", attempt=1, base=BASE, head="h", tree="t"))
    number = story.builds(1)
    assert measured(story, number) == (100, True)
    judged(story, number, counted(90, "base-tree+1", needed_tests=100))
    story.lands(number)
    assert measured(story, queued(story, "t2")) == (90, False)


def test_a_candidate_may_lose_tests_where_one_of_its_heads_may():
    story = with_base(2)
    story.starts("t1").ends("t1").starts("t2").ends("t2", leave=("tests/old.py",))
    assert measured(story, story.builds(1)) == (100, False)
    assert measured(story, story.builds(2)) == (100, True)
    heads = (head("t1"), head("t2"))
    assert measure_of_accept(story.state, "unit", heads[:1], BASE).may_lose is False
    assert measure_of_accept(story.state, "unit", heads, BASE).may_lose


def test_a_task_whose_plan_says_so_may_lose_tests_whatever_it_changes():
    story = with_base(1)
    task = story.state.tasks["t1"]
    task.task = task.task.model_copy(update={"may_change": (FEWER_TESTS,)})
    assert measure_of_round(story.state, "unit", "t1", BASE, ()).may_lose
    assert measured(story, queued(story, "t1")) == (100, True)


def test_what_is_taken_out_may_take_along_what_it_added_and_no_more():
    story = with_base(3)
    lands(story, "t1", 110)
    lands(story, "t2", 105, leave=("tests/old.py",))
    lands(story, "t3", 108)
    story.tell(e.RejectRequested(tasks=("t1",)))
    assert measured(story, story.builds_without("t1")) == (98, False)
    story.tell(e.RejectRefused(tasks=("t1",), why="no"), e.RejectRequested(tasks=("t2", "t3")))
    assert measured(story, story.builds_without("t2", "t3")) == (105, False)


# --- held for it --------------------------------------------------------------------------------


def short(tree):
    return counted(90, tree, "could-not-run", needed_tests=100)


def sent_back(story, said):
    """The queued head could not be judged twice, and a person is asked."""
    number = queued(story, "t1")
    for _ in range(2):
        judged(story, number, said)
    back = e.HeadSentBack(
        task="t1", attempt=1, cause="could-not-run", candidate=number, charged=False
    )
    return story.tell(back, e.TaskHeld(task="t1", why="it could not run, twice"))


def test_a_head_that_is_held_for_fewer_tests_is_queued_again_by_a_persons_yes():
    story = sent_back(with_base(1), short("base-tree+1"))
    task = story.state.tasks["t1"]
    assert (task.status, story.state.to_allow(task)) == ("held", (FEWER_TESTS,))
    story.tell(e.PathAllowed(task="t1", path=FEWER_TESTS))
    assert (task.status, story.state.queue) == ("queued", [head("t1")])
    assert measured(story, story.builds(1)) == (100, True)


def test_also_where_its_tree_was_judged_as_part_of_a_longer_candidate():
    story = with_base(2).queues("t1", "t2")
    both = story.builds(2, "tree-of-both")
    judged(story, both, short("tree-of-both"))
    judged(story, both, short("tree-of-both"))
    one = story.builds(1)
    judged(story, one, counted(100, "base-tree+1"))
    story.lands(one)
    alone = story.builds(1, "tree-of-both")
    back = e.HeadSentBack(
        task="t2", attempt=1, cause="could-not-run", candidate=alone, charged=False
    )
    story.tell(back, e.TaskHeld(task="t2", why="it could not run, twice"))
    task = story.state.tasks["t2"]
    assert story.state.to_allow(task) == (FEWER_TESTS,)
    assert why_so(story.state, task) == "it could not run, twice: fewer tests ran than before"


def test_a_head_that_is_held_because_a_gate_is_broken_is_not():
    broken = verdict("could-not-run", "base-tree+1")
    story = sent_back(with_base(1), broken)
    task = story.state.tasks["t1"]
    assert story.state.to_allow(task) == ()
    story.tell(e.PathAllowed(task="t1", path=FEWER_TESTS))
    assert (task.status, story.state.queue) == ("held", [])


def test_old_facts_without_counts_still_read():
    said = '{"gate": "unit", "tree": "t", "key": "k", "outcome": "passed", "why": "5 passed"}'
    fact = e.parse_event("BaselineGateJudged", 1, f'{{"verdict": {said}}}')
    assert isinstance(fact, e.BaselineGateJudged)
    assert fact.verdict == Verdict(
        gate="unit", tree="t", key="k", outcome="passed", why="5 passed", tests=None
    )
    with pytest.raises(IllegalEvent):
        Story.of(1).tell(fact)
