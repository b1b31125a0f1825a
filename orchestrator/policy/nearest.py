"""The known word that a person most likely meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word closest to `word`, or None where nothing is close."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def listed(names: Iterable[str], at_most: int = 8) -> str:
    """Names for a sentence: `a, b, c and 12 more`; `none` where there are none."""
    every = list(names)
    if not every:
        return "none"
    shown = ", ".join(every[:at_most])
    return shown if len(every) <= at_most else f"{shown} and {len(every) - at_most} more"
