"""The view of where a run stands."""

import json

from ledger import events as e
from orchestrator.driven import Driven, add_up
from orchestrator.review.advice import next_steps
from orchestrator.review.status import (
    render_status,
    status_as_json,
    status_from_json,
    status_of,
)
from orchestrator.review.words import noted
from tests.support.builders import Story, head

FINISHED = e.RunFinished(outcome="complete", exit_code=0)


def commands(story: Story, alive: bool = False, named: bool = False) -> list[str]:
    return [step.command for step in next_steps(story.state, alive, named)]


def test_what_needs_a_person_is_said_before_what_went_well() -> None:
    story = Story.of({"good": [], "bad": [], "after": ["bad"], "asks": []}, attempts=1).baseline()
    story.lands_at_once("good")
    story.starts("bad").ends("bad", "failed", cause="check", why="gate 'lint' failed")
    story.tell(e.TaskGivenUp(task="bad", why="given up after 1 attempt: gate 'lint' failed"))
    story.starts("asks").ends("asks", "held", held_paths=("conftest.py",), why="it is protected")
    story.tell(e.RunFinished(outcome="person-needed", exit_code=5, why="waiting"))
    view = status_of(story.state, alive=False)
    assert [task.id for task in view.tasks] == ["asks", "bad", "after", "good"]
    text = "\n".join(render_status(view, 100.0))
    assert "needs bad" in text and "gate 'lint' failed" in text and "exit code 5" in text
    assert commands(story) == [
        "orch diff asks",
        "orch allow asks conftest.py",
        'orch retry asks --note "..."',
        "orch reject asks",
        "orch show bad --log",
        'orch retry bad --note "..."',
        "orch diff",
        "orch accept --to BRANCH",
    ]


def test_a_run_that_goes_on_can_be_followed_and_stopped_and_an_orphaned_one_resumed() -> None:
    story = Story.of(2).baseline().starts("t1")
    assert commands(story, alive=True)[0] == "orch status --watch"
    assert commands(story, alive=False) == ["orch resume"]
    assert commands(story, alive=False, named=True) == ["orch resume 20261122-goal-a1"]
    going = "\n".join(render_status(status_of(story.state, alive=True), 10.0))
    assert "going on for 10 s" in going and "attempt 1, round 1" in going
    assert "interrupted" in "\n".join(render_status(status_of(story.state, alive=False), 10.0))


def test_every_way_to_end_says_what_to_type_next() -> None:
    outcomes = {
        "stopped": "orch resume",
        "deadline": "orch resume --deadline 2h",
        "no-space": "orch clean",
        "red-base": "orch log --gate unit",
    }
    for outcome, wanted in outcomes.items():
        story = Story.of(1).baseline("failed" if outcome == "red-base" else "passed")
        story.tell(
            e.RunFinished.model_validate({"outcome": outcome, "exit_code": 4, "why": "because"})
        )
        assert commands(story)[0] == wanted, outcome
    done = Story.of({"a": []}).baseline().starts("a").ends("a", "unchanged").tell(FINISHED)
    assert commands(done) == ["orch clean"]


def test_what_was_accepted_is_not_offered_again() -> None:
    story = Story.of(1).baseline().lands_at_once("t1").tell(FINISHED)
    assert "orch diff" in commands(story)
    story.tell(e.Accepted(target="main", before="b", commit="c", tree="t", heads=(head("t1"),)))
    assert commands(story) == ["orch clean"]
    assert "accepted into main" in "\n".join(render_status(status_of(story.state, False), 9.0))


def test_a_kept_view_is_the_same_and_one_of_another_version_is_not_used() -> None:
    story = Story.of({"a": [], "b": ["a"]}).baseline().lands_at_once("a").tell(FINISHED)
    view = status_of(story.state, alive=False)
    body = json.loads(json.dumps(status_as_json(view)))
    again = status_from_json(dict(body))
    assert again is not None and render_status(again, 5.0) == render_status(view, 5.0)
    assert status_from_json({**body, "view": 0}) is None
    assert status_from_json({**body, "more": 1}) is None
    assert status_from_json({**body, "tasks": [{"id": "a"}]}) is None
    assert status_from_json(["no", "table"]) is None


def test_time_in_which_no_engine_drove_the_run_is_not_counted() -> None:
    facts = [("RunStarted", 0.0), ("EngineStarted", 1.0), ("Landed", 4.0), ("RunFinished", 5.0)]
    assert add_up(facts, alive=False) == Driven(4.0)
    waited = [*facts, ("PathAllowed", 3600.0), ("EngineStarted", 3601.0), ("Landed", 3603.0)]
    assert add_up(waited, alive=True) == Driven(4.0, 3601.0)
    assert Driven(4.0, 3601.0).until(3611.0) == 14.0
    killed = [*waited, ("RetryRequested", 9000.0)]
    assert add_up(killed, alive=False) == Driven(6.0), "a person's word is no sign of an engine"
    again = [*killed, ("EngineStarted", 9010.0), ("RunFinished", 9011.0)]
    assert add_up(again, alive=False) == Driven(7.0)
    set_back = [("EngineStarted", 5000.0), ("AttemptStarted", 1402.0), ("RunFinished", 1405.0)]
    assert add_up(set_back, alive=False) == Driven(3.0), "a clock set back takes nothing away"

    story = Story.of(1).baseline().lands_at_once("t1").tell(FINISHED)
    text = "\n".join(render_status(status_of(story.state, False, driven=Driven(7.0)), 99.0))
    assert "complete  (7.0 s, exit code 0)" in text
    going = status_of(Story.of(1).baseline().starts("t1").state, True, driven=Driven(60.0, 90.0))
    assert "going on for 1 min 09 s" in "\n".join(render_status(going, 99.0))


def test_a_note_has_one_hint() -> None:
    both = "it could not be made ready: no file (hint: change `copy`)\n  hint: orch gate"
    assert noted(both) == "it could not be made ready: no file (hint: change `copy`)"
    assert noted("it failed\n  hint: orch gate") == "it failed (hint: orch gate)"
    assert noted("line one\nline two") == "line one line two" and noted("") == ""


def test_a_big_run_is_told_briefly_and_wholly_when_asked() -> None:
    story = Story.of(300).baseline().starts("t7")
    view = status_of(story.state, alive=True)
    brief = render_status(view, 5.0)
    assert len(brief) < 50 and any("more tasks (orch status --all)" in line for line in brief)
    assert any("t7" in line and "working" in line for line in brief)
    assert len(render_status(view, 5.0, everything=True)) > 300


def test_a_base_that_was_not_green_is_said_each_time() -> None:
    story = Story.of(1, allow_red_base=True).baseline("failed").lands_at_once("t1").tell(FINISHED)
    assert "the base was not green: unit" in "\n".join(
        render_status(status_of(story.state, False), 9.0)
    )
