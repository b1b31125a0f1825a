"""Markdown of ours, with text of others in it that does nothing. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from orchestrator.review.advice import Step
from orchestrator.review.words import foreign

_SPECIAL = re.compile(r"[\\`*_{}\[\]<>#|~$&]")
_LINKED = re.compile(r"@|[#!](?=\d)|gh(?=-\d)|:(?=//)|www(?=\.)", re.IGNORECASE)


def escaped(text: str, limit: int = 200) -> str:
    """Foreign text as Markdown that shows it and does nothing."""
    return unlinked(_SPECIAL.sub(r"\\\g<0>", foreign(text, limit)))


def unlinked(text: str) -> str:
    """A text in which forges find no names, numbers (which "fixes" would close) and addresses."""
    # They look in the text that is shown: only a character between helps.
    return _LINKED.sub("\\g<0>\u200b", text)


def code(text: str, limit: int = 200) -> str:
    """Foreign text as a code span, with a fence longer than any run of backticks in it."""
    clean = foreign(text, limit)
    longest = max((len(run) for run in re.findall("`+", clean)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if clean.startswith("`") or clean.endswith("`") else ""
    return f"{fence}{pad}{clean}{pad}{fence}" if clean else ""


def section(title: str, entries: Sequence[str]) -> str:
    """A heading and what is below it; nothing where there is nothing."""
    return f"## {title}\n\n" + "\n".join(entries) if entries else ""


def commands(steps: Iterable[Step]) -> str:
    """What to type next, and why; nothing where there is nothing to do."""
    rows = [f"{step.command}    # {step.why}" for step in steps]
    return "## Type next\n\n```sh\n" + "\n".join(rows) + "\n```" if rows else ""
