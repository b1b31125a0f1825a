"""Exact replacement in a text, and how to say why it is not possible. Pure.

1. What is to be replaced stands in the text exactly as often as was said, or nothing changes.
2. Not found: the lines that are most like it are shown, and what differs where that is blanks.
3. Found more often: the lines where, so that more of the text around one can be given.
4. A text all of whose lines end in CRLF is edited as if they ended in LF, and keeps its ends.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

LINES_COMPARED = 20_000
AROUND = 2
LIKE = 0.55
"""Less alike than this, lines are not worth showing."""


@dataclass(frozen=True)
class Replaced:
    """A text after a replacement, and the first line of each place, from 1."""

    text: str
    lines: tuple[int, ...]


class NotReplaced(ValueError):
    """Nothing was changed; the message is for the model."""


def replace_exactly(text: str, old: str, new: str, count: int = 1) -> Replaced:
    """Replace `old`, which must stand there `count` times. NotReplaced says why not."""
    if not old:
        raise NotReplaced("'old' is empty: give the text to be replaced, or use `write`")
    if old == new:
        raise NotReplaced("'old' and 'new' are the same: nothing would change")
    if count < 1:
        raise NotReplaced("'count' says how often 'old' is to be replaced: at least 1")
    crlf = 0 < text.count("\r\n") == text.count("\n")
    if crlf:
        text, old, new = (one.replace("\r\n", "\n") for one in (text, old, new))
    places = _places(text, old)
    lines = tuple(text.count("\n", 0, place) + 1 for place in places)
    if not places:
        raise NotReplaced(_not_found(text, old))
    if len(places) != count:
        at = ", ".join(map(str, lines[:10])) + (" ..." if len(lines) > 10 else "")
        raise NotReplaced(
            f"'old' stands there {len(places)} times, not {count}: at line {at}. Give more of the"
            f" text around the place that you mean, or count={len(places)} for all of them"
        )
    changed = text.replace(old, new)
    return Replaced(changed.replace("\n", "\r\n") if crlf else changed, lines)


def numbered(lines: list[str], first: int) -> str:
    """Lines with their numbers, as `read` shows them."""
    width = len(str(first + len(lines)))
    return "\n".join(f"{first + n:>{width}}| {line}" for n, line in enumerate(lines))


def _places(text: str, old: str) -> list[int]:
    found, at = [], text.find(old)
    while at >= 0:
        found.append(at)
        at = text.find(old, at + len(old))
    return found


def _not_found(text: str, old: str) -> str:
    lines, wanted = text.splitlines()[:LINES_COMPARED], old.strip("\n").splitlines() or [old]
    blank = [line.split() for line in lines]
    same = [line.split() for line in wanted]
    for at in range(len(lines) - len(wanted) + 1):
        if blank[at : at + len(wanted)] == same and any(same):
            shown = numbered(lines[at : at + len(wanted)][:40], at + 1)
            return (
                "'old' is not in the file. These lines differ from it in blanks only; copy them"
                f" exactly, without the numbers:\n{shown}"
            )
    nearest, likeness = _nearest(lines, wanted)
    if likeness < LIKE:
        return "'old' is not in the file, nor anything like it: `read` the file again"
    first = max(0, nearest - AROUND)
    shown = numbered(lines[first : nearest + min(len(wanted), 30) + AROUND], first + 1)
    return f"'old' is not in the file. The nearest lines are:\n{shown}"


def _nearest(lines: list[str], wanted: list[str]) -> tuple[int, float]:
    """Where the lines are that are most like the longest of those wanted, and how alike."""
    longest = max(range(len(wanted)), key=lambda number: len(wanted[number].strip()))
    matcher = difflib.SequenceMatcher(None, "", wanted[longest].strip(), autojunk=False)
    best, likeness = 0, 0.0
    for number, line in enumerate(lines):
        matcher.set_seq1(line.strip()[:500])
        if matcher.real_quick_ratio() > likeness and matcher.quick_ratio() > likeness:
            ratio = matcher.ratio()
            if ratio > likeness:
                best, likeness = number, ratio
    return max(0, best - longest), likeness
