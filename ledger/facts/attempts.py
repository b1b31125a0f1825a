"""What came of each try of a worker, round by round."""

from __future__ import annotations

from typing import Literal

from ledger.facts.base import Fact
from ledger.model import CheckerFinding, Finding, Refusal, Sha, TaskId, Verdict

# --- attempts ---------------------------------------------------------------------------------


class AttemptStarted(Fact):
    """A worker is about to try a task, from a base."""

    kind: Literal["AttemptStarted"] = "AttemptStarted"
    task: TaskId
    attempt: int
    base: Sha
    worker: str
    model: str = ""
    """`provider:model`, where the worker is a model."""


class AttemptPrepared(Fact):
    """The workspace stands and the brief is written."""

    kind: Literal["AttemptPrepared"] = "AttemptPrepared"
    task: TaskId
    attempt: int
    workspace: str
    reapplied: Literal["nothing", "clean", "conflict"] = "nothing"
    """What became of the change of the attempt before."""
    feedback: str | None = None
    """The blob that holds what the worker was told of earlier tries."""
    prepare_s: float = 0.0


class RoundFinished(Fact):
    """The worker ended a round and its change was committed."""

    kind: Literal["RoundFinished"] = "RoundFinished"
    task: TaskId
    attempt: int
    round: int
    commit: Sha | None = None
    """None: nothing changed, or nothing could be committed."""
    tree: Sha | None = None
    change: str = ""
    """A hash of what the changed files hold: the same for the same work on another base."""
    paths: tuple[str, ...] = ()
    """The first of the changed paths."""
    paths_count: int = 0
    outside: tuple[str, ...] = ()
    """Changed paths that the task may not change."""
    refusals: tuple[Refusal, ...] = ()
    worker_outcome: Literal["done", "failed", "timeout", "not-started", "stopped"] = "done"
    exit_code: int | None = None
    why: str = ""
    duration_s: float = 0.0
    log: str | None = None


class RoundGateJudged(Fact):
    """What a check gate said of a round's commit."""

    kind: Literal["RoundGateJudged"] = "RoundGateJudged"
    task: TaskId
    attempt: int
    round: int
    verdict: Verdict


class CheckerJudged(Fact):
    """What a checker said of a round's commit."""

    kind: Literal["CheckerJudged"] = "CheckerJudged"
    task: TaskId
    attempt: int
    round: int
    worker: str
    """The checker's name."""
    model: str
    findings: tuple[CheckerFinding, ...] = ()
    back: tuple[int, ...] = ()
    """Which of the findings send the work back, by their places."""
    blocking: int = 0
    """How many are blocking, also such as send nothing back any more."""
    why: str = ""
    """Why it could not judge; empty where it did."""
    duration_s: float = 0.0
    log: str | None = None


AttemptOutcome = Literal["green", "unchanged", "held", "failed", "lost"]
Cause = Literal[
    "worker",  # it exited with an error, or could not start
    "timeout",
    "check",  # a check gate stayed red
    "checker",  # a checker's blocking finding stayed
    "outside",  # changes outside its paths stayed
    "refused",  # content that may not be committed stayed
    "red",  # a gate was red on the tip plus its head alone
    "conflict",  # its head does not merge with what landed
    "could-not-run",  # a gate could not run on its head, but can on the tip
    "need",  # what it needs was taken out of the result
    "base",  # what it was made on was taken out of the result
    "budget",  # a budget of its own held no further call
    "question",  # it asks a person
]


class AttemptFinished(Fact):
    """The attempt is over."""

    kind: Literal["AttemptFinished"] = "AttemptFinished"
    task: TaskId
    attempt: int
    outcome: AttemptOutcome
    head: Sha | None = None
    tree: Sha | None = None
    cause: Cause | None = None
    why: str = ""
    signature: str = ""
    held_paths: tuple[str, ...] = ()
    """What a person must allow first."""
    leave: tuple[str, ...] = ()
    """Protected paths that it changes by leave."""
    findings: tuple[Finding, ...] = ()
    """The first of what was found in them: weakened tests, added secrets."""
    trouble: bool = False
    """Lost by a trouble of its own; a stop, a deadline or an engine's end is none."""
    duration_s: float = 0.0
