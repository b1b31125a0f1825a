"""A run's state as JSON, so that a reader need not fold everything from the start.

1. A snapshot is a shortcut: without it, or with one of another fold, the state is the same.
2. It is data, never code: whoever can write the ledger's file must not be able to run anything.
3. Indexes are left out and derived again.
"""

from __future__ import annotations

from functools import cache

from pydantic import TypeAdapter, ValidationError

from ledger.state import FOLD_VERSION, RunState, reindex
from ledger.store import Snapshot

INDEXES = {"dependents", "by_status", "ready", "again", "open_candidates"}
EVERY = 1000
"""Facts between two snapshots of a run that goes on."""


@cache
def _adapter() -> TypeAdapter[RunState]:
    return TypeAdapter(RunState)


def take_snapshot(state: RunState) -> Snapshot:
    """The state as it stands."""
    body = _adapter().dump_json(state, exclude=INDEXES, exclude_defaults=True)
    return Snapshot(state.seq, FOLD_VERSION, body)


def restore_snapshot(snapshot: Snapshot) -> RunState | None:
    """The state that a snapshot holds; None for one that this fold cannot use."""
    if snapshot.fold_version != FOLD_VERSION:
        return None
    try:
        state = _adapter().validate_json(snapshot.body)
    except ValidationError:
        return None
    reindex(state)
    return state
