"""What a webhook is sent, in the words of whose it is. Pure.

1. Each has marks that make text bold, a link or a call to everybody. None of that is in what orch
   says: what could be one is escaped, and previews of links are off.
2. What they would cut off or refuse is cut here: nothing is ever sent in two.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.notify.message import Level, Message

SHAPE_VERSION = 1
DISCORD_CHARS = 2000
NTFY_BYTES = 4096
SUPPRESS_EMBEDS = 4
_MARKS = re.compile(r"[\\`*_~|>#\[\]()<@:]")
_PRIORITY: Mapping[Level, str] = {"person": "4", "failed": "4"}
_TAGS: Mapping[Level, str] = {
    "person": "raised_hand",
    "failed": "x",
    "limit": "hourglass",
    "stopped": "octagonal_sign",
    "landed": "white_check_mark",
}
"""Names of emoji that ntfy puts before a title."""


@dataclass(frozen=True)
class Request:
    """What is posted."""

    headers: Mapping[str, str]
    body: bytes


def request_of(shape: str, message: Message) -> Request:
    """The request for a webhook of that shape."""
    match shape:
        case "slack":
            return _json(slack(message))
        case "discord":
            return _json(discord(message))
        case "ntfy":
            return ntfy(message)
        case _:
            return _json(plain(message))


def slack(message: Message) -> dict[str, Any]:
    """Slack's incoming webhooks: three characters mean something, and mrkdwn is off."""
    text = f"{message.title}\n{message.text}"
    for mark, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(mark, entity)
    return {"text": text, "mrkdwn": False, "unfurl_links": False, "unfurl_media": False}


def discord(message: Message) -> dict[str, Any]:
    """Discord's webhooks: at most 2000 characters, and nobody is mentioned."""
    text = _MARKS.sub(r"\\\g<0>", f"{message.title}\n{message.text}")
    cut = text if len(text) <= DISCORD_CHARS else text[: DISCORD_CHARS - 2].rstrip("\\") + "\n…"
    return {"content": cut, "allowed_mentions": {"parse": []}, "flags": SUPPRESS_EMBEDS}


def ntfy(message: Message) -> Request:
    """ntfy: the text is the body, which is an attachment above 4096 bytes; the rest are headers."""
    headers = {
        "Content-Type": "text/plain; charset=utf-8",
        "Title": _header(message.title),
        "Priority": _PRIORITY.get(message.level, "3"),
        "Tags": _TAGS[message.level],
    }
    return Request(headers, message.text.encode()[:NTFY_BYTES].decode("utf-8", "ignore").encode())


def plain(message: Message) -> dict[str, Any]:
    """All of it, for a program of the user's own."""
    return {
        "version": SHAPE_VERSION,
        "project": message.project,
        "run": message.run,
        "level": message.level,
        "outcome": message.outcome,
        "exit_code": message.exit_code,
        "title": message.title,
        "text": message.text,
        "counts": dict(message.counts),
        "next": list(message.commands),
        "warnings": list(message.warnings),
    }


def _json(body: dict[str, Any]) -> Request:
    return Request({"Content-Type": "application/json"}, json.dumps(body).encode())


def _header(text: str) -> str:
    """A header's value: as it is, or as an encoded word (RFC 2047), which ntfy reads."""
    if text.isascii() and not text.startswith("=?"):
        return text
    return f"=?UTF-8?B?{base64.b64encode(text.encode()).decode()}?="
