"""How numbers, times and foreign text are put for a person. Light: every view imports it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Literal

Style = Literal["good", "bad", "busy", "ask", "faint", "strong", "plain"]
Paint = Callable[[str, Style], str]
"""Colours a text, or gives it back as it is."""

STATUS_STYLE: dict[str, Style] = {
    "waiting": "faint",
    "ready": "plain",
    "working": "busy",
    "queued": "busy",
    "landed": "good",
    "unchanged": "good",
    "held": "ask",
    "failed": "bad",
    "skipped": "faint",
    "rejected": "faint",
}


def unpainted(text: str, style: Style) -> str:
    """The text as it is: for pipes, files and tests."""
    return text


def duration(seconds: float) -> str:
    """Seconds for a person: `0.4 s`, `12 s`, `3 min 05 s`, `2 h 10 min`."""
    if seconds < 0.05:
        return "0 s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = whole // 60
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


def clock(at: float) -> str:
    """The time of day of a moment, where the reader is."""
    return time.strftime("%H:%M:%S", time.localtime(at))


def day(at: float) -> str:
    """The date and time of a moment, where the reader is."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 task`, `2 tasks`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def money(usd: float) -> str:
    """Dollars for a person: `$1.20`; small sums to the hundredth of a cent, none as nothing."""
    if 0 < usd < 0.0001:
        return "under $0.0001"
    return f"${usd:,.4f}" if 0 < usd < 0.1 else f"${usd:,.2f}"


def tokens(number: int) -> str:
    """`1 token`, `41,200 tokens`."""
    return f"{number:,} token" if number == 1 else f"{number:,} tokens"


def moment(at: float, now: float) -> str:
    """The time of day of a moment, with the date where it is not close."""
    return clock(at) if abs(at - now) < 12 * 3600 else day(at)


def short(sha: str) -> str:
    """The beginning of an object id, enough to type."""
    return sha[:10]


def branch(ref: str) -> str:
    """The name that people type for a branch's ref."""
    return ref.removeprefix("refs/heads/")


def headline(goal: str) -> str:
    """A goal's first line: what follows may be a whole ticket."""
    return next(iter(goal.strip().splitlines()), "")


def foreign(text: str, limit: int = 200) -> str:
    """Text that somebody else wrote, as one line that no terminal obeys."""
    from workers.text import clean_line

    return clean_line(" ".join(text.split()), limit)


def noted(text: str, limit: int = 200) -> str:
    """What somebody else wrote and perhaps a hint below it, in one line with one hint."""
    face, _, below = text.strip().partition("\n")
    hint = below.strip().removeprefix("hint: ") if below.strip().startswith("hint: ") else ""
    if not hint:
        return foreign(text, limit)
    return foreign(face if "(hint: " in face else f"{face} (hint: {hint})", limit)


def listed(names: Iterable[str], at_most: int = 5) -> str:
    """`a, b, c and 4 more`."""
    every = list(names)
    if len(every) <= at_most + 1:
        return ", ".join(every)
    return ", ".join(every[:at_most]) + f" and {len(every) - at_most} more"


def result_branch(run: str) -> str:
    """The run's own branch, as people type it."""
    return f"orch/{run}/result"


def unconfined(mode: str) -> str | None:
    """What a person must know of how little is confined; None where a sandbox confines."""
    match mode:
        case "none":
            return "no sandbox: workers and gates run as you, with your rights"
        case "external":
            return "no sandbox of orch's: what is around it is trusted to confine workers and gates"
        case _:
            return None
