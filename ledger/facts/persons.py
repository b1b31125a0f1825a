"""What became of tasks, and what persons said and did."""

from __future__ import annotations

from typing import ClassVar, Literal

from ledger.facts.base import Fact, HeadRef
from ledger.model import Sha, TaskId, Verdict

# --- tasks and people -------------------------------------------------------------------------


class TaskGivenUp(Fact):
    """Its attempts are used up; what needs it is skipped."""

    kind: Literal["TaskGivenUp"] = "TaskGivenUp"
    task: TaskId
    why: str


class TaskHeld(Fact):
    """A person must decide before it goes on."""

    kind: Literal["TaskHeld"] = "TaskHeld"
    task: TaskId
    why: str


class PathAllowed(Fact):
    """A person lets a task change a protected path, lose tests (`fewer-tests`), or land although a
    checker blocks it (`blocking-findings`)."""

    kind: Literal["PathAllowed"] = "PathAllowed"
    task: TaskId
    path: str


class RetryRequested(Fact):
    """A person, or an agent of theirs, wants another try, with something to say about it."""

    kind: Literal["RetryRequested"] = "RetryRequested"
    task: TaskId
    note: str = ""
    said_by: str = ""
    """The agent that said it, as its client names itself; empty: a person."""


class QuestionAnswered(Fact):
    """A person, or an agent of theirs, answered what an attempt had asked."""

    kind: Literal["QuestionAnswered"] = "QuestionAnswered"
    task: TaskId
    answer: str
    said_by: str = ""
    """The agent that said it, as its client names itself; empty: a person."""


class TaskTaken(Fact):
    """A person took a task's head as a branch."""

    kind: Literal["TaskTaken"] = "TaskTaken"
    task: TaskId
    branch: str
    head: Sha


class HeadSubmitted(Fact):
    """A person gives a head for a task; it is queued like any other."""

    kind: Literal["HeadSubmitted"] = "HeadSubmitted"
    task: TaskId
    attempt: int
    base: Sha
    head: Sha
    tree: Sha


class RejectRequested(Fact):
    """A person wants landed tasks out of the result again."""

    kind: Literal["RejectRequested"] = "RejectRequested"
    tasks: tuple[TaskId, ...]


class TaskRejected(Fact):
    """A person does not want a held task's work: it is not tried again, and its head stays."""

    kind: Literal["TaskRejected"] = "TaskRejected"
    task: TaskId


class RejectRefused(Fact):
    """They could not be taken out: what stays depends on them."""

    kind: Literal["RejectRefused"] = "RejectRefused"
    tasks: tuple[TaskId, ...]
    why: str


class AcceptIntended(Fact):
    """A branch of the user's is about to move to a judged commit."""

    version: ClassVar[int] = 2
    kind: Literal["AcceptIntended"] = "AcceptIntended"
    target: str
    before: Sha
    commit: Sha
    tree: Sha
    heads: tuple[HeadRef, ...]
    """What the commit holds of the run: what it brings, and what the branch had already."""
    said_by: str = ""
    """The agent that said it, as its client names itself; empty: a person."""


class AcceptGateJudged(Fact):
    """What one gate said of the tree that would be accepted."""

    kind: Literal["AcceptGateJudged"] = "AcceptGateJudged"
    verdict: Verdict


class Accepted(Fact):
    """A branch of the user's moved to a judged commit, or was found to hold what has landed."""

    version: ClassVar[int] = 2
    kind: Literal["Accepted"] = "Accepted"
    target: str
    before: Sha
    """The same as `commit` where it was found: then nothing moved."""
    commit: Sha
    tree: Sha
    heads: tuple[HeadRef, ...]
    """What the commit holds of the run: what it brings, and what the branch had already."""
    said_by: str = ""
    """The agent that said it, as its client names itself; empty: a person."""


class RunCleaned(Fact):
    """The run's refs were removed; what was not accepted is kept aside for a time."""

    kind: Literal["RunCleaned"] = "RunCleaned"
    kept: tuple[str, ...] = ()
    kept_until: float | None = None
