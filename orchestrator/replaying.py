"""Keeping a run's course beside its calls, and repeating a run from both.

1. What is kept follows the ledger: an engine that goes on with a run first keeps what the one
   before did not get to.
2. A replay starts attempts, and lets heads join the queue, in the order of the record
   (`policy.course`). Nothing is waited for but that: no provider, no limit, no pause.
3. What the record does not answer, or an attempt that begins on another tree, ends the replay at
   once, with what differs and where. The run stays as it is, to be resumed with a model. A result
   that is another tree is told at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import anyio
from pydantic import ValidationError

from ledger import events as e
from ledger.events import HeadRef
from ledger.model import TaskId
from ledger.state import RunState
from orchestrator.errors import OrchError
from orchestrator.journal import read_facts
from orchestrator.policy.course import (
    STEP,
    Began,
    Chronicler,
    Course,
    Ended,
    Left,
    is_stuck,
    may_join,
    may_start,
    other_result,
)
from orchestrator.policy.lost import lost_attempt
from workers.base import Report

if TYPE_CHECKING:
    from orchestrator.policy.orders import StartAttempt
    from orchestrator.scene import Scene
    from workers.gateway.record import Record, Recorder
    from workers.redact import Redactor


RECORD_ANEW = "make a new one: orch run --record FILE"
RESUME = "go on with this run, by its models: orch resume"


class CourseKeeper:
    """An observer that keeps a run's course in its record."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder, self._chronicler = recorder, Chronicler()

    def on_facts(self, state: RunState, facts: Sequence[tuple[e.Event, float]]) -> None:
        self._keep([step for fact, _ in facts for step in self._chronicler.steps(fact)])

    def on_line(self, where: str, text: str) -> None:
        pass

    def catch_up(self, facts: Sequence[e.Event], known: int) -> None:
        """Keep what these first facts of the run add to the steps that are kept already."""
        steps = [step for fact in facts for step in self._chronicler.steps(fact)]
        self._keep(steps[known:])

    def _keep(self, steps: Sequence[Began | Left | Ended]) -> None:
        for step in steps:
            said = step.model_dump(mode="json", exclude_defaults=True)
            self._recorder.keep_step({"kind": step.kind, **said})


@contextmanager
def recorded(scene: Scene, path: Path, redactor: Redactor) -> Iterator[Recorder]:
    """A record of this run that its course is kept in from here on, and all of it so far."""
    from workers.gateway.record import BadRecord, Recorder

    try:
        recorder = Recorder(path, redactor, scene.run)
    except (BadRecord, OSError) as error:
        raise OrchError(f"nothing can be recorded: {error}", hint="take another file") from None
    keeper, journal = CourseKeeper(recorder), scene.journal
    facts = [fact for _, _, fact in read_facts(journal.store, journal.run)]
    keeper.catch_up(facts, recorder.steps)
    journal.observers.append(keeper)
    try:
        yield recorder
    finally:
        journal.observers.remove(keeper)
        recorder.close()


def load_record_of(path: Path) -> Record:
    """A record as a person named it."""
    from workers.gateway.record import BadRecord, load_record

    try:
        return load_record(path)
    except (BadRecord, OSError) as error:
        raise OrchError(f"nothing can be replayed: {error}", hint=RECORD_ANEW) from None


class Replaying:
    """A run that follows a record."""

    def __init__(self, record: Record) -> None:
        self.record = record
        try:
            self._course = Course.of(map(STEP.validate_python, record.steps))
        except ValidationError as error:
            first = error.errors()[0]["msg"]
            raise OrchError(
                f"the record's course cannot be read: {first}", hint=RECORD_ANEW
            ) from None
        self.missed = ""
        """What the record had no answer to, and where."""
        self._waiting: set[HeadRef] = set()
        self._given_up = False
        self._changed = anyio.Event()

    @property
    def ended(self) -> tuple[tuple[TaskId, int], ...]:
        """The attempts that were ended from outside."""
        return tuple((ref.task, ref.attempt) for ref in self._course.ended)

    def only(self, state: RunState) -> frozenset[TaskId] | None:
        """The tasks that may start now; None: any. Asked each time the engine looks."""
        self._changed.set()
        self._changed = anyio.Event()
        if self._given_up or is_stuck(self._course, state, self._waiting):
            self._given_up = True
            return None
        return may_start(self._course, state)

    def check(self, state: RunState, starts: Sequence[StartAttempt]) -> None:
        """OrchError where an attempt would begin on another tree than it did."""
        for order in starts:
            began = self._course.began.get(HeadRef(task=order.task, attempt=order.attempt))
            if began is None or began.tree in ("", state.tip_tree):
                continue
            what = f"the record's {order.task}, attempt {order.attempt} began on another tree"
            if order.base == state.started.base:
                raise OrchError(
                    f"{what}: the run began at {began.base[:10]}, this one at {order.base[:10]}",
                    hint=f"orch run --base {began.base[:10]} --replay FILE",
                )
            landed = ", ".join(ref.task for one in state.landings for ref in one.heads)
            raise OrchError(
                f"{what}, {began.tree[:10]}, now {state.tip_tree[:10]}: what landed before it came"
                f" to something else ({landed or 'nothing'})",
                hint=RESUME,
            )

    def check_result(self, state: RunState) -> None:
        """OrchError where all landed that had landed, and came to another tree."""
        if tree := other_result(self._course, state):
            raise OrchError(
                f"the replay came to another tree, {state.tip_tree[:10]}, than the recorded run,"
                f" {tree[:10]}: a worker or a fix command does not do the same twice",
                hint=f"see what it came to: orch diff --run {state.run}",
            )

    def raise_missed(self) -> None:
        """OrchError where the record had no answer."""
        if self.missed:
            raise OrchError(self.missed, hint=RESUME)

    async def until_turn(self, scene: Scene, ref: HeadRef) -> None:
        """Wait until a head may join the queue."""
        self._waiting.add(ref)
        scene.wake()
        try:
            while not (self._given_up or may_join(self._course, scene.state, ref)):
                await self._changed.wait()
        finally:
            self._waiting.discard(ref)

    def then(self, task: TaskId, attempt: int) -> Ended | None:
        """How the attempt was ended from outside; None where it was not."""
        return self._course.ended.get(HeadRef(task=task, attempt=attempt))


def report_then(then: Ended | None, number: int, report: Report) -> Report:
    """How a round ended whose last call was answered by nothing but the end that it had then."""
    if then is None or report.outcome != "stopped" or then.rounds != number:
        return report
    cause: Literal["", "budget"] = "budget" if then.cause == "budget" else ""
    return replace(report, outcome=then.round_outcome, why=then.round_why, cause=cause)


def lost_then(then: Ended | None, state: RunState) -> e.AttemptFinished | None:
    """The end of an attempt that was lost then."""
    if then is None or then.outcome != "lost":
        return None
    last = state.tasks[then.task].attempts[then.attempt - 1]
    return lost_attempt(last, then.why, trouble=then.trouble)
