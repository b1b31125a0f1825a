"""What is accepted is told by heads, also by ledgers that named tasks."""

from __future__ import annotations

import json

import pytest

from ledger import events as e
from ledger.events import parse_event
from ledger.state import IllegalEvent, evolve
from tests.support.builders import Story, head


def of_old(kind: str, *tasks: str, target: str = "main", commit: str = "c") -> e.Event:
    """A fact as the first version of its kind wrote it."""
    body = {"target": target, "before": "b", "commit": commit, "tree": "t", "tasks": tasks}
    return parse_event(kind, 1, json.dumps(body))


def accepted(commit: str, *heads: e.HeadRef, target: str = "main") -> e.Accepted:
    return e.Accepted(target=target, before="b", commit=commit, tree="t", heads=heads)


def rejects(story: Story, *tasks: str) -> Story:
    """Landed tasks are taken out of the result again."""
    story.tell(e.RejectRequested(tasks=tasks))
    number = story.builds_without(*tasks)
    return story.judges(number).lands(number)


def lands_again(story: Story, task: str) -> Story:
    """The task is taken out of the result, tried again, and lands."""
    return rejects(story, task).tell(e.RetryRequested(task=task)).lands_at_once(task)


def test_the_head_that_stands_in_the_result_is_known_by_its_attempt():
    story = Story.of({"a": [], "b": ["a"]}).baseline().lands_at_once("a", "b")
    assert story.state.landed_heads() == {"a": head("a"), "b": head("b")}
    rejects(story, "a", "b")
    assert story.state.landed_heads() == {}
    assert story.state.tasks["a"].landed_by is None
    assert story.state.tasks["a"].attempts[0].taken_out
    story.tell(e.RetryRequested(task="a")).lands_at_once("a")
    assert story.state.landed_heads() == {"a": head("a", 2)}
    assert not story.state.tasks["a"].attempts[1].taken_out


def test_a_head_that_was_taken_out_of_the_result_may_still_be_in_a_branch():
    story = lands_again(Story.of(2).baseline().lands_at_once("t1", "t2"), "t1")
    story.tell(accepted("c", head("t1"), head("t2")))
    assert story.state.accepted[-1].heads == (head("t1"), head("t2"))


def test_tasks_of_old_facts_mean_the_heads_that_stood_then():
    story = Story.of(2).baseline().lands_at_once("t1", "t2")
    story.tell(of_old("AcceptIntended", "t1", "t2"), of_old("Accepted", "t1", "t2"))
    lands_again(story, "t1").tell(of_old("Accepted", "t1", commit="d"))
    first, second = story.state.accepted
    assert first.heads == (head("t1"), head("t2"))
    assert second.heads == (head("t1", 2),)


def test_an_old_fact_that_answers_an_intent_means_the_heads_of_the_intent():
    story = Story.of(1).baseline().lands_at_once("t1").tell(of_old("AcceptIntended", "t1"))
    lands_again(story, "t1").tell(of_old("Accepted", "t1"))
    assert story.state.accepted[-1].heads == (head("t1"),), "the branch moved before the rejection"


def test_an_old_fact_of_what_never_stood_accepts_nothing():
    story = Story.of(2).baseline().lands_at_once("t1").tell(of_old("Accepted", "t1", "t2"))
    assert story.state.accepted[-1].heads == (head("t1"),)


def test_an_intent_for_another_branch_is_not_answered():
    story = Story.of(2).baseline().lands_at_once("t1", "t2")
    intent = accepted("c", head("t1")).model_dump(exclude={"kind"})
    story.tell(e.AcceptIntended.model_validate(intent))
    with pytest.raises(IllegalEvent, match="other heads than were intended"):
        evolve(story.state, accepted("c", head("t2")), 9.0)
    story.tell(accepted("c", head("t2"), target="review"))
    assert story.state.accepting is None


@pytest.mark.parametrize("body", ["{}", "[]", '{"tasks": 3}', '"x"', "null"])
def test_an_old_body_that_makes_no_sense_is_no_defect(body):
    with pytest.raises(ValueError):
        parse_event("Accepted", 1, body)


def test_after_a_clean_only_a_clean_or_a_notice_follows():
    story = Story.of(1).baseline().tell(e.RunCleaned(kept=("ref",), kept_until=9.0))
    story.tell(e.Noticed(what="odd"), e.RunCleaned())
    assert story.state.cleaned == e.RunCleaned()
    with pytest.raises(IllegalEvent, match="RetryRequested cannot follow: the run was cleaned"):
        evolve(story.state, e.RetryRequested(task="t1"), 9.0)
