"""The facts: one frozen class each, with a version, and their union.

1. A fact is in the past tense and never taken back; a later fact may outweigh it.
2. An intent (`...Started`, `...Intended`) is recorded before its effect, the fact after it, so
   what a crash swallowed can be told from the ledger and the repository alone.
3. Facts that a person causes are marked so (`PERSON_FACTS`); they may be appended while an
   engine runs, and they reopen a finished run.
4. A change of a class's meaning raises its `version` and adds an upgrade in `UPGRADES`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field

from ledger.guidance import Guidance
from ledger.model import (
    CheckerFinding,
    Finding,
    Identity,
    Limits,
    Outcome,
    Plan,
    Refusal,
    RunId,
    Settings,
    Sha,
    TaskId,
    Tokens,
    Value,
    Verdict,
)


class Fact(Value):
    """What every fact has: its kind in the body, its version beside it."""

    version: ClassVar[int] = 1


class HeadRef(Value):
    """The head of one attempt at one task."""

    task: TaskId
    attempt: int


class Estimates(Value):
    """What the history of the ledger said when the run started."""

    failure_rate: float = 0.1
    """Share of queued heads that were blamed."""
    heads_judged: int = 0
    """How many heads it was learnt from; with few of them it is mostly assumed."""
    attempt_s: float = 60.0
    attempt_s_by_worker: dict[str, float] = Field(default_factory=dict)
    gate_s: dict[str, float] = Field(default_factory=dict)


# --- the run ----------------------------------------------------------------------------------


class RunStarted(Fact):
    """All that the run was told: nothing of it is read again later."""

    kind: Literal["RunStarted"] = "RunStarted"
    run: RunId
    plan: Plan
    settings: Settings
    base: Sha
    base_tree: Sha
    target: str | None = None
    """The branch that the run started from, absent for a detached HEAD."""
    identity: Identity
    signs: bool = False
    rules: str = ""
    guidance: Guidance = Guidance()
    """The AGENTS.md files and skills of the repository, by hash."""
    excludes: str = ""
    """The user's global excludes, as text."""
    platform: str = ""
    """What verdicts depend on beside the tree: operating system, machine, tools."""
    estimates: Estimates = Estimates()
    allow_red_base: bool = False
    accept: bool = False
    """Accept into the target when all landed."""
    unattended: bool = False
    """Nobody will answer while it goes on: what would need that ends it."""
    orch_version: str = ""


class EngineStarted(Fact):
    """An engine took the run's lock; what an earlier one had under way is lost."""

    kind: Literal["EngineStarted"] = "EngineStarted"
    pid: int
    host: str


class LimitsChanged(Fact):
    """A person gave the run other limits."""

    kind: Literal["LimitsChanged"] = "LimitsChanged"
    limits: Limits


class StopRequested(Fact):
    """Somebody wants the run to end in order."""

    kind: Literal["StopRequested"] = "StopRequested"
    why: str = "a person asked"


RunOutcome = Literal[
    "complete",
    "stopped",
    "deadline",
    "red-base",
    "person-needed",
    "no-space",
    "budget",  # what is left to do may cost no more
]


class RunFinished(Fact):
    """Nothing is left to do, or nothing may be done."""

    kind: Literal["RunFinished"] = "RunFinished"
    outcome: RunOutcome
    exit_code: int
    why: str = ""


class Noticed(Fact):
    """Something a person should know; nothing depends on it."""

    kind: Literal["Noticed"] = "Noticed"
    what: str
    hint: str = ""
    task: TaskId | None = None


# --- the baseline -----------------------------------------------------------------------------


class BaselineStarted(Fact):
    """Every gate is about to judge the base."""

    kind: Literal["BaselineStarted"] = "BaselineStarted"


class BaselineGateJudged(Fact):
    """What one gate said of the base."""

    kind: Literal["BaselineGateJudged"] = "BaselineGateJudged"
    verdict: Verdict


class BaselineFinished(Fact):
    """Every gate has judged the base."""

    kind: Literal["BaselineFinished"] = "BaselineFinished"


class BaselineLost(Fact):
    """The baseline did not end; it is to be run again."""

    kind: Literal["BaselineLost"] = "BaselineLost"
    why: str


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


# --- models -----------------------------------------------------------------------------------


class CallReserved(Fact):
    """A model call was about to leave; until it is settled, the worst that it may cost is spent."""

    kind: Literal["CallReserved"] = "CallReserved"
    call: int
    task: TaskId
    attempt: int
    worker: str
    """Who calls: the task's worker, or the checker."""
    provider: str
    model: str
    tokens: int
    cost_usd: float | None = None
    """None: the price is not known."""


class CallSettled(Fact):
    """A model call came to this."""

    kind: Literal["CallSettled"] = "CallSettled"
    call: int
    tokens: Tokens | None = None
    """None: nobody knows, and the worst counts."""
    cost_usd: float | None = None


class BudgetReached(Fact):
    """A model call did not leave, since a budget would not hold it."""

    kind: Literal["BudgetReached"] = "BudgetReached"
    task: TaskId
    attempt: int
    scope: Literal["call", "attempt", "task", "run"]
    why: str


class ProviderPaused(Fact):
    """A provider's limit lasts: calls to it wait until then."""

    kind: Literal["ProviderPaused"] = "ProviderPaused"
    provider: str
    until: float | None = None
    """Seconds since the epoch; None: it is over."""


# --- the queue --------------------------------------------------------------------------------


class CandidateBuilt(Fact):
    """Queued heads were merged onto the tip, or landed ones taken out of it."""

    kind: Literal["CandidateBuilt"] = "CandidateBuilt"
    candidate: int
    base: Sha
    heads: tuple[HeadRef, ...] = ()
    removes: tuple[TaskId, ...] = ()
    commit: Sha
    tree: Sha


class PrefixCut(Fact):
    """The head at that place merges with what landed, but not with the heads before it."""

    kind: Literal["PrefixCut"] = "PrefixCut"
    length: int
    paths: tuple[str, ...] = ()


class JudgingStarted(Fact):
    """Every gate is about to judge a candidate."""

    kind: Literal["JudgingStarted"] = "JudgingStarted"
    candidate: int
    confirms: bool = False
    """The red gate runs once more, whatever is known of the tree."""


class CandidateGateJudged(Fact):
    """What one gate said of a candidate."""

    kind: Literal["CandidateGateJudged"] = "CandidateGateJudged"
    candidate: int
    verdict: Verdict


class CandidateJudged(Fact):
    """All gates passed, or the first that did not."""

    kind: Literal["CandidateJudged"] = "CandidateJudged"
    candidate: int
    outcome: Outcome
    gate: str | None = None


class CandidateDropped(Fact):
    """Its judging did not end, or nobody needs its answer any more."""

    kind: Literal["CandidateDropped"] = "CandidateDropped"
    candidate: int
    why: str


class LandingIntended(Fact):
    """The tip is about to move to a candidate."""

    kind: Literal["LandingIntended"] = "LandingIntended"
    candidate: int


class Landed(Fact):
    """The tip moved to a judged candidate."""

    kind: Literal["Landed"] = "Landed"
    candidate: int


class CandidateStale(Fact):
    """The tip had moved: nobody's fault, build again."""

    kind: Literal["CandidateStale"] = "CandidateStale"
    candidate: int
    tip: Sha
    tip_tree: Sha
    without: tuple[Sha, ...] = ()
    """Commits that the tip was moved to before, and does not hold any more."""


class HeadSentBack(Fact):
    """A queued head goes back to its worker, or to a person."""

    kind: Literal["HeadSentBack"] = "HeadSentBack"
    task: TaskId
    attempt: int
    cause: Cause
    candidate: int | None = None
    why: str = ""
    paths: tuple[str, ...] = ()
    signature: str = ""
    charged: bool = True
    """Whether it uses up an attempt."""


class FlakeSeen(Fact):
    """A gate was red, then green, on the same tree."""

    kind: Literal["FlakeSeen"] = "FlakeSeen"
    gate: str
    tree: Sha
    candidate: int | None = None
    tests: tuple[str, ...] = ()
    """The tests that were red; where they have no names, what was said of them."""
    lines: tuple[str, ...] = ()


# --- a tip that somebody else moved -----------------------------------------------------------


class TipMoved(Fact):
    """Somebody else had moved the tip: found by an engine that looked."""

    kind: Literal["TipMoved"] = "TipMoved"
    tip: Sha
    tip_tree: Sha
    without: tuple[Sha, ...] = ()
    """Commits that the tip was moved to before, and does not hold any more."""


class TipJudgingStarted(Fact):
    """A gate is about to judge a tip that somebody else moved, before it blames anybody there."""

    kind: Literal["TipJudgingStarted"] = "TipJudgingStarted"
    tip: Sha
    gate: str
    confirms: bool = False
    """It runs once more, whatever is known of the tree."""


class TipGateJudged(Fact):
    """What the gate said of that tip."""

    kind: Literal["TipGateJudged"] = "TipGateJudged"
    tip: Sha
    verdict: Verdict


class TipJudgingLost(Fact):
    """The judging of the tip did not end; it is to be done again, if it is needed still."""

    kind: Literal["TipJudgingLost"] = "TipJudgingLost"
    why: str


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
    """A person lets a task change a protected path, or lose tests (`fewer-tests`)."""

    kind: Literal["PathAllowed"] = "PathAllowed"
    task: TaskId
    path: str


class RetryRequested(Fact):
    """A person wants another try, with something to say about it."""

    kind: Literal["RetryRequested"] = "RetryRequested"
    task: TaskId
    note: str = ""


class QuestionAnswered(Fact):
    """A person answered what an attempt had asked."""

    kind: Literal["QuestionAnswered"] = "QuestionAnswered"
    task: TaskId
    answer: str


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


class RunCleaned(Fact):
    """The run's refs were removed; what was not accepted is kept aside for a time."""

    kind: Literal["RunCleaned"] = "RunCleaned"
    kept: tuple[str, ...] = ()
    kept_until: float | None = None


Event = Annotated[
    RunStarted
    | EngineStarted
    | LimitsChanged
    | StopRequested
    | RunFinished
    | Noticed
    | BaselineStarted
    | BaselineGateJudged
    | BaselineFinished
    | BaselineLost
    | AttemptStarted
    | AttemptPrepared
    | RoundFinished
    | RoundGateJudged
    | CheckerJudged
    | AttemptFinished
    | CallReserved
    | CallSettled
    | BudgetReached
    | ProviderPaused
    | CandidateBuilt
    | PrefixCut
    | JudgingStarted
    | CandidateGateJudged
    | CandidateJudged
    | CandidateDropped
    | LandingIntended
    | Landed
    | CandidateStale
    | HeadSentBack
    | FlakeSeen
    | TipMoved
    | TipJudgingStarted
    | TipGateJudged
    | TipJudgingLost
    | TaskGivenUp
    | TaskHeld
    | PathAllowed
    | RetryRequested
    | QuestionAnswered
    | TaskTaken
    | HeadSubmitted
    | RejectRequested
    | RejectRefused
    | AcceptIntended
    | AcceptGateJudged
    | Accepted
    | RunCleaned,
    Field(discriminator="kind"),
]

EVENT_TYPES: dict[str, type[Fact]] = {
    cls.model_fields["kind"].default: cls for cls in get_args(get_args(Event)[0])
}

PERSON_FACTS = (
    LimitsChanged,
    StopRequested,
    PathAllowed,
    RetryRequested,
    QuestionAnswered,
    TaskTaken,
    HeadSubmitted,
    RejectRequested,
    AcceptIntended,
    AcceptGateJudged,
    Accepted,
    RunCleaned,
)

OF_THEN = 0
"""The attempt in facts that named a task only: whichever head of it stood in the result then."""


def _heads_for_tasks(body: dict[str, Any]) -> dict[str, Any]:
    rest = {key: value for key, value in body.items() if key != "tasks"}
    return rest | {"heads": [{"task": task, "attempt": OF_THEN} for task in body["tasks"]]}


UPGRADES: Mapping[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]] = {
    ("AcceptIntended", 1): _heads_for_tasks,
    ("Accepted", 1): _heads_for_tasks,
}
"""(kind, version) -> a function that turns that version's body into the next one's."""


class NewerFact(ValueError):
    """A fact that a newer orch wrote: what it means is not known here."""


def render_event(event: Event) -> tuple[str, int, str]:
    """The kind, version and JSON body that the store keeps; defaults are left out."""
    body = event.model_dump_json(exclude_defaults=True, exclude={"kind"})
    return event.kind, event.version, body


def parse_event(kind: str, version: int, body: str) -> Event:
    """The fact that the store kept.

    NewerFact for one that this version does not know, ValueError for one that makes no sense.
    """
    known = EVENT_TYPES.get(kind)
    if known is None or version > known.version:
        raise NewerFact(f"event {kind} version {version} comes from a newer orch")
    if version == known.version:
        return known.model_validate_json(body)  # type: ignore[return-value]
    fields = json.loads(body)
    try:
        for step in range(version, known.version):
            fields = UPGRADES[kind, step](fields)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"event {kind} version {version} makes no sense: {body[:200]}") from error
    return known.model_validate(fields)  # type: ignore[return-value]
