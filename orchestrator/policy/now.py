"""What policy needs to know of the world, as a value. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.model import TaskId


@dataclass(frozen=True, slots=True)
class Now:
    """A moment: what time it is, and how much room there is."""

    at: float
    """Seconds since the epoch."""
    free_gb: float = float("inf")
    resting: int = 0
    """Attempts under way whose worker is done for now: they are committed and checked."""
    only: frozenset[TaskId] | None = None
    """The tasks that may start, where a replay keeps to a record's course; None: any."""
