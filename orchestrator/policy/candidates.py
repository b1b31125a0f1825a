"""What several rules ask of a run's candidates. Pure."""

from __future__ import annotations

from ledger.events import HeadRef
from ledger.state import CandidateState, RunState
from orchestrator.policy.orders import BuildCandidate


def still_open(state: RunState) -> list[CandidateState]:
    """The candidates that something may still come of."""
    return [state.candidates[number] for number in state.open_candidates]


def free_slots(state: RunState) -> int:
    """Free gate slots; a baseline that is not known has one or is about to take one."""
    judging = sum(c.status == "judging" for c in still_open(state))
    judging += state.tip_judging is not None
    return state.limits.gates_parallel - judging - (state.baseline in ("unknown", "running"))


def build_prefix(state: RunState, heads: tuple[HeadRef, ...]) -> BuildCandidate:
    """The order to merge these heads onto the tip."""
    return BuildCandidate(len(state.candidates) + 1, state.tip, heads)


def is_confirmed(state: RunState, candidate: CandidateState) -> bool:
    """Whether what was not green on its tree was so twice."""
    record = state.trees.get(candidate.built.tree)
    return bool(record and record.confirmed)
