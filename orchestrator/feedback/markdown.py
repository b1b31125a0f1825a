"""Lists, names and fences that no printed text can break out of. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from workers.text import clean_line, printable

PATHS_SHOWN = 20


def listed(head: str, items: Sequence[str], count: int) -> str:
    """A head and a list, as many items as are worth showing."""
    shown = list(items[:PATHS_SHOWN])
    more = [f"and {count - len(shown)} more"] if count > len(shown) else []
    return "\n".join([head, *(f"- {item}" for item in [*shown, *more])])


def code(text: str) -> str:
    """A name as code, whatever characters it holds."""
    text = clean_line(text, 200) or " "
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f"{fence}{text}{fence}" if len(fence) == 1 else f"{fence} {text} {fence}"


def fenced(lines: Sequence[str], language: str = "text") -> str:
    """Lines in a fence longer than any fence in them."""
    text = "\n".join(lines)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def bounded(text: str, limit: int) -> str:
    """At most so many characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def render_patch(patch: str, limit: int) -> str:
    """The patch in whole files, as many as fit."""
    text = printable(patch)
    head = "## Your earlier change, as a patch\n\n"
    if len(text) > limit - 200:
        cut = text[: max(0, limit - 200)]
        kept = "".join(re.split(r"(?m)^(?=diff --git )", cut)[:-1])
        total = len(re.findall(r"(?m)^diff --git ", text))
        shown = len(re.findall(r"(?m)^diff --git ", kept))
        head += f"It is too long to be shown whole: {shown} of its {total} or more files.\n\n"
        text = kept
    return head + fenced(text.splitlines(), "diff") if text.strip() else head.rstrip()
