"""For how long engines drove a run: pauses, and waiting for a person, do not count. Pure, but for
one look into the ledger.

1. From each start of an engine to the run's end; where it was killed, to the last that it did.
2. What a person does meanwhile is no sign of an engine.
3. A run that one engine drove from its start to its end needs no look.
4. A clock that was set back meanwhile takes nothing away: the time up to then and after it count.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ledger.model import RunId
from ledger.state import RunState
from ledger.store import Store

PERSONAL = frozenset(
    {
        *("LimitsChanged", "StopRequested", "PathAllowed", "RetryRequested", "TaskTaken"),
        *("HeadSubmitted", "RejectRequested", "AcceptIntended", "AcceptGateJudged", "Accepted"),
        *("TaskRejected", "RunCleaned"),
    }
)
"""Facts that commands record, with or without an engine."""


@dataclass(frozen=True, slots=True)
class Driven:
    """The time in which engines drove a run."""

    spent_s: float
    """Of engines that are gone."""
    since: float | None = None
    """When the one that drives it now began."""

    def until(self, now: float) -> float:
        """Seconds altogether."""
        return self.spent_s + (max(0.0, now - self.since) if self.since is not None else 0.0)


def driven(store: Store, run: RunId, state: RunState, alive: bool) -> Driven:
    """For how long engines drove a run."""
    if state.engines <= 1:
        if state.finished_at is not None and state.finished_at >= state.started_at:
            return Driven(state.finished_at - state.started_at)
        if alive:
            return Driven(0.0, state.started_at)
    return add_up(((row.kind, row.at) for row in store.read(run)), alive)


def add_up(facts: Iterable[tuple[str, float]], alive: bool) -> Driven:
    """The sum over facts in order: each one's kind and when it was recorded."""
    spent_s = this_s = began = 0.0
    last: float | None = None
    for kind, at in facts:
        if kind == "EngineStarted":
            spent_s, this_s = spent_s + this_s, 0.0
            began = last = at
        elif last is not None and kind not in PERSONAL:
            this_s += max(0.0, at - last)
            last = None if kind == "RunFinished" else at
    if last is None or not alive:
        return Driven(spent_s + this_s)
    return Driven(spent_s, began)
