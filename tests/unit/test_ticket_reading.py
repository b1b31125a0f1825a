"""What tools say of tickets, read: JSON of several trackers, text, documents, and odd things."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.errors import OrchError
from orchestrator.forges.base import Ticket
from orchestrator.forges.tickets import ticket_key
from orchestrator.tickets.adf import text_of
from orchestrator.tickets.reading import read_ticket


def read(said: Any) -> Ticket:
    found = read_ticket("K-1", said if isinstance(said, str) else json.dumps(said))
    assert found is not None and found.number == "K-1"
    return found


def doc(*content: Any) -> dict[str, Any]:
    return {"type": "doc", "version": 1, "content": list(content)}


def para(*texts: Any) -> dict[str, Any]:
    nodes = [{"type": "text", "text": one} if isinstance(one, str) else one for one in texts]
    return {"type": "paragraph", "content": nodes}


def item(*content: Any, kind: str = "listItem", **attrs: Any) -> dict[str, Any]:
    return {"type": kind, "content": list(content), "attrs": attrs}


@pytest.mark.parametrize(
    ("said", "title", "body", "url", "is_open"),
    [
        (
            {
                "self": "https://t.example.com/rest/1",
                "fields": {
                    "summary": "Tea",
                    "description": doc(para("Hot.")),
                    "status": {"name": "Erledigt", "statusCategory": {"key": "done"}},
                },
            },
            *("Tea", "Hot.", "https://t.example.com/rest/1", False),
        ),
        (
            {"summary": "Tea", "description": "Hot.", "status": {"name": "To Do"}, "url": "x"},
            *("Tea", "Hot.", "", True),
        ),
        (
            {"number": 1, "title": "Tea", "body": "Hot.", "state": "closed", "url": "https://a/api"}
            | {"html_url": "https://a/1"},
            *("Tea", "Hot.", "https://a/1", False),
        ),
        ({"iid": 1, "title": "Tea", "web_url": "https://a/1"}, "Tea", "", "https://a/1", True),
        ({"issue": {"subject": "Tea", "description": "Hot."}}, "Tea", "Hot.", "", True),
        ({"data": {"issue": [{"title": "Tea"}]}}, "Tea", "", "", True),
        ([{"title": "Tea", "description": None}], "Tea", "", "", True),
        ({"title": "", "description": "## Hot\ntea"}, "Hot", "## Hot\ntea", "", True),
        ({"summary": "Tea", "description": json.dumps(doc(para("Hot.")))}, "Tea", "Hot.", "", True),
        ({"summary": "Tea", "url": "javascript:alert(1)"}, "Tea", "", "", True),
    ],
)
def test_what_trackers_say(said: Any, title: str, body: str, url: str, is_open: bool) -> None:
    assert read(said) == Ticket("K-1", title, body, url, is_open)


def test_what_is_not_understood_is_text_and_not_lost() -> None:
    assert read("# Tea\n\nHot.") == Ticket("K-1", "Tea", "# Tea\n\nHot.")
    assert read("Tea") == Ticket("K-1", "Tea", "")
    for odd in (
        {"name": "x"},
        [1, 2],
        [{"title": "a"}, {"title": "b"}],
        {"title": 7, "fields": [1]},
        {"issue": {"issue": {"issue": {"issue": {"issue": {"title": "too deep"}}}}}},
    ):
        found = read(odd)
        assert found.title == "" and found.body == json.dumps(odd), odd
    for text in ('{"title": "cut', "[" * 100_000, '{"a": ' * 50_000, "{}}"):
        assert read(text).title != "" and read(text).is_open
    assert read_ticket("K-1", "") is None and read_ticket("K-1", " \n\t") is None


def test_a_document_becomes_plain_text() -> None:
    link = {"type": "text", "text": "here", "marks": [{"type": "link", "attrs": {"href": "h:a"}}]}
    text = text_of(
        doc(
            {
                "type": "heading",
                "attrs": {"level": 2},
                "content": [{"type": "text", "text": "Why"}],
            },
            para("One ", link, {"type": "hardBreak"}, {"type": "mention", "attrs": {"text": "@a"}}),
            {
                "type": "bulletList",
                "content": [
                    item(para("first"), {"type": "orderedList", "content": [item(para("in it"))]}),
                    item(para("second")),
                ],
            },
            {
                "type": "taskList",
                "content": [
                    item({"type": "text", "text": "done "}, kind="taskItem", state="DONE"),
                    item({"type": "text", "text": "open"}, kind="taskItem", state="TODO"),
                ],
            },
            {"type": "codeBlock", "content": [{"type": "text", "text": "a = 1\nb = 2"}]},
            {"type": "blockquote", "content": [para("said"), para("again")]},
            {
                "type": "table",
                "content": [
                    item(item(para("a"), kind="tableHeader"), item(para("b")), kind="tableRow"),
                    item(item(para("1"), kind="tableCell"), item(para("2"), kind="tableCell")),
                ],
            },
            {"type": "rule"},
            {"type": "panel", "content": [para("a new type keeps its words")]},
        )
    )
    assert text == (
        "## Why\n\nOne here (h:a)\n@a\n\n- first\n  1. in it\n- second\n\n- [x] done \n- [ ] open"
        "\n\n```\na = 1\nb = 2\n```\n\n> said\n>\n> again\n\na\n1 | 2\n\n---"
        "\n\na new type keeps its words"
    )


def test_a_document_may_be_anything() -> None:
    for odd in (
        doc(7, None, "x", []),
        {"type": "doc", "content": "x"},
        doc({"type": "paragraph", "content": {"type": "text"}}),
        doc({"type": ["x"], "content": [{"type": {}, "content": [{"text": 7, "type": "text"}]}]}),
        doc({"type": "text", "text": None, "marks": 7}, {"type": "mention", "attrs": [1]}),
        doc({"type": "heading", "attrs": {"level": 10**9}, "content": None}),
    ):
        assert text_of(odd).strip("# ") == ""
    deep: dict[str, Any] = para("never reached")
    for _ in range(5_000):
        deep = {"type": "blockquote", "content": [deep]}
    assert "never" not in text_of(doc(deep))


def test_keys() -> None:
    for typed in ("PROJ-123", "a/b#7", "x_1.2", "9", "a" * 100):
        assert ticket_key(f" {typed} ") == typed
    for typed in (
        "",
        "#7",
        "-a",
        "a b",
        "a\nb",
        "a\x00b",
        "a" * 101,
        "a/../b",
        "a?b",
        "ä-1",
        "a;b",
    ):
        with pytest.raises(OrchError, match="no key of a ticket"):
            ticket_key(typed)
