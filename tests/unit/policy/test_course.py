"""A replay keeps to the course of a run, whatever takes how long in it."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from ledger import events as e
from ledger.events import HeadRef
from orchestrator.policy.course import Began, Chronicler, Course, Ended, Left, is_stuck
from orchestrator.policy.course import may_join as joins
from orchestrator.policy.course import may_start as starts
from orchestrator.policy.decide import decide
from orchestrator.policy.now import Now
from orchestrator.policy.orders import (
    BuildCandidate,
    EndJudging,
    JudgeCandidate,
    LandCandidate,
    Order,
    Record,
    RunBaseline,
    StartAttempt,
)
from tests.support.builders import FREE, Story, head, random_needs, verdict


def course_of(story: Story) -> Course:
    chronicler = Chronicler()
    return Course.of(step for fact, _ in story.facts for step in chronicler.steps(fact))


def begun(story: Story) -> dict[HeadRef, str]:
    """The tree on which each attempt began."""
    return {ref: began.tree for ref, began in course_of(story).began.items()}


def test_a_start_waits_for_the_heads_that_had_left_and_a_head_for_the_starts() -> None:
    first = Story.of(3).baseline().starts("t1", "t2").ends("t1")
    first.lands(first.judges(one := first.builds(1)) and one)
    first.starts("t3").ends("t2")
    course = course_of(first.judges(two := first.builds(1)).lands(two))
    again = Story.of(3).baseline()
    assert starts(course, again.state) == {"t1", "t2"}
    again.starts("t1", "t2")
    assert starts(course, again.state) == set()
    assert not joins(course, again.state, head("t2")), "t3 began without it"
    assert joins(course, again.state, head("t1"))
    again.ends("t1")
    assert starts(course, again.state) == set(), "it is queued, and has not landed"
    again.judges(one := again.builds(1)).lands(one)
    assert starts(course, again.state) == {"t3"}
    assert not joins(course, again.state, head("t2"))
    again.starts("t3")
    assert joins(course, again.state, head("t2"))
    assert not joins(course, again.state, head("t3")), "the record does not know that it left"


def test_what_was_ended_from_outside_is_in_the_course_and_nothing_else_that_failed() -> None:
    story = Story.of(4).baseline().starts("t1", "t2", "t3", "t4")
    story.tell(
        e.RoundFinished(task="t1", attempt=1, round=1, worker_outcome="stopped", why="refused")
    )
    story.ends("t1", "lost", why="refused")
    story.ends("t2", "failed", cause="timeout", why="too long").ends("t3", "failed", cause="check")
    ended = course_of(story).ended
    assert ended[head("t1")] == Ended(
        task="t1",
        attempt=1,
        outcome="lost",
        why="refused",
        trouble=True,
        rounds=1,
        round_outcome="stopped",
        round_why="refused",
    )
    assert (ended[head("t2")].cause, len(ended)) == ("timeout", 2)


def test_an_order_that_cannot_be_kept_is_given_up_when_nothing_goes_on() -> None:
    course = Course.of(
        [
            Began(task="t1", attempt=1, base="b", tree="x"),
            Began(task="t1", attempt=2, base="b", tree="x"),
            Left(task="t2", attempt=1),
        ]
    )
    story = Story.of(2).baseline().starts("t1", "t2").ends("t1", "held")
    assert not joins(course, story.state, head("t2")), "a person said something then"
    assert not is_stuck(course, story.state, ())
    assert is_stuck(course, story.state, (head("t2"),))


class Walk:
    """A run of the real policy in which chance says what takes how long; no clock, no files."""

    def __init__(self, seed: int, chance: random.Random, course: Course | None = None) -> None:
        rng = random.Random(seed)
        self.fate = random.Random(seed).random()
        self.chance, self.course, self.waiting = chance, course, set[HeadRef]()
        needs = random_needs(rng, rng.randint(4, 9))
        width = chance.randint(1, 4) if course else rng.randint(2, 4)
        self.story = Story.of(
            needs, parallel=width, attempts=9, gates_parallel=chance.randint(1, 2)
        )

    def of(self, ref: HeadRef, what: str) -> float:
        """The same for the same attempt in every walk of a seed."""
        return random.Random(f"{self.fate} {ref.task} {ref.attempt} {what}").random()

    def bad(self, ref: HeadRef) -> bool:
        return self.of(ref, "red") < 0.25

    def run(self) -> Story:
        for _ in range(1000):
            state = self.story.state
            if state.finished:
                return self.story
            only = starts(self.course, state) if self.course else None
            if self.course:
                assert not is_stuck(self.course, state, self.waiting)
            orders = decide(state, FREE, Now(at=1.0, only=only))
            choices: list[Callable[[], object]] = [
                lambda order=order: self.act(order)  # type: ignore[misc]
                for order in orders
            ]
            choices += [
                lambda task=task: self.end(task)  # type: ignore[misc]
                for task in state.by_status.get("working", ())
                if not self.has_to_wait(task)
            ]
            choices += [
                lambda number=number: self.judged(number)  # type: ignore[misc]
                for number in state.open_candidates
                if state.candidates[number].status == "judging"
            ]
            assert choices, f"nothing can go on: {self.story.statuses()}"
            self.chance.choice(choices)()
        raise AssertionError("it does not end")

    def has_to_wait(self, task: str) -> bool:
        ref = head(task, len(self.story.state.tasks[task].attempts))
        waits = self.course and self.green(ref) and not joins(self.course, self.story.state, ref)
        (self.waiting.add if waits else self.waiting.discard)(ref)
        return bool(waits)

    def green(self, ref: HeadRef) -> bool:
        return self.of(ref, "end") > 0.2

    def end(self, task: str) -> None:
        ref = head(task, len(self.story.state.tasks[task].attempts))
        if self.green(ref):
            self.story.ends(task)
        elif self.of(ref, "end") > 0.1:
            self.story.ends(task, "lost", trouble=False)
        else:
            self.story.ends(task, "failed", cause="check", signature=f"{ref}")

    def tree(self, heads: tuple[HeadRef, ...]) -> str:
        """What a tree holds, in whatever order it came."""
        landed = [ref for one in self.story.state.landings for ref in one.heads]
        return " ".join(sorted(f"{ref.task}/{ref.attempt}" for ref in (*landed, *heads)))

    def judged(self, number: int) -> None:
        built = self.story.state.candidates[number].built
        names = built.tree.split()
        red = any(self.bad(head(n.split("/")[0], int(n.split("/")[1]))) for n in names)
        outcome = "failed" if red else "passed"
        self.story.tell(
            e.CandidateGateJudged(candidate=number, verdict=verdict(outcome, built.tree)),
            e.CandidateJudged(candidate=number, outcome=outcome, gate="unit" if red else None),
        )

    def act(self, order: Order) -> None:
        story = self.story
        match order:
            case Record(event, more):
                story.tell(event, *more)
            case RunBaseline():
                story.baseline()
            case StartAttempt():
                story.starts(order.task)
            case BuildCandidate():
                story.builds(len(order.heads), self.tree(order.heads))
            case JudgeCandidate(candidate, confirms):
                story.tell(e.JudgingStarted(candidate=candidate, confirms=confirms))
            case LandCandidate(candidate):
                story.lands(candidate)
            case EndJudging(candidate, why):
                story.tell(e.CandidateDropped(candidate=candidate, why=why))
            case _:
                raise AssertionError(order)


@pytest.mark.parametrize("seed", range(25))
def test_a_replay_begins_each_attempt_on_the_same_tree_and_never_stands_still(seed: int) -> None:
    first = Walk(seed, random.Random(seed + 1000)).run()
    for other in range(3):
        again = Walk(seed, random.Random(other), course_of(first)).run()
        assert begun(again) == begun(first)
        assert again.state.tip_tree == first.state.tip_tree
        assert again.statuses() == first.statuses()
