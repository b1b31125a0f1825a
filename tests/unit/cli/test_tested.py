"""How many tests there were and which failures are new, where people look."""

import json

from ledger import events as e
from ledger.model import TestCount
from orchestrator.feedback import render_feedback
from orchestrator.policy.flaky import flake_seen
from orchestrator.review.narrate import narrate, said_of
from orchestrator.review.report import render_report
from orchestrator.review.show import render_task
from orchestrator.review.status import render_status, status_as_json, status_from_json, status_of
from orchestrator.review.tested import counts_of
from tests.support.builders import Story, verdict

SOME = TestCount(passed=118, failed=2, skipped=2)


def told(outcome="failed", tests=SOME, **more):
    return verdict(outcome).model_copy(update={"tests": tests, **more})


def test_a_verdict_says_how_many_tests_passed_failed_and_are_new():
    green = told("passed", TestCount(passed=120, skipped=2))
    assert said_of(green) == "gate 'unit' passed in 0 s: 120 passed, 2 skipped"
    red = told(failed_tests=("a", "b"), new_failures=("a",), why="FAILED a - no")
    said = "gate 'unit' failed in 0 s: 118 passed, 2 failed, 2 skipped, 1 of them new"
    assert said_of(red) == f"{said}: FAILED a - no"
    assert counts_of(told(failed_tests=("a", "b"), new_failures=("a", "b"))).endswith(
        "all of them new"
    )
    assert counts_of(told("passed", failed_tests=("a",), new_failures=())).endswith("not new")
    assert counts_of(told(failed_tests=("a",))) == "118 passed, 2 failed, 2 skipped"
    assert counts_of(verdict()) == ""
    base = told("passed", failed_tests=("a", "b"))
    assert counts_of(base) == "118 passed, 2 failed, 2 skipped, excused as known"


def test_tests_that_went_by_leave_are_said():
    fewer = told("passed", TestCount(passed=90), needed_tests=100)
    assert counts_of(fewer) == "90 passed, 10 fewer than before, by leave"


def counted(story, tests, **more):
    """A head lands on which so many tests passed."""
    number = story.builds(1)
    tree = story.state.candidates[number].built.tree
    said = verdict("passed", tree).model_copy(update={"tests": TestCount(passed=tests), **more})
    story.tell(
        e.JudgingStarted(candidate=number),
        e.CandidateGateJudged(candidate=number, verdict=said),
        e.CandidateJudged(candidate=number, outcome="passed"),
    )
    story.lands(number)


def test_status_and_report_say_what_was_counted_on_the_result():
    story = Story.of(1).tell(
        e.BaselineStarted(),
        e.BaselineGateJudged(verdict=told("passed", failed_tests=("a", "b"), new_failures=None)),
        e.BaselineFinished(),
    )
    view = status_of(story.state, alive=True)
    assert view.tests == (("unit", "118 passed, 2 failed, 2 skipped, excused as known"),)
    report = render_report(story.state, alive=True, now=9.0)
    assert "- Gate `unit`: 2 tests failed on the base, and may: `a`, `b`" in report
    story.queues("t1")
    counted(story, 121)
    view = status_of(story.state, alive=True)
    assert "gate unit: 121 passed" in render_status(view, now=9.0)
    assert "- Gate `unit` on the result: 121 passed" in render_report(story.state, True, 9.0)
    kept = status_from_json(json.loads(json.dumps(status_as_json(view))))
    assert kept and kept.tests == view.tests


def test_a_task_that_failed_is_told_with_what_is_new():
    story = Story.of(1).baseline().starts("t1")
    red = told(failed_tests=("t.py::a", "t.py::b"), new_failures=("t.py::b",))
    story.tell(
        e.RoundFinished(task="t1", attempt=1, round=1, commit="c"),
        e.RoundGateJudged(task="t1", attempt=1, round=1, verdict=red),
    )
    lines = render_task(story.state, "t1", 9.0)
    assert "      new against the base: t.py::b (1 other failed there too)" in lines
    feedback = render_feedback(story.state, "t1", verdicts=[red]) or ""
    assert "Tests: 118 passed, 2 failed, 2 skipped." in feedback
    assert "New against the base: `t.py::b`" in feedback


def test_a_flaky_test_is_named_and_the_next_worker_is_told():
    story = Story.of(2).baseline().queues("t1")
    number = story.builds(1)
    tree = story.state.candidates[number].built.tree
    red = told(failed_tests=("t.py::shaky",), tree=tree)
    story.tell(
        e.JudgingStarted(candidate=number),
        e.CandidateGateJudged(candidate=number, verdict=red),
        e.CandidateJudged(candidate=number, outcome="failed", gate="unit"),
    )
    story.judges(number, confirms=True)
    flake = flake_seen(story.state, "unit", tree, number)
    story.tell(flake)
    line = narrate(flake, story.state)
    assert line and "gate 'unit' is flaky: t.py::shaky" in line[0]
    assert "Gate 'unit' is flaky: t.py::shaky" in render_report(story.state, True, 9.0)
    feedback = render_feedback(story.state, "t2", verdicts=[red]) or ""
    assert "Seen to fail without a cause in this run: `t.py::shaky`" in feedback
