"""How an answer is made to fit: less than 2 kB as JSON, whatever a run holds. Pure.

1. Each text has a limit of its own; what is cut ends in `…`.
2. A page of text (`PAGE`), from `offset` on, takes the room that all else leaves.
3. Of lists the largest loses its last entry until all fits, of what was said the first: the news
   are at the end. How many are left out is counted (`left_out`).
4. Where that is not enough, the longest text is cut further, then the last step goes.
5. What to do next is whole or not there: half a command, or half a path, is none. The first step
   stays, but for one that is too long by itself. One that asks for the rest (`REST`) is told where
   that begins, and is no step where there is none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

LIMIT_BYTES = 2000
PAGE = "text"
REST = -1
"""The offset of a step, until it is known."""
NEWS = ("said",)
"""Lists whose end matters most."""
KEPT = ("next",)
STEP_BYTES = 700
"""Of one step; a longer one is left out."""
WHOLE = ("arguments", "person")
"""Of a step: to be called or typed as it is."""
LEAST_BYTES = 60
"""No text is cut further than to so many."""
SHRINKS = (
    "goal",
    "why",
    "question",
    "prompt",
    "title",
    "hint",
    "spent",
    "budget",
    "what",
    "worker",
)
"""Texts that say something and name nothing."""
TEXT_BYTES = 160
"""Of any text that has no limit below."""
TEXTS: Mapping[str, int] = {
    "goal": 200,
    "why": 200,
    "asks": 300,
    "question": 400,
    "prompt": 300,
    "run": 120,
    "said": 200,
    "errors": 260,
    "warnings": 220,
    "lines": 200,
    "hint": 220,
}
"""Bytes of the text, or of each text in the list, under that key."""
ENTRIES_AT_MOST = 120
"""Of any list, before anything is measured."""


def size_of(value: Any) -> int:
    """Bytes of a value as compact JSON."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def shortened(text: str, most_bytes: int) -> str:
    """A text of at most that many bytes as JSON; what is cut ends in `…`."""
    if size_of(text) - 2 <= most_bytes:
        return text
    return text[: _fitting(text, most_bytes - len("…".encode()))].rstrip() + "…"


def fitted(body: Mapping[str, Any], limit_bytes: int = LIMIT_BYTES) -> dict[str, Any]:
    """The answer within the limit."""
    page = body.get(PAGE)
    made = {key: _cut(key, value) for key, value in body.items() if key != PAGE}
    dropped: dict[str, int] = dict(body.get("left_out") or {})
    _keep_steps(made, [one for one in made.get("next", ()) if size_of(one) <= STEP_BYTES], dropped)
    for key, value in made.items():
        if isinstance(value, list) and key not in KEPT and len(value) > ENTRIES_AT_MOST:
            _drop(made, key, len(value) - ENTRIES_AT_MOST, dropped)
    reserved = 0 if page is None else min(size_of(page), limit_bytes // 2) + 40
    while size_of(made | {"left_out": dropped}) + reserved > limit_bytes:
        lists = [k for k, v in made.items() if isinstance(v, list) and v and k not in KEPT]
        if not lists:
            break
        _drop(made, max(lists, key=lambda key: size_of(made[key])), 1, dropped)
    while size_of(made | {"left_out": dropped}) + reserved > limit_bytes:
        if not _shrink(made):
            if len(made.get("next", ())) < 2:
                break
            _keep_steps(made, made["next"][:-1], dropped)
    if dropped:
        made["left_out"] = dropped
    start = int(made.get("offset") or 0)
    rest = start + len(made["tasks"]) if dropped.get("tasks") else None
    if isinstance(page, str):
        rest = _fill(made, page[start:], start, limit_bytes)
    _tell_rest(made, rest)
    return made


def _fill(made: dict[str, Any], page: str, start: int, limit_bytes: int) -> int | None:
    """Put as much of the page there as fits; where the rest begins, if there is one."""
    made[PAGE] = ""
    end = _fitting(page, limit_bytes - size_of(made | {"next_offset": 10**9}))
    if end == len(page):
        made[PAGE] = page
        return None
    newline = page.rfind("\n", end // 2, end)
    end = newline + 1 if newline > 0 else end
    made[PAGE] = page[:end]
    made["next_offset"] = start + end
    return start + end


def _tell_rest(made: dict[str, Any], rest: int | None) -> None:
    steps = []
    for step in made.get("next", ()):
        arguments = step.get("arguments") or {}
        if arguments.get("offset") != REST:
            steps.append(step)
        elif rest is not None:
            steps.append(step | {"arguments": arguments | {"offset": rest}})
    made["next"] = steps


def _fitting(text: str, most_bytes: int) -> int:
    """How many characters of a text fit."""
    low, high = 0, min(len(text), max(0, most_bytes))
    while low < high:
        middle = (low + high + 1) // 2
        if size_of(text[:middle]) - 2 <= most_bytes:
            low = middle
        else:
            high = middle - 1
    return low


def _drop(made: dict[str, Any], key: str, count: int, dropped: dict[str, int]) -> None:
    value = made[key]
    made[key] = value[count:] if key in NEWS else value[: len(value) - count]
    dropped[key] = dropped.get(key, 0) + count


def _keep_steps(made: dict[str, Any], steps: list[Any], dropped: dict[str, int]) -> None:
    """Leave out the other steps; those that would ask for the rest are not missed."""
    gone = [one for one in made.get("next", ()) if one not in steps]
    missed = sum((one.get("arguments") or {}).get("offset") != REST for one in gone)
    if missed:
        dropped["next"] = dropped.get("next", 0) + missed
    if "next" in made:
        made["next"] = steps


def _shrink(made: dict[str, Any]) -> bool:
    """Cut the longest text by a third; whether there was one."""
    texts = [key for key, value in made.items() if key in SHRINKS and isinstance(value, str)]
    longest = max(texts, key=lambda key: size_of(made[key]), default=None)
    if longest is None or size_of(made[longest]) - 2 <= LEAST_BYTES:
        return False
    room = max(LEAST_BYTES, (size_of(made[longest]) - 2) * 2 // 3)
    made[longest] = shortened(made[longest].removesuffix("…"), room)
    return True


def _cut(key: str, value: Any) -> Any:
    if key in WHOLE:
        return value
    match value:
        case str():
            return shortened(value, TEXTS.get(key, TEXT_BYTES))
        case list() | tuple():
            return [_cut(key, one) for one in value]
        case dict():
            return {name: _cut(str(name), one) for name, one in value.items()}
        case _:
            return value
