"""What is said of how a run's target stands to its result. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.review.markdown import code
from orchestrator.review.words import branch, count, listed

if TYPE_CHECKING:
    from orchestrator.target import TargetNow

PATHS = 5


def said_of_target(now: TargetNow) -> str:
    """A line in Markdown."""
    name = code(branch(now.target))
    moved = f"{name} has gone on by {count(now.ahead, 'commit')}" if now.ahead else ""
    match now.how:
        case "holds":
            return f"{name} has all of it"
        case "merges":
            return f"{moved}; the result merges with it" if moved else f"{name} has not moved"
        case "conflicts":
            paths = listed((code(path) for path in now.paths), PATHS)
            return f"{moved or name} and **conflicts** with the result: {paths}"
        case "gone":
            return f"{name} is not there any more"
        case "unknown":
            return f"how {name} stands to the result could not be told"
