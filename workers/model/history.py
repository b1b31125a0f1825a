"""A conversation in pydantic-ai's words, and how it is made shorter.

What gives way is decided in `context`; here the messages are measured, and new ones made with a
line in place of what gave way. A message that stays is the very same object.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    ToolCallPart,
    ToolReturnPart,
)

from workers.model.context import STUB_CHARS, Book, Piece, give_way, size_of
from workers.model.desk import LEFT_OUT
from workers.text import clean_line

LONG_ARGUMENT = 400

Part = ModelRequestPart | ModelResponsePart


class History:
    """Shortens the messages of one conversation where the window asks for it."""

    def __init__(self, window_tokens: int, fixed_bytes: int) -> None:
        self.book = Book(window_tokens)
        self._fixed_bytes = fixed_bytes
        self.more_bytes = 0
        """Of further tools' descriptions."""

    async def shorten(self, messages: list[ModelMessage]) -> list[ModelMessage]:
        """The messages to send and to keep."""
        parts = list(_parts(messages))
        pieces = [_piece(part, turn) for part, turn in parts]
        fixed_bytes = self._fixed_bytes + self.more_bytes
        gone = give_way(pieces, fixed_bytes, self.book.window_tokens, self.book.scale)
        if gone:
            self.book.compactions += 1
            messages = _without(messages, {id(parts[number][0]) for number in gone})
            pieces = [_piece(part, turn) for part, turn in _parts(messages)]
        self.book.sent_bytes = size_of(pieces, fixed_bytes)
        return messages


def _parts(messages: Sequence[ModelMessage]) -> Iterator[tuple[Part, int]]:
    turn = 0
    for message in messages:
        turn += isinstance(message, ModelResponse)
        for part in message.parts:
            yield part, turn


def _piece(part: Part, turn: int) -> Piece:
    if isinstance(part, ToolReturnPart):
        return Piece("result", turn, _size(_text_of(part)), _size(_stub(part)))
    if isinstance(part, ToolCallPart):
        short = _short_arguments(part)
        written = _written(part.args)
        return Piece("call", turn, _size(written), _size(_written(short)) if short else 0)
    content = getattr(part, "content", "")
    return Piece("text", turn, _size(content if isinstance(content, str) else str(content)))


def _without(messages: Sequence[ModelMessage], gone: set[int]) -> list[ModelMessage]:
    made: list[ModelMessage] = []
    for message in messages:
        if not any(id(part) in gone for part in message.parts):
            made.append(message)
        elif isinstance(message, ModelRequest):
            asked = [_shrunk(part) if id(part) in gone else part for part in message.parts]
            made.append(dataclasses.replace(message, parts=asked))
        else:
            said = [_shrunk_call(part) if id(part) in gone else part for part in message.parts]
            made.append(dataclasses.replace(message, parts=said))
    return made


def _shrunk(part: ModelRequestPart) -> ModelRequestPart:
    if isinstance(part, ToolReturnPart):
        shorter: Any = {"content": _stub(part)}
        return dataclasses.replace(part, **shorter)
    return part


def _shrunk_call(part: ModelResponsePart) -> ModelResponsePart:
    if isinstance(part, ToolCallPart) and (short := _short_arguments(part)):
        shorter: Any = {"args": short}
        return dataclasses.replace(part, **shorter)
    return part


def _stub(part: ToolReturnPart) -> str:
    """One line for a result: what it was, and that it can be had again."""
    text = _text_of(part)
    first = clean_line(text.partition("\n")[0].partition(";")[0], STUB_CHARS)
    return f"[{part.tool_name}: {first} ... {len(text):,} {LEFT_OUT}"


def _short_arguments(part: ToolCallPart) -> dict[str, Any] | None:
    """The arguments without their long texts; None where there are none."""
    arguments = part.args
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            return None
    if not isinstance(arguments, dict):
        return None
    short = {
        key: f"[{len(value):,} {LEFT_OUT}"
        if isinstance(value, str) and len(value) > LONG_ARGUMENT
        else value
        for key, value in arguments.items()
    }
    return short if short != arguments else None


def _written(arguments: Any) -> str:
    if isinstance(arguments, str):
        return arguments
    return json.dumps(arguments, ensure_ascii=False, default=str) if arguments else ""


def _text_of(part: ToolReturnPart) -> str:
    return part.content if isinstance(part.content, str) else part.model_response_str()


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass")) if text else 0
