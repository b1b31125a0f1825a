"""The dialects that there are. A new one is one more file, and one line here."""

from __future__ import annotations

from workers.wire.anthropic import AnthropicMessages
from workers.wire.dialect import Dialect
from workers.wire.openai import OpenAIChat

DIALECTS: tuple[Dialect, ...] = (AnthropicMessages(), OpenAIChat())


def dialect_of(path: str) -> Dialect | None:
    """The dialect that a request's path belongs to; a base URL may have more in front of it."""
    for dialect in DIALECTS:
        # Clients differ in whether the version is part of the base URL.
        if path.rstrip("/").endswith((dialect.path, dialect.path.removeprefix("/v1"))):
            return dialect
    return None


def dialect_named(name: str) -> Dialect:
    """The dialect of that name; KeyError where there is none."""
    for dialect in DIALECTS:
        if dialect.name == name:
            return dialect
    raise KeyError(name)
