"""The course of a run: what of it timing decides, and how a replay keeps to it. Pure.

1. Timing decides on which tree an attempt begins, in which order heads leave the queue, and which
   attempts were ended from outside: lost, or out of time or of their own money. That is a run's
   course, in the order of the ledger; all else follows from the plan, the code and the answers.
2. A replay starts an attempt when all heads have left the queue that had left it before then. So it
   begins on the same tree; where it does not, something else was made, and the replay ends.
3. A head joins the queue when all attempts have begun that had begun before it left, behind the
   heads that had left before it. So whatever is landed together, no start comes too late.
4. An attempt that was lost is lost again, in the same round and for the same reason. One that was
   ended in a call asks for an answer that is not there, and is told how its round ended then.
5. What the record knows nothing of comes after all that it knows.
6. Where nothing can go on by that order, because a person said something then, it is given up: what
   follows is held against the record call by call, and tree by tree.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from ledger import events as e
from ledger.events import HeadRef
from ledger.model import Sha, TaskId, Value
from ledger.state import AttemptState, RunState
from orchestrator.policy.ending import gates_at_work


class Began(Value):
    """An attempt began, on this tree."""

    kind: Literal["began"] = "began"
    task: TaskId
    attempt: int
    base: Sha
    tree: Sha


class Left(Value):
    """A head left the queue: it landed, or was sent back."""

    kind: Literal["left"] = "left"
    task: TaskId
    attempt: int
    tree: Sha = ""
    """The result's, when it had landed."""


class Ended(Value):
    """An attempt was ended from outside."""

    kind: Literal["ended"] = "ended"
    task: TaskId
    attempt: int
    outcome: Literal["lost", "failed"]
    why: str = ""
    cause: Literal["", "budget", "timeout"] = ""
    trouble: bool = False
    rounds: int = 0
    """As many are in the ledger."""
    round_outcome: Literal["done", "failed", "timeout", "not-started", "stopped"] = "done"
    round_why: str = ""
    """What became of the last one's worker."""


Step = Annotated[Began | Left | Ended, Field(discriminator="kind")]
STEP: TypeAdapter[Began | Left | Ended] = TypeAdapter(Step, config=ConfigDict(defer_build=True))


class Chronicler:
    """Makes the course of a run from its facts, which it is given one by one from the first."""

    def __init__(self) -> None:
        self._trees: dict[Sha, Sha] = {}
        self._heads: dict[int, tuple[HeadRef, ...]] = {}
        self._landing: dict[int, Sha] = {}
        self._rounds: dict[HeadRef, list[e.RoundFinished]] = {}

    def steps(self, fact: e.Event) -> tuple[Began | Left | Ended, ...]:
        """What the next fact adds."""
        match fact:
            case e.RunStarted():
                self._trees[fact.base] = fact.base_tree
            case e.TipMoved():
                self._trees[fact.tip] = fact.tip_tree
            case e.CandidateBuilt():
                self._trees[fact.commit] = fact.tree
                self._heads[fact.candidate] = fact.heads
                self._landing[fact.candidate] = fact.tree
            case e.AttemptStarted(task=task, attempt=attempt, base=base):
                tree = self._trees.get(base, "")
                return (Began(task=task, attempt=attempt, base=base, tree=tree),)
            case e.Landed():
                heads = self._heads.get(fact.candidate, ())
                tree = self._landing.get(fact.candidate, "")
                return tuple(Left(task=one.task, attempt=one.attempt, tree=tree) for one in heads)
            case e.HeadSentBack(task=task, attempt=attempt):
                return (Left(task=task, attempt=attempt),)
            case e.RoundFinished(task=task, attempt=attempt):
                self._rounds.setdefault(HeadRef(task=task, attempt=attempt), []).append(fact)
            case e.AttemptFinished():
                return self._ended(fact)
            case _:
                pass
        return ()

    def _ended(self, fact: e.AttemptFinished) -> tuple[Ended, ...]:
        rounds = self._rounds.pop(HeadRef(task=fact.task, attempt=fact.attempt), [])
        by_limit = fact.cause in ("budget", "timeout")
        if fact.outcome != "lost" and not by_limit:
            return ()
        last = rounds[-1] if rounds else None
        ended = Ended(
            task=fact.task,
            attempt=fact.attempt,
            outcome="lost" if fact.outcome == "lost" else "failed",
            why=fact.why,
            trouble=fact.trouble,
            rounds=len(rounds),
        )
        if by_limit:
            ended = ended.model_copy(update={"cause": fact.cause})
        if last:
            said = {"round_outcome": last.worker_outcome, "round_why": last.why}
            ended = ended.model_copy(update=said)
        return (ended,)


@dataclass(frozen=True)
class Course:
    """A recorded run's course."""

    steps: Sequence[Began | Left]
    began: dict[HeadRef, Began] = field(default_factory=dict)
    ended: dict[HeadRef, Ended] = field(default_factory=dict)

    @classmethod
    def of(cls, steps: Iterable[Began | Left | Ended]) -> Course:
        """The course that these steps make."""
        order: list[Began | Left] = []
        began: dict[HeadRef, Began] = {}
        ended: dict[HeadRef, Ended] = {}
        for step in steps:
            ref = ref_of(step)
            match step:
                case Ended():
                    ended[ref] = step
                case Began():
                    began[ref] = step
                    order.append(step)
                case Left():
                    order.append(step)
        return cls(order, began, ended)


def may_start(course: Course, state: RunState) -> frozenset[TaskId]:
    """Rules 2 and 5: the tasks whose next attempt may begin now."""
    found: dict[TaskId, None] = {}
    for step in course.steps:
        attempt = _attempt(state, step)
        if isinstance(step, Began):
            if attempt is None:
                found[step.task] = None
        elif attempt is None or attempt.finished is None or ref_of(step) in state.queue:
            return frozenset(found)
    return frozenset(found or state.tasks)


def may_join(course: Course, state: RunState, ref: HeadRef) -> bool:
    """Rules 3 and 5: whether a head may join the queue now."""
    for step in course.steps:
        if isinstance(step, Left) and ref_of(step) == ref:
            return True
        attempt = _attempt(state, step)
        if attempt is None or (isinstance(step, Left) and attempt.finished is None):
            return False
    return True


def is_stuck(course: Course, state: RunState, waiting: Collection[HeadRef]) -> bool:
    """Rule 6: nothing goes on, and by the course nothing can.

    `waiting` are the heads that want to join the queue.
    """
    at_work = len(state.by_status.get("working", ())) > len(waiting)
    if at_work or gates_at_work(state) or state.baseline == "unknown":
        return False
    if state.queue or state.rejections or not (waiting or state.ready):
        return False
    if any(may_join(course, state, ref) for ref in waiting):
        return False
    allowed = may_start(course, state)
    return not any(task_id in allowed for _, _, task_id in state.ready)


def other_result(course: Course, state: RunState) -> Sha | None:
    """The tree of the recorded result, where this run came as far and to another one."""
    trees = [step.tree for step in course.steps if isinstance(step, Left) and step.tree]
    landed = {ref for one in state.landings for ref in one.heads}
    wanted = {ref_of(step) for step in course.steps if isinstance(step, Left) and step.tree}
    return trees[-1] if trees and landed == wanted and trees[-1] != state.tip_tree else None


def ref_of(step: Began | Left | Ended) -> HeadRef:
    """The attempt that a step is of."""
    return HeadRef(task=step.task, attempt=step.attempt)


def _attempt(state: RunState, step: Began | Left) -> AttemptState | None:
    task = state.tasks.get(step.task)
    return task.attempts[step.attempt - 1] if task and len(task.attempts) >= step.attempt else None
