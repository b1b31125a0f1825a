"""Going in circles: a task that fails in the same way again. Pure.

1. A try is an attempt of a worker's that used up one of the task's attempts, since the start or
   since a person last asked for another. Lost and acquitted ones are none; nor is a person's head.
2. Two tries are the same where their failures have the same signature, their work is the same
   (what the changed files hold, or the whole tree), or a checker blocks both for the same thing.
   They need not follow one another: a failure that comes back counts too. Where a checker's finding
   came back within a try after it had sent the work back, that is one time more.
3. The second that is the same is told so, and asked for a different approach. After each further
   one the next model of the worker's ladder takes over; where none is left, a person is asked.
   A command has a ladder of one.
4. Who was told what failed and then does exactly the same work does not listen: asking it for a
   different approach is left out. So a tool that is the same each time has two tries.
5. A ladder is only climbed. Another failure begins to be counted anew, on the model of then.
6. Within an attempt, a round whose work was tried already, by it or by a try before, is the last
   one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ledger.state import AttemptState, TaskState
from orchestrator.policy.checking import Identity, against, came_back, identity

Turn = Literal["go-on", "other-approach", "other-model", "person"]


@dataclass(frozen=True, slots=True)
class Try:
    """What a try came to, as far as it can be the same as another."""

    number: int
    """The attempt's."""
    signature: str
    work: frozenset[str]
    """Its tree and a hash of its change, as far as it made any."""
    findings: frozenset[Identity] = frozenset()
    """What a checker blocked it for."""
    came_back: bool = False
    """One of these had been sent back to it, and was found again."""

    def is_like(self, other: Try) -> bool:
        """Rule 2; a signature that says nothing is like no other."""
        failed_so = bool(self.signature) and self.signature == other.signature
        blocked_so = not self.findings.isdisjoint(other.findings)
        return failed_so or blocked_so or not self.work.isdisjoint(other.work)

    def repeats(self, other: Try) -> bool:
        """Rule 4: not only the same failure, but by the same work."""
        same = bool(self.signature) and self.signature == other.signature
        return same and (self.work == other.work or not self.work.isdisjoint(other.work))


@dataclass(frozen=True, slots=True)
class Circle:
    """Where a task stands after its tries."""

    turn: Turn = "go-on"
    rung: int = 0
    """The model of the ladder that the next attempt is for, from 0."""
    same: tuple[int, ...] = ()
    """The attempts that are like the last one, and that one; empty where it is in no circle."""
    exactly: bool = False
    """The last one repeats one before it."""
    came_back: bool = False
    """In one of them a checker's finding came back."""


def circle_of(tries: Sequence[Try], ladder: int = 1) -> Circle:
    """What the tries so far come to, with so many models on the worker's ladder."""
    circle = Circle()
    for at, last in enumerate(tries):
        like = [one for one in tries[:at] if one.is_like(last)]
        exactly = any(last.repeats(one) for one in like)
        again = any(one.came_back for one in (*like, last))
        # How often it was the same; one more for rule 4, or for a finding that came back.
        times = len(like) + 1 + (exactly or again)
        rung = max(circle.rung, min(times - 2, ladder - 1))
        turn: Turn = "go-on"
        if times - 2 >= ladder:
            turn = "person"
        elif times > 2:
            turn = "other-model"
        elif times == 2:
            turn = "other-approach"
        same = (*(one.number for one in like), last.number) if like or again else ()
        circle = Circle(turn, rung, same, exactly, again)
    return circle


def tries_of(task: TaskState) -> tuple[Try, ...]:
    """The tries of a task (rule 1), in order."""
    found = _charged(task)
    return tuple(_try(attempt) for attempt in found if not attempt.submitted)


def work_tried(task: TaskState) -> frozenset[str]:
    """Hashes of the changes that its tries, and the attempt under way, came to in any round."""
    attempts = _charged(task)
    if task.last and task.last.finished is None:
        attempts.append(task.last)
    rounds = (done.finished for attempt in attempts for done in attempt.rounds)
    return frozenset(fact.change for fact in rounds if fact.change)


def told_of(circle: Circle) -> str:
    """Why a person is asked, in a few words; the failure itself is told beside it."""
    if circle.exactly:
        return "it is going in circles: it did exactly the same again"
    if circle.came_back:
        return "it is going in circles: what a checker had sent back was found again"
    return f"it is going in circles: it failed in the same way {len(circle.same)} times"


def _charged(task: TaskState) -> list[AttemptState]:
    charged = [attempt for attempt in task.attempts if _is_charged(attempt)]
    return charged[-task.charged :] if task.charged else []


def _is_charged(attempt: AttemptState) -> bool:
    ended, back = attempt.finished, attempt.sent_back
    if back is not None:
        return back.charged
    if ended is None or ended.outcome != "failed":
        return False
    return not (attempt.acquitted and ended.cause == "check")


def _try(attempt: AttemptState) -> Try:
    ended, back = attempt.finished, attempt.sent_back
    assert ended is not None
    last = attempt.rounds[-1].finished if attempt.rounds else None
    work = frozenset(filter(None, (ended.tree, last.change if last else "")))
    return Try(
        attempt.number,
        back.signature if back else ended.signature,
        work,
        frozenset(map(identity, against(attempt))),
        came_back(attempt),
    )
