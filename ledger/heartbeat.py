"""The facts of automations, one frozen class each with a version, and their union. Pure values.

1. Each automation has a stream of its own, by its name. It outlives the automation's place in the
   settings, and the runs that it tells of have streams of their own.
2. A *trigger* asks for a start. It is answered in the fact that tells of it: it waits its turn
   (`Triggered`), or does not start (`TriggerSkipped`).
3. A *firing* takes all triggers that wait, and ends when it is settled: after one run, or after as
   many rounds of them as its `until` needs. What it goes by is recorded when it starts.
4. As with the facts of runs: past tense, never taken back, an intent before its effect, and a
   change of a class's meaning raises its `version`.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from ledger.automations import Automation
from ledger.events import NewerFact
from ledger.facts.base import Fact
from ledger.model import RunId, Sha, Value

TriggerCause = Literal["person", "schedule", "watch", "event"]
"""`event`: whatever else happened: new commits, a webhook."""


class Trigger(Value):
    """Something that asks for a start."""

    cause: TriggerCause = "person"
    because: str = ""
    """In words, for a person."""
    due: float | None = None
    """When a schedule wanted it, in seconds since the epoch."""
    paths: tuple[str, ...] = ()
    """The files that a watch has seen."""


# --- automations ------------------------------------------------------------------------------


class Triggered(Fact):
    """A trigger waits its turn."""

    kind: Literal["Triggered"] = "Triggered"
    trigger: Trigger
    not_before: float | None = None
    """It starts no earlier. None: as soon as nothing else of its own goes on."""
    why: str = ""
    """Why it has to wait."""


SkipReason = Literal[
    "going-on",  # a run of its own goes on
    "answered",  # that due time was answered before
    "quiet",  # it is within its quiet hours
    "pause",  # its last start was too short a time ago
    "budget",  # what a day may cost is spent
    "only-if",  # its `only_if` did not exit with 0
    "nothing",  # there is nothing to do
    "failed",  # it could not be started: a person must put something right
]


class TriggerSkipped(Fact):
    """A trigger was answered at once: it starts nothing."""

    kind: Literal["TriggerSkipped"] = "TriggerSkipped"
    trigger: Trigger
    reason: SkipReason
    why: str


class TriggersDropped(Fact):
    """The triggers that waited start nothing after all."""

    kind: Literal["TriggersDropped"] = "TriggersDropped"
    reason: SkipReason
    why: str


class TriggersDeferred(Fact):
    """The triggers that wait could not start yet: they do no earlier than that."""

    kind: Literal["TriggersDeferred"] = "TriggersDeferred"
    not_before: float
    why: str


class FiringStarted(Fact):
    """It starts, by all triggers that waited, and goes by its settings as they are now."""

    kind: Literal["FiringStarted"] = "FiringStarted"
    automation: Automation
    base: Sha
    """What its first run starts from."""
    target: str | None = None
    """The branch that its results are meant for."""
    said: str = ""
    """Why it starts there, where that is not what one would expect."""
    paths: tuple[str, ...] = ()
    because: str = ""
    deadline: float | None = None
    """Seconds since the epoch."""


class FiringResumed(Fact):
    """What a crash or a reboot cut short goes on."""

    kind: Literal["FiringResumed"] = "FiringResumed"
    pid: int
    host: str


class ReplacementRequested(Fact):
    """A newer trigger is to take its place: it ends in order."""

    kind: Literal["ReplacementRequested"] = "ReplacementRequested"
    because: str = ""


class RoundStarted(Fact):
    """A run is about to be started."""

    kind: Literal["RoundStarted"] = "RoundStarted"
    round: int
    base: Sha
    """The firing's base, later the result of the round before."""


class RoundRunStarted(Fact):
    """The round has its run."""

    kind: Literal["RoundRunStarted"] = "RoundRunStarted"
    round: int
    run: RunId


class RoundEnded(Fact):
    """The round's run is finished."""

    kind: Literal["RoundEnded"] = "RoundEnded"
    round: int
    run: RunId
    outcome: str
    exit_code: int
    landed: int
    """How often something landed."""
    result: Sha


class Measured(Fact):
    """A measure said a number of a commit."""

    kind: Literal["Measured"] = "Measured"
    round: int
    """0: before the first run."""
    measure: str
    value: float
    commit: Sha


EndAction = Literal["accept", "push", "pr", "notify"]


class EndActionTaken(Fact):
    """What was to be done with a run's result was done, or could not be."""

    kind: Literal["EndActionTaken"] = "EndActionTaken"
    action: EndAction
    run: RunId
    good: bool
    said: str = ""


FiringOutcome = Literal[
    "done",  # its run is finished, and no `until` asks for more
    "holds",  # its `until` holds
    "no-gain",  # a round brought nothing
    "max-rounds",  # it went round as often as it may
    "budget",  # what it, or a day, may cost is spent
    "deadline",  # its deadline has passed
    "stopped",  # a person asked
    "replaced",  # a newer trigger took its place
    "person-needed",  # its run, or accepting the result, needs a person
    "red-base",  # a gate is not green on what it started from
    "no-space",  # the disk is full
    "not-measured",  # its measure said no number
    "failed",  # it could not be started
]


class FiringSettled(Fact):
    """The firing is over."""

    kind: Literal["FiringSettled"] = "FiringSettled"
    outcome: FiringOutcome
    exit_code: int
    why: str = ""


Beat = Annotated[
    Triggered
    | TriggerSkipped
    | TriggersDropped
    | TriggersDeferred
    | FiringStarted
    | FiringResumed
    | ReplacementRequested
    | RoundStarted
    | RoundRunStarted
    | RoundEnded
    | Measured
    | EndActionTaken
    | FiringSettled,
    Field(discriminator="kind"),
]

BEAT_TYPES: dict[str, type[Fact]] = {
    cls.model_fields["kind"].default: cls for cls in get_args(get_args(Beat)[0])
}


def render_beat(beat: Beat) -> tuple[str, int, str]:
    """The kind, version and JSON body that the store keeps; defaults are left out."""
    body = beat.model_dump_json(exclude_defaults=True, exclude={"kind"})
    return beat.kind, beat.version, body


def parse_beat(kind: str, version: int, body: str) -> Beat:
    """The fact that the store kept; NewerFact for one that this version does not know."""
    known = BEAT_TYPES.get(kind)
    if known is None or version > known.version:
        raise NewerFact(f"fact {kind} version {version} comes from a newer orch")
    return known.model_validate_json(body)  # type: ignore[return-value]
