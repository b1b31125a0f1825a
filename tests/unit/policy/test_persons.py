"""What a person may say, and what follows from it: values in, values out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger import events as e
from ledger.model import Limits
from ledger.state import AttemptState, RunState, TaskState
from orchestrator.policy import persons
from orchestrator.policy.persons import Refused, with_dependents, with_needs
from tests.support.builders import Story

DIAMOND = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"], "lone": []}


def everything_landed() -> Story:
    return Story.of(DIAMOND).baseline().lands_at_once("a", "b", "c", "d", "lone")


def one_of_each() -> Story:
    """A task for each status that is named after it, and `skips`, which needs a failed one."""
    needs = {
        **dict.fromkeys(
            ("landed", "working", "queued", "held", "failed", "unchanged", "ready"), ()
        ),
        "waiting": ("working",),
        "skips": ("failed",),
        "deeper": ("skips",),
    }
    story = Story.of(needs, parallel=9).baseline().lands_at_once("landed")
    story.starts("unchanged").ends("unchanged", "unchanged")
    story.starts("held").ends("held", "held", held_paths=("x.cfg", "y.cfg"), why="protected")
    story.starts("failed").ends("failed", "failed").tell(e.TaskGivenUp(task="failed", why="no"))
    return story.queues("queued").starts("working")


def why(answer: object) -> str:
    assert isinstance(answer, Refused), answer
    assert answer.hint
    return answer.why


# --- closures ---------------------------------------------------------------------------------


def test_what_needs_a_task_goes_with_it_directly_or_not():
    state = everything_landed().state
    assert with_dependents(state, ("a",)) == ("a", "b", "c", "d")
    assert with_dependents(state, ("c", "lone")) == ("c", "d", "lone")
    assert with_dependents(state, ()) == ()


def test_what_has_not_landed_does_not_go_and_what_is_unchanged_is_looked_through():
    story = Story.of(DIAMOND).baseline().lands_at_once("a", "c")
    story.starts("b").ends("b", "unchanged").lands_at_once("d")
    assert with_dependents(story.state, ("a",)) == ("a", "c", "d")
    assert with_dependents(story.state, ("b",)) == ("d",)
    assert with_dependents(Story.of(DIAMOND).state, ("a",)) == ()


def test_what_a_task_needs_comes_with_it_in_the_plans_order():
    state = everything_landed().state
    assert with_needs(state, ("d",)) == ("a", "b", "c", "d")
    assert with_needs(state, ("lone", "b")) == ("a", "b", "lone")


# --- words ------------------------------------------------------------------------------------


def test_a_retry_is_for_what_neither_goes_on_nor_has_landed():
    state = one_of_each().state
    for task_id in ("held", "failed", "unchanged"):
        said = persons.retry(state, task_id, "again")
        assert said == e.RetryRequested(task=task_id, note="again")
    for task_id in ("working", "queued", "ready", "waiting"):
        assert "goes on by itself" in why(persons.retry(state, task_id, ""))
    refused = persons.retry(state, "landed", "")
    assert refused == Refused(
        "landed has landed", "orch reject landed takes it out of the result first"
    )


def test_an_agent_brings_nothing_back_that_a_person_rejected():
    story = Story.of({"a": [], "b": []}).baseline().lands_at_once("a", "b")
    story.tell(e.RejectRequested(tasks=("a",)))
    number = story.builds_without("a")
    story.judges(number).lands(number)
    assert "no agent brings it back" in why(persons.retry(story.state, "a", "", "claude-code 2"))
    assert persons.retry(story.state, "a", "better") == e.RetryRequested(task="a", note="better")


def test_an_agent_says_what_a_person_would_by_its_name_and_decides_nothing_that_is_held():
    story = one_of_each()
    said = persons.retry(story.state, "failed", "again", "claude-code 2")
    assert said == e.RetryRequested(task="failed", note="again", said_by="claude-code 2")
    assert "a person must decide" in why(persons.retry(story.state, "held", "", "claude-code 2"))
    asks = Story.of(1).baseline().starts("t1").ends("t1", "held", cause="question", why="tabs?")
    answered = persons.answer(asks.state, "t1", "tabs", "claude-code 2")
    assert answered == e.QuestionAnswered(task="t1", answer="tabs", said_by="claude-code 2")
    assert "it goes on with an answer" in why(persons.retry(asks.state, "t1", "", "claude-code 2"))
    asks.tell(answered)
    assert asks.state.tasks["t1"].answers == [
        ("tabs?", "tabs (said by claude-code 2, an agent)")
    ], "its worker is told that no person said so"


def test_of_several_paths_all_are_allowed_or_none():
    story = one_of_each()
    paths = {"y.cfg": "y.cfg", "x.cfg": "x.cfg", "x": "x.cfg"}
    said = persons.allow_all(story.state, "held", paths)
    x, y = (e.PathAllowed(task="held", path=path) for path in ("x.cfg", "y.cfg"))
    assert said == (y, x)
    assert "'z'" in why(persons.allow_all(story.state, "held", paths | {"z": "z"}))
    story.tell(y)
    assert persons.allow_all(story.state, "held", paths) == (x,)


def test_a_skipped_task_says_what_it_waits_for_however_far_away():
    state = one_of_each().state
    refused = persons.retry(state, "deeper", "")
    assert "it waits for failed (failed)" in why(refused)
    assert isinstance(refused, Refused) and refused.hint == "orch retry failed"


def test_a_path_is_allowed_by_the_name_that_was_recorded():
    story = one_of_each()
    assert persons.still_to_allow(story.state, "held") == ("x.cfg", "y.cfg")
    said = persons.allow(story.state, "held", "x.cfg", "x.cfg")
    assert said == e.PathAllowed(task="held", path="x.cfg")
    as_shown = persons.allow(story.state, "held", "\u200dx", "y.cfg")
    assert as_shown == e.PathAllowed(task="held", path="y.cfg")
    assert "does not wait for 'z'" in why(persons.allow(story.state, "held", "z", "z"))
    assert "waits for no path" in why(persons.allow(story.state, "ready", "x.cfg", "x.cfg"))
    story.tell(e.PathAllowed(task="held", path="x.cfg"))
    assert persons.still_to_allow(story.state, "held") == ("y.cfg",)


def test_a_rejection_names_what_goes_too():
    state = everything_landed().state
    assert persons.reject(state, ("b",)) == (e.RejectRequested(tasks=("b", "d")),)
    refused = persons.reject(one_of_each().state, ("landed", "queued"))
    assert "queued is queued: only what has landed or is held" in why(refused)


def test_a_person_says_a_final_no_to_what_is_held_and_may_bring_it_back():
    story = one_of_each()
    said = persons.reject(story.state, ("landed", "held", "held"))
    assert said == (e.TaskRejected(task="held"), e.RejectRequested(tasks=("landed",)))
    story.tell(e.TaskRejected(task="held"))
    assert story.state.tasks["held"].status == "rejected"
    assert "it waits for no path" in why(persons.allow(story.state, "held", "x.cfg", "x.cfg"))
    assert "no agent brings it back" in why(persons.retry(story.state, "held", "", "an agent"))
    assert persons.retry(story.state, "held", "") == e.RetryRequested(task="held")
    assert isinstance(persons.head_to_take(story.state, "held"), AttemptState)


def test_a_head_is_given_for_what_nobody_works_on():
    state = one_of_each().state
    for task_id in ("held", "failed", "unchanged", "ready", "waiting", "skips"):
        assert isinstance(persons.may_submit(state, task_id), TaskState)
    for task_id in ("working", "queued", "landed"):
        assert task_id in why(persons.may_submit(state, task_id))


def test_the_newest_head_is_taken_whatever_became_of_it():
    story = one_of_each()
    taken = persons.head_to_take(story.state, "landed")
    assert isinstance(taken, AttemptState) and taken.head == "h-landed-1"
    assert "has no head" in why(persons.head_to_take(story.state, "working"))
    said = persons.take(story.state, "landed", "branch", "h")
    assert said == e.TaskTaken(task="landed", branch="branch", head="h")


def test_a_stop_is_for_a_run_that_has_not_finished():
    story = Story.of(1).baseline()
    assert persons.stop(story.state, "enough") == e.StopRequested(why="enough")
    story.tell(e.RunFinished(outcome="stopped", exit_code=130))
    assert "has finished already" in why(persons.stop(story.state, "enough"))


Word = Callable[[RunState, str], object]
WORDS: dict[str, Word] = {
    "retry": lambda state, task: persons.retry(state, task, ""),
    "allow": lambda state, task: persons.allow(state, task, "x", "x"),
    "reject": lambda state, task: persons.reject(state, (task,)),
    "submit": persons.may_submit,
    "head_to_take": persons.head_to_take,
    "take": lambda state, task: persons.take(state, task, "b", "h"),
}


@pytest.mark.parametrize("word", WORDS.values(), ids=WORDS.keys())
def test_a_task_that_is_not_there_is_answered_with_the_nearest(word):
    refused = word(everything_landed().state, "lune")
    assert "has no task 'lune'" in why(refused) and refused.hint == "did you mean lone?"


@pytest.mark.parametrize("word", WORDS.values(), ids=WORDS.keys())
def test_nothing_is_said_to_a_run_that_was_cleaned(word):
    state = everything_landed().tell(e.RunCleaned()).state
    assert "was cleaned" in why(word(state, "a"))
    assert "was cleaned" in why(persons.stop(state, "enough"))
    assert "was cleaned" in why(persons.change_limits(state, Limits()))
    assert persons.cleaned(everything_landed().state) is None
