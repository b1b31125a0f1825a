"""An Atlassian document as plain text: what Jira keeps descriptions in. Pure.

1. It is a tree of nodes. What a node of a known type says is told much as Markdown would; of an
   unknown one what is within it, so that a new type loses its look and no words.
2. It is data of somebody else's: any part of it may be of any type, and it is looked into so deep
   and no deeper.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

DEPTH = 60
_BREAK, _RULE = "\n", "---"
_CELLS = ("tableCell", "tableHeader")
_INLINE = ("text", "hardBreak", "mention", "emoji", "inlineCard", "date", "status", "mediaInline")
_SAYS = {
    "mention": ("text", "id"),
    "emoji": ("text", "shortName"),
    "inlineCard": ("url",),
    "blockCard": ("url",),
    "embedCard": ("url",),
    "status": ("text",),
    "media": ("alt",),
    "mediaInline": ("alt",),
}
"""Nodes that say something by their attributes, the first of them that is there."""


def is_document(value: Any) -> bool:
    """Whether it is a document of that kind."""
    return isinstance(value, Mapping) and value.get("type") == "doc" and "content" in value


def text_of(document: Any) -> str:
    """What a document says."""
    return _blocks(document, DEPTH).strip()


def _within(node: Any) -> Iterator[Mapping[str, Any]]:
    content = node.get("content") if isinstance(node, Mapping) else None
    for one in content if isinstance(content, list) else ():
        if isinstance(one, Mapping):
            yield one


def _blocks(node: Any, depth: int, between: str = "\n\n") -> str:
    """What is within a node, one block after the other; words that stand loose are one block."""
    parts: list[str] = []
    loose = False
    for one in _within(node) if depth > 0 else ():
        inline = one.get("type") in _INLINE
        said = _inline(one, depth - 1) if inline else _block(one, depth - 1)
        if inline and loose:
            parts[-1] += said
        elif said:
            parts.append(said)
        loose = bool(inline and (loose or said))
    return between.join(parts)


def _block(node: Mapping[str, Any], depth: int) -> str:
    match node.get("type"):
        case "paragraph":
            return _line(node, depth)
        case "heading":
            level = _attribute(node, "level")
            signs = "#" * level if isinstance(level, int) and 1 <= level <= 6 else "#"
            return f"{signs} {_line(node, depth)}"
        case "bulletList" | "taskList" | "decisionList":
            return "\n".join(_item(one, "- ", depth) for one in _within(node))
        case "orderedList":
            return "\n".join(
                _item(one, f"{at}. ", depth) for at, one in enumerate(_within(node), 1)
            )
        case "codeBlock":
            return f"```\n{_line(node, depth)}\n```"
        case "blockquote":
            return "\n".join(f"> {line}".rstrip() for line in _blocks(node, depth).split("\n"))
        case "rule":
            return _RULE
        case "table":
            return "\n".join(_row(one, depth - 1) for one in _within(node))
        case "media" | "blockCard" | "embedCard":
            return _said_by(node)
        case _:
            return _blocks(node, depth)


def _item(node: Mapping[str, Any], sign: str, depth: int) -> str:
    if node.get("type") == "taskItem":
        sign += "[x] " if _attribute(node, "state") == "DONE" else "[ ] "
    first, *more = _blocks(node, depth - 1, "\n").split("\n")
    return "\n".join([f"{sign}{first}", *(f"  {line}" for line in more)])


def _row(node: Mapping[str, Any], depth: int) -> str:
    cells = (one for one in _within(node) if one.get("type") in _CELLS)
    return " | ".join(" ".join(_blocks(one, depth - 1).split()) for one in cells)


def _line(node: Mapping[str, Any], depth: int) -> str:
    return "".join(_inline(one, depth - 1) for one in _within(node)) if depth > 0 else ""


def _inline(node: Mapping[str, Any], depth: int) -> str:
    match node.get("type"):
        case "text":
            text = node.get("text")
            return f"{text}{_address(node, text)}" if isinstance(text, str) else ""
        case "hardBreak":
            return _BREAK
        case _:
            return _said_by(node) or _line(node, depth)


def _address(node: Mapping[str, Any], text: str) -> str:
    """Where a text leads, where that is a link and not what it says itself."""
    marks = node.get("marks")
    for mark in marks if isinstance(marks, list) else ():
        if isinstance(mark, Mapping) and mark.get("type") == "link":
            href = _attribute(mark, "href")
            return f" ({href})" if isinstance(href, str) and href != text else ""
    return ""


def _said_by(node: Mapping[str, Any]) -> str:
    for name in _SAYS.get(str(node.get("type")), ()):
        said = _attribute(node, name)
        if isinstance(said, str) and said:
            return said
    return ""


def _attribute(node: Mapping[str, Any], name: str) -> Any:
    attributes = node.get("attrs")
    return attributes.get(name) if isinstance(attributes, Mapping) else None
