"""The series of a measure, drawn: how far it is from its goal, and how that shrinks. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.policy.until import said_of_number
from orchestrator.review.words import Paint, unpainted

BAR_CHARS = 30
LINES_AT_MOST = 12
"""The first and the newest of a longer series."""

Point = tuple[int, float, float]
"""Round (0: before the first), value, error."""


def render_series(until: str, points: Sequence[Point], paint: Paint = unpainted) -> list[str]:
    """A line for each round: its value, what is left to go, a bar as long as that."""
    if not points:
        return [f"until {until}: not measured yet"]
    worst = max(error for _, _, error in points) or 1.0
    shown = list(points)
    if len(shown) > LINES_AT_MOST:
        shown = [shown[0], *shown[-LINES_AT_MOST + 1 :]]
    names = ["before" if number == 0 else f"round {number}" for number, _, _ in shown]
    values = [said_of_number(value) for _, value, _ in shown]
    to_go = [f"{said_of_number(error)} to go" if error else "there" for _, _, error in shown]
    widths = [max(map(len, column)) for column in (names, values, to_go)]
    lines = [f"until {until}"]
    rows = zip(shown, names, values, to_go, strict=True)
    for place, ((_, _, error), name, value, left) in enumerate(rows):
        if place == 1 and len(shown) < len(points):
            lines.append(f"  ... {len(points) - len(shown)} more")
        bar = "#" * max(1, round(BAR_CHARS * error / worst)) if error else ""
        text = f"{name:<{widths[0]}}  {value:>{widths[1]}}  {left:<{widths[2]}}  {bar}".rstrip()
        lines.append(f"  {paint(text, 'plain' if error else 'good')}")
    return lines
