"""What branches hold of a run, told by heads."""

from __future__ import annotations

from dataclasses import replace

from ledger import events as e
from ledger.state import RunState
from orchestrator.policy.accepted import (
    accepted_elsewhere,
    accepted_heads,
    held,
    holders,
    newest_landing,
    told_by,
    unaccepted,
    unlanded,
    withdrawn,
)
from tests.support.builders import BASE, Story, head
from tests.unit.ledger.test_accepts import accepted, lands_again, rejects


def two_landed() -> Story:
    story = Story.of(2)
    story.state.started = story.state.started.model_copy(update={"target": "main"})
    return story.baseline().lands_at_once("t1", "t2")


def test_what_landed_again_after_it_was_accepted_is_not_accepted():
    story = two_landed().tell(accepted("c", head("t1"), head("t2")))
    assert unaccepted(story.state) == ()
    lands_again(story, "t1")
    assert unaccepted(story.state) == ("t1",)
    story.tell(accepted("d", head("t1", 2)))
    assert unaccepted(story.state) == ()
    assert accepted_heads(story.state) == {head("t1"), head("t2"), head("t1", 2)}


def test_what_was_accepted_into_any_branch_is_accepted():
    story = two_landed().tell(accepted("c", head("t2"), target="review"))
    assert unaccepted(story.state) == ("t1",)


def test_one_branch_was_given_only_what_was_accepted_into_it():
    story = two_landed().tell(accepted("c", head("t1"), head("t2"), target="review"))
    assert unaccepted(story.state) == () and unaccepted(story.state, "review") == ()
    assert unaccepted(story.state, "main") == ("t1", "t2")
    assert accepted_elsewhere(story.state) == ("review",)
    story.tell(accepted("d", head("t2")), accepted("e", head("t2"), target="other"))
    assert unaccepted(story.state, "main") == ("t1",)
    assert accepted_elsewhere(story.state) == ("review",), "the target has what `other` has"
    story.tell(accepted("f", head("t1"), head("t2")))
    assert accepted_elsewhere(story.state) == ()


def test_what_was_accepted_and_then_rejected_is_withdrawn_and_no_work_to_lose():
    story = two_landed().tell(accepted("c", head("t1"), head("t2")))
    assert withdrawn(story.state) == ()
    rejects(story, "t1")
    assert withdrawn(story.state) == ("t1",) and unlanded(story.state) == ()
    story.tell(accepted("d", head("t2")))
    assert withdrawn(story.state) == ()


def test_what_was_rejected_before_anybody_accepted_it_is_work_to_lose():
    story = rejects(two_landed(), "t1")
    assert unlanded(story.state) == ("t1",) and withdrawn(story.state) == ()


def test_a_branch_holds_what_stood_at_the_newest_landing_in_its_history():
    story = rejects(two_landed(), "t1")
    first, second, third = (landing.commit for landing in story.state.landings)
    for history, commit, heads in (
        ((), BASE, set()),
        (("x", first), first, {head("t1")}),
        ((first, second), second, {head("t1"), head("t2")}),
        ((first, second, third), third, {head("t2")}),
    ):
        assert newest_landing(story.state, history) == (commit, heads)


def test_of_two_that_tell_the_later_one_counts():
    story = two_landed().tell(accepted("s1", head("t1")))
    lands_again(story, "t1").tell(accepted("s2", head("t2"), head("t1", 2)))
    told = told_by(story.state, {"s1", "s2"})
    assert held(told, ["s2"]) == {head("t2"), head("t1", 2)}
    assert held(told, []) == set()
    assert held(told, ["s1", "s2"]) == {head("t2"), head("t1", 2)}, "merged by hand"
    assert told_by(story.state, {"s1"}) == {"s1": {head("t1")}}
    assert told_by(story.state, set()) == {}


def test_a_branch_that_was_put_back_holds_what_it_held_before():
    story = two_landed().tell(accepted("s1", head("t1")), accepted("s2", head("t1"), head("t2")))
    told = told_by(story.state, {"s1"})
    assert held(told, ["s1"]) == {head("t1")}


def test_a_run_is_held_by_the_last_of_those_that_began_at_its_result():
    def run(name: str, base: str, *, lands: bool = True, target: str = "main") -> RunState:
        story = Story.of(1)
        fact = story.state.started
        story.state.started = fact.model_copy(update={"run": name, "base": base, "target": target})
        story.baseline()
        state = story.lands_at_once("t1").state if lands else story.state
        state.landings = [replace(one, commit=f"{name}-result") for one in state.landings]
        return state

    first, second = run("first", "x"), run("second", "first-result")
    third = run("third", "second-result")
    assert holders([third, second, first]) == {"first": "third", "second": "third"}
    assert holders([first, run("idle", "first-result", lands=False)]) == {}
    assert holders([first, run("other", "first-result", target="next")]) == {}
    assert holders([first, run("beside", "x")]) == {}
    second.cleaned = e.RunCleaned()
    assert holders([first, second]) == {}, "nothing of it is left to accept"
