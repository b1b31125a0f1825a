"""What policy needs to know of the world, as a value. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Now:
    """A moment: what time it is, and how much room there is."""

    at: float
    """Seconds since the epoch."""
    free_gb: float = float("inf")
    resting: int = 0
    """Attempts under way whose worker is done for now: they are committed and checked."""
