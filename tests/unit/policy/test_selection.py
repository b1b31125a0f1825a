"""What a selection comes to, and what it changes in a branch that holds a part already."""

from __future__ import annotations

from ledger import events as e
from ledger.events import HeadRef
from orchestrator.policy.persons import Refused
from orchestrator.policy.selection import (
    Chosen,
    Difference,
    Selection,
    choose,
    difference,
    is_chain,
)
from tests.support.builders import Story, head
from tests.unit.ledger.test_accepts import lands_again, rejects
from tests.unit.policy.test_persons import everything_landed

NOTHING: frozenset[HeadRef] = frozenset()


def chosen(story: Story, **names: tuple[str, ...]) -> Chosen:
    found = choose(story.state, Selection(**names))
    assert isinstance(found, Chosen), found
    return found


# --- which tasks ------------------------------------------------------------------------------


def test_without_a_selection_all_that_has_landed_is_chosen():
    assert chosen(everything_landed()).tasks == ("a", "b", "c", "d", "lone")
    story = Story.of({"a": [], "b": ["a"], "c": []}).baseline().lands_at_once("a").queues("c")
    assert chosen(story).tasks == ("a",)


def test_only_takes_its_needs_along_and_says_so():
    found = chosen(everything_landed(), only=("b", "lone"))
    assert found == Chosen(("a", "b", "lone"), added=("a",))


def test_without_leaves_out_what_needs_it_and_says_so():
    found = chosen(everything_landed(), without=("c",))
    assert found == Chosen(("a", "b", "lone"), left_out=("d",))


def test_both_together_are_both():
    found = chosen(everything_landed(), only=("b",), without=("c",))
    assert found == Chosen(("a", "b"), added=("a",))


def test_nothing_is_taken_without_what_it_needs():
    refused = choose(everything_landed().state, Selection(only=("d",), without=("a",)))
    assert isinstance(refused, Refused)
    assert refused.why == "d cannot be accepted without what it needs"
    assert refused.hint == "leave --without a away"


def test_what_has_not_landed_cannot_be_chosen():
    story = Story.of({"a": [], "b": ["a"]}).baseline().lands_at_once("a")
    for names in ({"only": ("b",)}, {"without": ("b",)}):
        refused = choose(story.state, Selection(**names))
        assert isinstance(refused, Refused) and refused.why == "b is ready, not landed"
    assert isinstance(choose(story.state, Selection(only=("aa",))), Refused)


# --- what changes -----------------------------------------------------------------------------


def test_a_branch_that_holds_nothing_gets_all_in_the_order_of_landing():
    story = Story.of({"x": [], "y": []}).baseline().lands_at_once("y", "x")
    heads = head("y"), head("x")
    assert difference(story.state, ("x", "y"), NOTHING, whole=True) == Difference(heads, (), heads)


def test_what_the_branch_holds_is_not_brought_again():
    state = everything_landed().state
    found = difference(state, ("a", "b"), frozenset({head("a")}), whole=False)
    assert found == Difference((head("b"),), (), (head("a"), head("b")))


def test_a_head_that_was_made_anew_comes_in_the_place_of_the_old_one():
    story = lands_again(Story.of(2).baseline().lands_at_once("t1", "t2"), "t1")
    held = frozenset({head("t1"), head("t2")})
    for whole in (False, True):
        found = difference(story.state, ("t1",), held, whole=whole)
        assert (found.comes, found.goes) == ((head("t1", 2),), (head("t1"),))
        assert found.holds == (head("t2"), head("t1", 2))


def test_what_was_rejected_goes_with_the_whole_result_and_stays_with_a_part_of_it():
    story = rejects(everything_landed(), "b", "d")
    held = frozenset({head("a"), head("b"), head("d")})
    whole = difference(story.state, ("a", "c", "lone"), held, whole=True)
    assert whole.goes == (head("d"), head("b")), "the newest first"
    assert whole.holds == (head("a"), head("c"), head("lone"))
    part = difference(story.state, ("c",), held, whole=False)
    assert part == Difference((head("c"),), (), (head("a"), head("b"), head("d"), head("c")))


def test_the_choice_is_the_same_from_a_state_that_was_read_back():
    from ledger.snapshot import restore_snapshot, take_snapshot

    story = Story.of({"x": [], "y": []}).baseline().lands_at_once("y", "x")
    again = restore_snapshot(take_snapshot(story.state))
    assert again is not None
    assert difference(again, ("x", "y"), NOTHING, whole=True).comes == (head("y"), head("x"))


def test_only_landings_make_a_chain():
    story = Story.of(2).baseline()
    assert is_chain(story.state), "nothing has landed"
    story.lands_at_once("t1")
    assert is_chain(story.state)
    number = story.queues("t2").builds(1)
    story.judges(number).tell(e.CandidateStale(candidate=number, tip="theirs", tip_tree="t"))
    assert is_chain(story.state), "what somebody put on the tip is no part of what landed"
    number = story.builds(1, "both")
    story.judges(number).lands(number)
    assert not is_chain(story.state), "now it is, and is a step that nobody judged"
