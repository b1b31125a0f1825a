"""What an `until` says, and what a number that was measured means to it. Pure.

1. An `until` is the name of a measure, a comparison and a number: `coverage >= 90`.
2. The *error* of a value is how far it is from where the `until` holds: never below zero, and zero
   where a strict comparison just fails to hold.
3. What a command printed is read in its last line that says anything: the last number there. A
   number stands alone: digits within a word, a version or a date are none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Comparison = Literal[">=", "<=", ">", "<", "=="]
_UNTIL = re.compile(r"\s*([A-Za-z0-9_-]+)\s*(>=|<=|==|>|<)\s*([+-]?\d+(?:\.\d+)?)\s*")
_NUMBER = re.compile(
    r"(?<![\w.+-])[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w-]|\.\w)"
)


@dataclass(frozen=True, slots=True)
class Until:
    """The goal of a measure."""

    measure: str
    comparison: Comparison
    goal: float

    def holds(self, value: float) -> bool:
        """Whether a value is where it should be."""
        match self.comparison:
            case ">=":
                return value >= self.goal
            case "<=":
                return value <= self.goal
            case ">":
                return value > self.goal
            case "<":
                return value < self.goal
            case "==":
                return value == self.goal

    def error(self, value: float) -> float:
        """How far a value is from there."""
        match self.comparison:
            case ">=" | ">":
                return max(0.0, self.goal - value)
            case "<=" | "<":
                return max(0.0, value - self.goal)
            case "==":
                return abs(value - self.goal)

    def nearer(self, value: float, before: float) -> bool:
        """Whether a value is nearer to it than the one before."""
        if self.holds(value) != self.holds(before):
            return self.holds(value)
        return self.error(value) < self.error(before)


def parse_until(text: str) -> Until | None:
    """The goal in a text; None where it is none."""
    found = _UNTIL.fullmatch(text)
    if found is None:
        return None
    measure, comparison, goal = found.groups()
    return Until(measure, comparison, float(goal))  # type: ignore[arg-type]


def number_in(lines: Iterable[str]) -> float | None:
    """The last number in the last line that says anything; None where it holds none."""
    last = next((line for line in reversed(list(lines)) if line.strip()), "")
    found = _NUMBER.findall(last)
    if not found:
        return None
    value = float(found[-1].replace(",", ""))
    return value if math.isfinite(value) else None


def said_of_number(value: float) -> str:
    """A number for a person: `91`, `90.5`."""
    return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.0f}"
