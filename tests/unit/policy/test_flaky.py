"""What a flake is called, and when there are too many for a run that nobody attends."""

from __future__ import annotations

import pytest

from ledger import events as e
from orchestrator.policy.decide import decide
from orchestrator.policy.flaky import FLAKY_AT_MOST, flaky_names, too_flaky
from orchestrator.policy.orders import EndAll, LandCandidate, Record
from orchestrator.review.report import render_report
from orchestrator.review.show import render_task
from orchestrator.review.status import render_status, status_of
from tests.support.builders import FREE, NOW, Story, verdict


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ({"failed_tests": ("a.py::t", "b.py::t"), "why": "2 failed"}, ("a.py::t", "b.py::t")),
        ({"failed_tests": ("a.py::t", "b.py::t"), "new_failures": ("b.py::t",)}, ("b.py::t",)),
        ({"why": "connection refused"}, ("unit: connection refused",)),
        ({}, ("unit",)),
    ],
)
def test_a_flake_is_called_by_its_tests_or_else_by_what_was_said(said, names):
    assert flaky_names(verdict("failed").model_copy(update=said)) == names


def flakes(story: Story, *tests: str) -> Story:
    """Queued heads land one after the other, each after a red of one of the tests."""
    for number, test in enumerate(tests, start=1 + len(story.state.landings)):
        story.queues(f"t{number}")
        candidate = story.builds(1)
        tree = story.state.candidates[candidate].built.tree
        said = {"failed_tests": (f"tests/test_all.py::{test}",), "why": "it hung"}
        red = verdict("failed", tree).model_copy(update=said)
        story.tell(
            e.JudgingStarted(candidate=candidate),
            e.CandidateGateJudged(candidate=candidate, verdict=red),
            e.CandidateJudged(candidate=candidate, outcome="failed", gate="unit"),
        )
        story.judges(candidate, "passed", confirms=True)
        (order,) = decide(story.state, FREE, NOW)
        assert isinstance(order, Record)
        story.tell(order.event)
        assert decide(story.state, FREE, NOW) == (LandCandidate(candidate),), "a flake lands"
        story.lands(candidate)
    return story


def of(count: int, *, unattended: bool) -> Story:
    return Story.of(count, parallel=1, unattended=unattended).baseline()


def test_a_landing_by_a_flaky_gate_is_flagged_with_the_tests_name():
    story = flakes(of(2, unattended=False), "test_slow")
    view = status_of(story.state, alive=True)
    (landed,) = [task for task in view.tasks if task.status == "landed"]
    said = "gate 'unit' is flaky: tests/test_all.py::test_slow"
    assert landed.note == said
    assert view.flaky_tests == ("tests/test_all.py::test_slow",)
    assert "flaky: tests/test_all.py::test_slow" in "\n".join(render_status(view, 0.0))
    report = render_report(story.state, alive=True, now=0.0)
    assert report.count("tests/test\\_all.py::test\\_slow") == 2, "above, and where it landed"
    assert said in "\n".join(render_task(story.state, "t1", 0.0))


def test_a_fourth_flaky_test_ends_a_run_that_nobody_attends_in_order():
    story = flakes(of(6, unattended=True), "test_a", "test_b", "test_a", "test_c")
    assert too_flaky(story.state) == ()
    flakes(story, "test_d").starts("t6")
    assert len(too_flaky(story.state)) == FLAKY_AT_MOST + 1
    assert decide(story.state, FREE, NOW) == (EndAll("the run is ending"),)
    (order,) = decide(story.ends("t6", "lost").state, FREE, NOW)
    assert isinstance(order, Record) and isinstance(order.event, e.RunFinished)
    assert (order.event.outcome, order.event.exit_code) == ("person-needed", 5)
    assert "test_d" in order.event.why and "nobody attends" in order.event.why


def test_a_run_with_somebody_there_goes_on_however_flaky_it_is():
    story = flakes(of(6, unattended=False), "test_a", "test_b", "test_c", "test_d")
    assert too_flaky(story.state) == ()


def test_who_goes_on_after_that_end_has_seen_them_and_a_crash_has_not():
    story = flakes(of(9, unattended=True), "test_a", "test_b", "test_c")
    story.tell(e.EngineStarted(pid=2, host="here"))
    flakes(story, "test_d")
    (order, *_) = decide(story.state, FREE, NOW)
    assert isinstance(order, Record)
    story.tell(order.event, e.EngineStarted(pid=3, host="here"))
    assert too_flaky(story.state) == ()
    assert too_flaky(flakes(story, "test_a", "test_b", "test_c").state) == ()
