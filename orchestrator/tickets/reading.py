"""What a tool said of a ticket, read into one: it is data, and may be anything. Pure.

1. Where it is JSON with the keys that trackers use, these tell title, text, address and state; they
   may stand in `fields`, as Jira has it, and the whole below a name such as `issue`.
2. Else the first line is the title, and all of it the text. Nothing that was said is lost because
   it was not understood.
3. A document of Atlassian's becomes plain text.
4. An answer without any words is no ticket.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.forges.base import Ticket
from orchestrator.forges.reading import web_address
from orchestrator.tickets.adf import is_document, text_of

TITLES = ("summary", "title", "subject")
BODIES = ("description", "body")
ADDRESSES = ("web_url", "html_url", "url", "self")
"""The page for people first: Jira's `self` is for programs."""
STATES = ("status", "state")
WITHIN = ("issue", "ticket", "data", "result", "item", "work_item")
DEEP = 4
CLOSED = frozenset(
    ("closed", "done", "resolved", "completed", "complete", "canceled", "cancelled", "rejected")
)


def read_ticket(key: str, answer: str) -> Ticket | None:
    """The ticket that an answer tells of; None where it says nothing."""
    if not answer.strip():
        return None
    said = _json_of(answer)
    found = _issue_in(said, DEEP)
    if found is None:
        return _of_text(key, answer, titled=not isinstance(said, dict | list))
    places = tuple(_places(found))
    title, body = _first_text(places, TITLES), _first_text(places, BODIES)
    return Ticket(
        number=key,
        title=title or _first_line(body),
        body=body,
        url=next(filter(None, map(web_address, _texts(places, ADDRESSES))), ""),
        is_open=not any(_is_closed(one.get(name)) for one in places for name in STATES),
    )


def _json_of(text: str) -> Any:
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _of_text(key: str, answer: str, *, titled: bool) -> Ticket:
    """A ticket of an answer that is text, or JSON that means nothing here and gives no title."""
    title = _first_line(answer) if titled else ""
    rest = "" if answer.strip() == title else answer
    return Ticket(number=key, title=title, body=rest)


def _first_line(text: str) -> str:
    lines = (line.strip().lstrip("#").strip() for line in text.splitlines())
    return next(filter(None, lines), "")


def _issue_in(said: Any, deep: int) -> Mapping[str, Any] | None:
    """What of it has a title or a text."""
    if isinstance(said, list) and len(said) == 1:
        said = said[0]
    if not isinstance(said, dict) or deep == 0:
        return None
    places = tuple(_places(said))
    if _first_text(places, TITLES) or _first_text(places, BODIES):
        return said
    inner = (_issue_in(said[name], deep - 1) for name in WITHIN if name in said)
    return next((one for one in inner if one is not None), None)


def _places(found: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield found
    fields = found.get("fields")
    if isinstance(fields, dict):
        yield fields


def _first_text(places: tuple[Mapping[str, Any], ...], names: tuple[str, ...]) -> str:
    return next(filter(str.strip, _texts(places, names)), "")


def _texts(places: tuple[Mapping[str, Any], ...], names: tuple[str, ...]) -> Iterator[str]:
    return (_plain(one[name]) for name in names for one in places if name in one)


def _plain(value: Any) -> str:
    """What a field says."""
    if isinstance(value, str):
        inner = _json_of(value) if '"doc"' in value else None
        return text_of(inner) if is_document(inner) else value
    return text_of(value) if is_document(value) else ""


def _is_closed(state: Any) -> bool:
    """Whether a state says that nothing is left to be done: by its name, or its kind."""
    if isinstance(state, str):
        return state.strip().lower() in CLOSED
    if isinstance(state, dict):
        kind = state.get("statusCategory", state.get("category"))
        kinds = (kind.get("key"), kind.get("name")) if isinstance(kind, dict) else (kind,)
        return any(isinstance(one, str) and _is_closed(one) for one in (state.get("name"), *kinds))
    return False
