"""Which of what was recorded a task's workers are told: texts by its paths, skills for all.

1. A text holds for its folder and all below. For a task these are the texts from the top of the
   repository down to the folders that its `paths` name; a task without paths, or with a pattern
   from the top, gets the top's.
2. The nearest comes last and wins where two differ. What does not fit into the budget is left
   out from the top on, and said.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from ledger.guidance import Guidance, GuideText
from workers.skills import ReadBlob, Shelf
from workers.text import printable

TEXT_CHARS = 24_000
"""Of all texts of one task together."""
_SPECIAL = frozenset("*?[\\")


def texts_for(texts: Iterable[GuideText], paths: Iterable[str]) -> tuple[GuideText, ...]:
    """The texts that hold for work on these paths (git wildmatch), the nearest last."""
    wanted = {""}
    for pattern in paths:
        folder = PurePosixPath()
        for part in pattern.strip("/").split("/"):
            if _SPECIAL & set(part):
                break
            folder /= part
            wanted.add(str(folder))
    found = (text for text in texts if text.folder in wanted)
    return tuple(sorted(found, key=lambda text: (text.path.count("/"), text.folder)))


def shelf_of(guidance: Guidance, read: ReadBlob) -> Shelf:
    """The skills that were recorded."""
    return Shelf(guidance.skills, read)


def render_texts(texts: tuple[GuideText, ...], read: ReadBlob, limit: int = TEXT_CHARS) -> str:
    """The texts as Markdown, the nearest last; empty where there are none."""
    parts: list[str] = []
    for text in reversed(texts):
        content = read(text.blob)
        said = (
            printable(content.decode("utf-8", "replace")).strip()
            if content is not None
            else "(it is lost: the ledger's copy cannot be read)"
        )
        if len(said) > limit:
            said = f"{said[:limit]}\n(the rest of {text.path} was left out here)"
        if limit <= 0:
            parts.append(f"(`{text.path}` was left out here: there is no room for it)")
            continue
        limit -= len(said)
        parts.append(f"### {text.path}\n\n{said}")
    return "\n\n".join(reversed(parts))
