"""A recorded stream, its pieces joined, so that no secret hides in two of them. Pure.

1. Events that are equal but for one piece of text (of an answer, of its reasoning, of what a tool
   is called with) become one, whose text is the whole: to a client that is the same answer.
2. Events of several texts may be mixed; each piece goes to its own. What says nothing (pings,
   comments, padding) is left out.
3. Redaction sees each text as a whole. Where a secret is still in two parts, because a provider's
   events differ in something else, the stream cannot be cleaned: None.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from workers.wire.dialect import parse_object
from workers.wire.sse import EventReader, render_event

PIECES = frozenset(
    """
    text thinking partial_json content reasoning_content reasoning arguments refusal signature
    """.split()  # noqa: SIM905  (nine lines as a list)
)
PADDING = ("obfuscation",)
Place = tuple[str | int, ...]


def joined(stream: bytes, clean: Callable[[str], str]) -> bytes | None:
    """The stream with whole texts, cleaned; None where it cannot be."""
    events: list[dict[str, Any] | bytes] = []
    open_texts: dict[str, tuple[dict[str, Any], Place]] = {}
    pieces: list[str] = []
    for data in EventReader().feed(stream):
        event = parse_object(data)
        if event is None:
            events.append(data)  # `[DONE]`
            continue
        if event.get("type") == "ping":
            continue
        event = {key: value for key, value in event.items() if key not in PADDING}
        found = list(_pieces(event))
        pieces += [text for _, text in found]
        if len(found) != 1:
            if not found:
                open_texts = {}
            events.append(event)
            continue
        place, text = found[0]
        rest = json.dumps(_with(event, place, ""), sort_keys=True)
        if rest in open_texts:
            before, at = open_texts[rest]
            _put(before, at, _at(before, at) + text)
        else:
            open_texts[rest] = (event, place)
            events.append(event)
    return _cleaned(events, pieces, clean)


def _cleaned(
    events: list[dict[str, Any] | bytes], pieces: list[str], clean: Callable[[str], str]
) -> bytes | None:
    whole = "".join(pieces)
    if clean(whole) != whole:
        texts = [text for event in events if isinstance(event, dict) for _, text in _pieces(event)]
        left = "".join(map(clean, texts))
        if clean(left) != left:
            return None
    out = []
    for event in events:
        if isinstance(event, bytes):
            out.append(b"data: " + event + b"\n\n")
        else:
            kind = event.get("type")
            name = kind if isinstance(kind, str) else ""
            out.append(render_event(json.dumps(_clean_all(event, clean)), name))
    return b"".join(out)


def _clean_all(value: Any, clean: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(key): _clean_all(one, clean) for key, one in value.items()}
    if isinstance(value, list):
        return [_clean_all(one, clean) for one in value]
    return value


def _pieces(value: Any, at: Place = ()) -> list[tuple[Place, str]]:
    """The pieces of text in an event, and where they stand."""
    found: list[tuple[Place, str]] = []
    if isinstance(value, dict):
        for key, one in value.items():
            if key in PIECES and isinstance(one, str):
                found.append(((*at, key), one))
            else:
                found += _pieces(one, (*at, key))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            found += _pieces(one, (*at, number))
    return found


def _at(value: Any, place: Place) -> Any:
    for step in place:
        value = value[step]
    return value


def _put(value: Any, place: Place, text: str) -> None:
    _at(value, place[:-1])[place[-1]] = text


def _with(event: dict[str, Any], place: Place, text: str) -> Any:
    """A copy with another text at that place."""
    copy = json.loads(json.dumps(event))
    _put(copy, place, text)
    return copy
