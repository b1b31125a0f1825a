"""What `decide` may order: imperative, each a value. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.events import Event, HeadRef
from ledger.model import Sha, TaskId


@dataclass(frozen=True, slots=True)
class Record:
    """A decision that needs no act: write the fact down."""

    event: Event
    more: tuple[Event, ...] = ()
    """What follows from it, recorded with it or not at all."""


@dataclass(frozen=True, slots=True)
class RunBaseline:
    """Let every gate judge the base."""


@dataclass(frozen=True, slots=True)
class StartAttempt:
    """Give a task to its worker, in a workspace at `base`."""

    task: TaskId
    attempt: int
    base: Sha
    worker: str
    reapply: tuple[Sha, Sha] | None = None
    """The change to bring onto `base` first: the commits that it leads from and to."""
    model: str = ""
    """`provider:model`, for a worker that is a model."""


@dataclass(frozen=True, slots=True)
class BuildCandidate:
    """Merge heads onto the tip, or take landed tasks out of it."""

    candidate: int
    base: Sha
    heads: tuple[HeadRef, ...] = ()
    removes: tuple[TaskId, ...] = ()


@dataclass(frozen=True, slots=True)
class JudgeCandidate:
    """Run the gates on a candidate, cheapest first, stopping at red."""

    candidate: int
    confirms: bool = False
    """Run the red gate again, whatever is known of the tree."""


@dataclass(frozen=True, slots=True)
class JudgeTip:
    """Ask a gate what it says of a tip that somebody else moved."""

    tip: Sha
    gate: str
    confirms: bool = False
    """Run it once more, whatever is known of the tree."""


@dataclass(frozen=True, slots=True)
class EndJudging:
    """Stop judging a candidate whose answer nobody needs any more."""

    candidate: int
    why: str


@dataclass(frozen=True, slots=True)
class LandCandidate:
    """Move the tip from the candidate's base to the candidate."""

    candidate: int


@dataclass(frozen=True, slots=True)
class EndAll:
    """End, in order, all that is under way."""

    why: str


Order = (
    Record
    | RunBaseline
    | StartAttempt
    | BuildCandidate
    | JudgeCandidate
    | JudgeTip
    | EndJudging
    | LandCandidate
    | EndAll
)
