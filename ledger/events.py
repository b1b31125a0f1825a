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
from typing import Annotated, Any, get_args

from pydantic import Field

from ledger.facts.attempts import (
    AttemptFinished,
    AttemptOutcome,
    AttemptPrepared,
    AttemptStarted,
    Cause,
    CheckerJudged,
    RoundFinished,
    RoundGateJudged,
)
from ledger.facts.base import (
    Fact,
    HeadRef,
)
from ledger.facts.forges import (
    PullRequestIntended,
    PullRequestOpened,
    PullRequestUpdated,
    Pushed,
    PushIntended,
)
from ledger.facts.models import (
    BudgetReached,
    CallReserved,
    CallSettled,
    ProviderPaused,
)
from ledger.facts.persons import (
    Accepted,
    AcceptGateJudged,
    AcceptIntended,
    HeadSubmitted,
    PathAllowed,
    QuestionAnswered,
    RejectRefused,
    RejectRequested,
    RetryRequested,
    RunCleaned,
    TaskGivenUp,
    TaskHeld,
    TaskRejected,
    TaskTaken,
)
from ledger.facts.queue import (
    CandidateBuilt,
    CandidateDropped,
    CandidateGateJudged,
    CandidateJudged,
    CandidateStale,
    FlakeSeen,
    HeadSentBack,
    JudgingStarted,
    Landed,
    LandingIntended,
    PrefixCut,
    TipGateJudged,
    TipJudgingLost,
    TipJudgingStarted,
    TipMoved,
)
from ledger.facts.run import (
    BaselineFinished,
    BaselineGateJudged,
    BaselineLost,
    BaselineStarted,
    EngineStarted,
    Estimates,
    LimitsChanged,
    Noticed,
    Notified,
    RunFinished,
    RunOutcome,
    RunStarted,
    StopRequested,
)
from ledger.facts.servers import McpToolCalled

__all__ = [
    "EVENT_TYPES",
    "OF_THEN",
    "PERSON_FACTS",
    "UPGRADES",
    "AcceptGateJudged",
    "AcceptIntended",
    "Accepted",
    "AttemptFinished",
    "AttemptOutcome",
    "AttemptPrepared",
    "AttemptStarted",
    "BaselineFinished",
    "BaselineGateJudged",
    "BaselineLost",
    "BaselineStarted",
    "BudgetReached",
    "CallReserved",
    "CallSettled",
    "CandidateBuilt",
    "CandidateDropped",
    "CandidateGateJudged",
    "CandidateJudged",
    "CandidateStale",
    "Cause",
    "CheckerJudged",
    "EngineStarted",
    "Estimates",
    "Event",
    "Fact",
    "FlakeSeen",
    "HeadRef",
    "HeadSentBack",
    "HeadSubmitted",
    "JudgingStarted",
    "Landed",
    "LandingIntended",
    "LimitsChanged",
    "McpToolCalled",
    "NewerFact",
    "Noticed",
    "Notified",
    "PathAllowed",
    "PrefixCut",
    "ProviderPaused",
    "PullRequestIntended",
    "PullRequestOpened",
    "PullRequestUpdated",
    "PushIntended",
    "Pushed",
    "QuestionAnswered",
    "RejectRefused",
    "RejectRequested",
    "RetryRequested",
    "RoundFinished",
    "RoundGateJudged",
    "RunCleaned",
    "RunFinished",
    "RunOutcome",
    "RunStarted",
    "StopRequested",
    "TaskGivenUp",
    "TaskHeld",
    "TaskRejected",
    "TaskTaken",
    "TipGateJudged",
    "TipJudgingLost",
    "TipJudgingStarted",
    "TipMoved",
    "parse_event",
    "render_event",
]

Event = Annotated[
    RunStarted
    | EngineStarted
    | LimitsChanged
    | StopRequested
    | RunFinished
    | Notified
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
    | McpToolCalled
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
    | TaskRejected
    | RejectRefused
    | AcceptIntended
    | AcceptGateJudged
    | Accepted
    | PushIntended
    | Pushed
    | PullRequestIntended
    | PullRequestOpened
    | PullRequestUpdated
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
    TaskRejected,
    AcceptIntended,
    AcceptGateJudged,
    Accepted,
    PushIntended,
    Pushed,
    PullRequestIntended,
    PullRequestOpened,
    PullRequestUpdated,
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
