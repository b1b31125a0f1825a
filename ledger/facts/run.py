"""How a run begins and ends, and what its gates said of the base."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ledger.facts.base import Fact
from ledger.guidance import Guidance
from ledger.model import Identity, Limits, Plan, RunId, Settings, Sha, TaskId, Value, Verdict

# --- the run ----------------------------------------------------------------------------------


class Estimates(Value):
    """What the history of the ledger said when the run started."""

    failure_rate: float = 0.1
    """Share of queued heads that were blamed."""
    heads_judged: int = 0
    """How many heads it was learnt from; with few of them it is mostly assumed."""
    attempt_s: float = 60.0
    attempt_s_by_worker: dict[str, float] = Field(default_factory=dict)
    gate_s: dict[str, float] = Field(default_factory=dict)


class RunStarted(Fact):
    """All that the run was told: nothing of it is read again later."""

    kind: Literal["RunStarted"] = "RunStarted"
    run: RunId
    plan: Plan
    settings: Settings
    base: Sha
    base_tree: Sha
    target: str | None = None
    """The branch of a person's that the run started from, absent for a detached HEAD."""
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
    """Accept when all landed: into `into`, or, attended, into the target."""
    into: str = ""
    """The branch that it may accept into by itself."""
    notify: bool = False
    """Tell a person how it ended, as the settings say."""
    unattended: bool = False
    """Nobody will answer while it goes on: what would need that ends it."""
    deliver: Literal["", "push", "pr"] = ""
    """What becomes of the result when the run has ended: pushed, or opened as a pull request."""
    automation: str = ""
    """What started it; empty: a person."""
    started_by: str = ""
    """The agent that started it for a person, as its client names itself; empty: none did."""
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


class Notified(Fact):
    """A person was told how the run ended, or was not to be reached."""

    kind: Literal["Notified"] = "Notified"
    said: str
    """The message's first line."""
    ways: tuple[str, ...] = ()
    """By which of `command`, `webhook` and `bell` it went out."""
    failed: tuple[str, ...] = ()
    """Why it did not by others."""


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
