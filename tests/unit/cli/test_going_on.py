"""Whether `orch resume` drives a finished run on."""

from typing import Literal

import pytest

from ledger import events as e
from orchestrator.policy.left import is_anything_left
from tests.support.builders import Story

Ended = Literal["complete", "person-needed", "stopped", "deadline", "no-space", "red-base"]


def finished(outcome: Ended) -> e.RunFinished:
    return e.RunFinished(outcome=outcome, exit_code=0 if outcome == "complete" else 5)


@pytest.mark.parametrize("outcome", ["stopped", "deadline", "no-space", "red-base"])
def test_what_ended_early_goes_on(outcome: Ended) -> None:
    story = Story.of(1).baseline().tell(finished(outcome))
    assert is_anything_left(story.state)


def test_what_is_complete_or_waits_for_a_person_does_not_go_on() -> None:
    story = Story.of(1).baseline()
    story.lands_at_once("t1").tell(finished("complete"))
    assert not is_anything_left(story.state)
    story = Story.of(1).baseline()
    story.starts("t1").ends("t1", "held", held_paths=("conftest.py",), why="it is protected")
    story.tell(finished("person-needed"))
    assert not is_anything_left(story.state)


def test_what_was_ready_or_queued_goes_on_whatever_the_end_said() -> None:
    story = Story.of(1).baseline().tell(finished("complete"))
    assert story.state.with_status("ready") and is_anything_left(story.state)
    story = Story.of(1).baseline()
    story.starts("t1").ends("t1", "green").tell(finished("person-needed"))
    assert story.state.queue and is_anything_left(story.state)


def test_a_rejection_that_nobody_carried_out_goes_on() -> None:
    story = Story.of(1).baseline()
    story.lands_at_once("t1").tell(e.RejectRequested(tasks=("t1",)), finished("complete"))
    assert is_anything_left(story.state)
