"""How heads were merged, judged and landed, and who moved the tip meanwhile."""

from __future__ import annotations

from typing import Literal

from ledger.facts.attempts import Cause
from ledger.facts.base import Fact, HeadRef
from ledger.model import Outcome, Sha, TaskId, Verdict

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
