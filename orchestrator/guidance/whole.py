"""What the repository says, for whoever plans: all of it, since no task has its paths yet.

1. The top's comes first, those of folders after it, the upper ones first, while there is room:
   `AGENTS.md`, or `CLAUDE.md` where a folder has none, as workers are told them.
2. What has no room is named, so that it can be read where the work turns out to be.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from orchestrator.guidance.finding import TEXT_BYTES, Found, find_texts, read_bounded
from orchestrator.guidance.telling import TEXT_CHARS
from workers.text import clean_line, printable

NAMED = 50


def whole_texts(checkout: Path, files: Iterable[str], limit: int = TEXT_CHARS) -> str:
    """The texts of the folders that these files are in, as Markdown; empty where there are none."""
    found = Found()
    find_texts(checkout, files, found)
    parts: list[str] = []
    named: list[str] = []
    for text in found.texts:
        said = printable(read_bounded(text.place, TEXT_BYTES).decode("utf-8", "replace")).strip()
        path = clean_line(text.path, 200)
        if len(said) > limit and parts:
            named.append(path)
            continue
        if len(said) > limit:
            said = f"{said[:limit]}\n(the rest was left out here)"
        limit = max(0, limit - len(said))
        parts.append(f"## {path}\n\n{said}")
    if named:
        more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
        parts.append(f"(No room for {', '.join(named[:NAMED])}{more}: read those where work is.)")
    return "\n\n".join(parts)
