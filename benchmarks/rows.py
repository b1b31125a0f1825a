"""One line of a benchmark's table: what was measured, against what, and whether that is enough."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """Both sides measured in turn, in one run, on one machine."""

    name: str
    measured: str
    """With its unit, for a person."""
    against: str
    """The alternative or the bound, with its unit."""
    ratio: float
    target: float
    """The ratio may be at most this."""
    ok: bool


def print_table(rows: Iterable[Row]) -> None:
    """Prints the rows as one table."""
    head = ("what", "measured", "against", "ratio", "target", "")
    lines = [head]
    for row in rows:
        ratio, target = f"{row.ratio:.4g}", f"{row.target:.4g}"
        lines.append((row.name, row.measured, row.against, ratio, target, _mark(row.ok)))
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        )


def _mark(ok: bool) -> str:
    return "ok" if ok else "MISSED"
