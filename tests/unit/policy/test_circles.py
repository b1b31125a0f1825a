"""Who fails in the same way again is told so, then another model tries, then a person is asked."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ledger import events as e
from ledger.model import BLOCKING_FINDINGS, CheckerFinding
from orchestrator.feedback import render_feedback
from orchestrator.policy.circles import Try, circle_of, told_of, tries_of, work_tried
from orchestrator.policy.decide import decide
from orchestrator.policy.measure import may_lose_tests
from orchestrator.policy.orders import Record, StartAttempt
from tests.support.builders import FREE, NOW, Story

SIGNATURES = st.sampled_from(["", "a", "b", "c"])
TREES = st.sampled_from([None, "1", "2", "3", "4"])
TRIES = st.lists(st.tuples(SIGNATURES, TREES), max_size=12)
LADDERS = st.integers(1, 4)


def tries(*pairs):
    return tuple(
        Try(at, signature, frozenset(filter(None, [tree])))
        for at, (signature, tree) in enumerate(pairs, 1)
    )


def turns(pairs, ladder=1):
    return [circle_of(tries(*pairs[: n + 1]), ladder).turn for n in range(len(pairs))]


def test_the_second_same_failure_asks_for_another_approach_the_third_for_a_person():
    same = [("a", "1"), ("a", "2"), ("a", "3")]
    assert turns(same) == ["go-on", "other-approach", "person"]
    assert circle_of(tries(*same)).same == (1, 2, 3)


def test_a_ladder_is_climbed_before_a_person_is_asked():
    same = [("a", str(n)) for n in range(5)]
    assert turns(same, ladder=3) == [
        *("go-on", "other-approach", "other-model", "other-model", "person")
    ]
    assert [circle_of(tries(*same[:n]), 3).rung for n in range(6)] == [0, 0, 0, 1, 2, 2]


def test_exactly_the_same_work_is_not_asked_for_another_approach():
    assert turns([("a", "1"), ("a", "1")]) == ["go-on", "person"]
    assert turns([("a", "1"), ("a", "1"), ("a", "1")], ladder=2) == [
        *("go-on", "other-model", "person")
    ]


def test_a_failure_that_comes_back_counts_and_so_does_a_tree():
    assert turns([("a", "1"), ("b", "2"), ("a", "3")])[-1] == "other-approach"
    assert turns([("a", "1"), ("b", "1")])[-1] == "other-approach"
    assert turns([("a", "1"), ("b", "2"), ("c", "3")])[-1] == "go-on"


def test_what_says_nothing_is_like_nothing():
    assert set(turns([("", None)] * 5)) == {"go-on"}


@given(TRIES, LADDERS)
def test_a_ladder_is_only_climbed_and_never_left(pairs, ladder):
    rungs = [circle_of(tries(*pairs[:n]), ladder).rung for n in range(len(pairs) + 1)]
    assert rungs == sorted(rungs)
    assert all(0 <= rung < ladder for rung in rungs)


@given(TRIES, LADDERS)
def test_nobody_is_asked_before_something_came_twice(pairs, ladder):
    circle = circle_of(tries(*pairs), ladder)
    if circle.turn != "go-on":
        assert len(circle.same) >= 2 and circle.same[-1] == len(pairs)
    if circle.turn == "person":
        assert len(circle.same) + circle.exactly >= ladder + 2


@given(TRIES, st.tuples(SIGNATURES, TREES), LADDERS)
def test_the_same_again_and_again_always_ends_with_a_person(pairs, same, ladder):
    if same == ("", None):
        return
    following = turns([*pairs, *[same] * (ladder + 2)], ladder)[len(pairs) :]
    assert "person" in following[: ladder + 2]
    # Exactly the same never has a try for nothing: at most two on the first model, one on others.
    if same[0]:
        assert "person" in following[: ladder + 1]


@given(TRIES, LADDERS, st.permutations(["a", "b", "c", ""]))
def test_what_a_failure_is_called_does_not_matter(pairs, ladder, names):
    renamed = dict(zip(["a", "b", "c"], [n for n in names if n], strict=True)) | {"": ""}
    other = [(renamed[signature], tree) for signature, tree in pairs]
    assert turns(pairs, ladder) == turns(other, ladder)


# --- checkers ---------------------------------------------------------------------------------


def blocked(number, *findings, came_back=False, tree=None):
    work = frozenset(filter(None, [tree]))
    named = frozenset(("a.py", what) for what in findings)
    return Try(number, f"checker: {'; '.join(findings)}", work, named, came_back)


def test_a_finding_that_came_back_is_the_second_time_of_its_own():
    one = blocked(1, "x", came_back=True)
    assert circle_of((one,)).turn == "other-approach"
    assert circle_of((one,)).same == (1,)
    assert circle_of((one, blocked(2, "y"))).turn == "go-on"
    again = (one, blocked(2, "x", "y"))
    assert [circle_of(again, ladder).turn for ladder in (1, 2)] == ["person", "other-model"]
    assert told_of(circle_of(again)) == (
        "it is going in circles: what a checker had sent back was found again"
    )
    third = (*again, blocked(3, "x", came_back=True))
    assert [circle_of(third, ladder).turn for ladder in (2, 3)] == ["person", "other-model"]


def test_one_thing_that_a_checker_blocks_two_tries_for_makes_them_alike():
    tries = (blocked(1, "x", "y"), blocked(2, "y", "z"))
    assert circle_of(tries).turn == "other-approach"
    assert circle_of((blocked(1, "x"), blocked(2, "y"))).turn == "go-on"


# --- in a run ---------------------------------------------------------------------------------


def fails(story, signature="s", tree=None, why="gate 'unit' failed"):
    number = len(story.state.tasks["t1"].attempts) + 1
    more = {"tree": tree, "head": f"h{number}"} if tree else {}
    return story.starts("t1").ends("t1", "failed", signature=signature, why=why, **more)


def ordered(story):
    (order,) = decide(story.state, FREE, NOW)
    return order.event if isinstance(order, Record) else order


def test_a_task_in_circles_is_held_and_says_why():
    story = fails(fails(Story.of(1, attempts=9).baseline(), tree="1"), tree="2")
    assert isinstance(ordered(story), StartAttempt)
    text = render_feedback(story.state, "t1") or ""
    assert "Attempts 1 and 2 failed in the same way. Take a different approach" in text
    story = fails(story, tree="3")
    why = "it is going in circles: it failed in the same way 3 times: gate 'unit' failed"
    assert ordered(story) == e.TaskHeld(task="t1", why=why)


def test_a_tool_that_is_the_same_each_time_has_no_third_try():
    story = fails(fails(Story.of(1, attempts=3).baseline(), tree="1"), tree="1")
    why = "it is going in circles: it did exactly the same again: gate 'unit' failed"
    assert ordered(story) == e.TaskHeld(task="t1", why=why)


def test_a_task_whose_attempts_are_used_up_is_given_up_as_ever():
    story = fails(fails(Story.of(1, attempts=2).baseline(), tree="1"), tree="1")
    assert isinstance(ordered(story), e.TaskGivenUp)


def test_three_times_the_same_is_a_persons_even_where_attempts_are_used_up():
    story = Story.of(1, attempts=3).baseline()
    for tree in "123":
        story = fails(story, tree=tree)
    assert isinstance(ordered(story), e.TaskHeld)


def test_a_persons_retry_begins_anew_and_lost_attempts_do_not_count():
    story = fails(fails(Story.of(1, attempts=3).baseline(), tree="1"), tree="1")
    story.tell(ordered(story), e.RetryRequested(task="t1", note="try it so"))
    assert tries_of(story.state.tasks["t1"]) == ()
    assert isinstance(ordered(story), StartAttempt)
    story = fails(story, tree="1").starts("t1").ends("t1", "lost")
    assert [one.number for one in tries_of(story.state.tasks["t1"])] == [3]
    assert isinstance(ordered(story), StartAttempt)


def test_heads_that_come_back_red_are_tries_and_conflicts_are_none():
    story = Story.of(1, attempts=9).baseline()
    for cause, charged in (("red", True), ("conflict", False), ("red", True)):
        story.starts("t1").ends("t1")
        number = len(story.state.tasks["t1"].attempts)
        story.tell(
            e.HeadSentBack(
                task="t1", attempt=number, cause=cause, signature="s", charged=charged, why="no"
            )
        )
    found = tries_of(story.state.tasks["t1"])
    assert [(one.number, *one.work) for one in found] == [(1, "t-t1-1"), (3, "t-t1-3")]
    assert circle_of(found).turn == "other-approach"


def test_work_of_the_attempt_under_way_and_of_tries_is_known():
    story = Story.of(1).baseline()
    for number, how in ((1, "failed"), (2, "lost")):
        story.starts("t1")
        story.tell(e.RoundFinished(task="t1", attempt=number, round=1, change=f"of {number}"))
        story.ends("t1", how)
    story.starts("t1").tell(e.RoundFinished(task="t1", attempt=3, round=1, change="mine"))
    assert work_tried(story.state.tasks["t1"]) == {"of 1", "mine"}


def test_the_same_change_on_a_tip_that_moved_is_the_same_work():
    story = Story.of(2, attempts=3).baseline()
    for number in (1, 2):
        story.starts("t1")
        done = e.RoundFinished(task="t1", attempt=number, round=1, tree=f"{number}", change="same")
        story.tell(done).ends("t1", "failed", signature="s", tree=f"{number}", why="no")
        if number == 1:
            story.lands_at_once("t2")
    assert circle_of(tries_of(story.state.tasks["t1"])).exactly


def finds(story, *words, back=(), task="t1"):
    """A round in which a checker blocks it for these."""
    attempt = story.state.tasks[task].last
    number = len(attempt.rounds) + 1
    found = tuple(
        CheckerFinding(path="a.py", line=number, severity="blocking", what=word, reproduce="f()")
        for word in words
    )
    return story.tell(
        e.RoundFinished(
            task=task, attempt=attempt.number, round=number, change=f"{attempt.number}.{number}"
        ),
        e.CheckerJudged(
            task=task, attempt=attempt.number, round=number, worker="r", model="p:m",
            findings=found, back=back, blocking=len(found),
        ),
    )  # fmt: skip


def blocks(story, signature="checker: a.py x"):
    number = len(story.state.tasks["t1"].attempts)
    return story.ends(
        "t1", "failed", cause="checker", signature=signature, why="a checker blocks it: x",
        held_paths=(BLOCKING_FINDINGS,), tree=f"tree{number}", head=f"h{number}",
    )  # fmt: skip


def test_from_the_ledger_a_finding_is_known_that_came_back_after_it_was_sent_back():
    story = Story.of(1, attempts=9).baseline().starts("t1")
    blocks(finds(finds(story, "X in line 3", back=(0,)), "x in line 44", "new"))
    (one,) = tries_of(story.state.tasks["t1"])
    assert one.came_back and one.findings == {("a.py", "x in line 0"), ("a.py", "new")}
    order = ordered(story)
    assert isinstance(order, StartAttempt)
    text = render_feedback(story.state, "t1") or ""
    assert "In attempt 1 what a checker had sent back was found again. Take a different" in text
    assert "a.py:2: x in line 44 To see it: f()" in text and "a.py:2: new" in text
    blocks(finds(story.starts("t1"), "x in line 7"))
    why = "it is going in circles: what a checker had sent back was found again: "
    assert ordered(story) == e.TaskHeld(task="t1", why=f"{why}a checker blocks it: x")
    text = render_feedback(story.state, "t1") or ""
    assert "attempt 1, round 1" in text and "then a checker blocked it" in text


def test_what_only_a_checker_blocks_is_never_given_up_but_a_persons():
    story = Story.of(1, attempts=1).baseline().starts("t1")
    blocks(finds(finds(story, "x", back=(0,)), "x"))
    held = ordered(story)
    assert held == e.TaskHeld(task="t1", why="its attempts are used up (1): a checker blocks it: x")
    story.tell(held)
    assert story.state.to_allow(story.state.tasks["t1"]) == (BLOCKING_FINDINGS,)
    story.tell(e.PathAllowed(task="t1", path=BLOCKING_FINDINGS))
    assert story.state.queue == [e.HeadRef(task="t1", attempt=1)]
    assert not may_lose_tests(story.state, story.state.queue[0]), "that says nothing of tests"
