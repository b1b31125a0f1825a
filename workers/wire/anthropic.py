"""Anthropic's Messages API: `POST /v1/messages`.

1. Usage: `input_tokens` is what was read at the full price; cached reads and writes stand beside
   it. `output_tokens` includes thinking. `message_start` brings the input's share and a
   placeholder for the output, each `message_delta` the whole so far.
2. A stream ends with `message_stop`. An `error` event may come instead, after a 200.
3. A prompt is cached in the order tools, system, messages, up to a block that bears
   `cache_control`; in a request that bears it itself, up to its last block.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ledger.model import Tokens
from workers.wire.dialect import (
    Answer,
    Asked,
    Fault,
    RateLimit,
    Reading,
    Said,
    Segment,
    Stop,
    count_of,
    is_closed,
    model_of,
    packed,
    parse_object,
    pieces,
    rows,
    table,
    text_of,
)
from workers.wire.estimate import tokens_at_most
from workers.wire.headers import bearer, limits_of, parse_moment
from workers.wire.heard import Heard
from workers.wire.sse import EventReader, render_event

STOPS: dict[Stop, str] = {
    "end": "end_turn",
    "tool-calls": "tool_use",
    "max-tokens": "max_tokens",
    "stop-sequence": "stop_sequence",
    "refusal": "refusal",
}
KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
LIMITED = ("requests", "tokens", "input-tokens", "output-tokens")


class AnthropicMessages:
    """The dialect; it holds nothing."""

    name = "anthropic"
    path = "/v1/messages"
    base_has_version = False

    # --- requests -----------------------------------------------------------------------------

    def key(self, headers: Mapping[str, str]) -> str | None:
        """The key of `x-api-key`, or of a bearer's `authorization`."""
        return headers.get("x-api-key") or bearer(headers)

    def key_headers(self, key: str) -> dict[str, str]:
        """`x-api-key`."""
        return {"x-api-key": key}

    def asked(self, request: Mapping[str, Any]) -> Asked:
        """What a request wants."""
        return Asked(
            model=model_of(request),
            stream=request.get("stream") is True,
            max_output=count_of(request.get("max_tokens")),
            input_at_most=tokens_at_most(request),
            usage_wanted=True,
        )

    def bounded(self, request: Mapping[str, Any], max_output: int | None) -> dict[str, Any]:
        """The request with `max_tokens` no higher than this."""
        changed = dict(request)
        if max_output is not None:
            own = count_of(request.get("max_tokens"))
            changed["max_tokens"] = max_output if own is None else min(own, max_output)
        return changed

    # --- answers ------------------------------------------------------------------------------

    def read_body(self, body: bytes) -> Reading:
        """What a whole answer says."""
        said = parse_object(body)
        if said is None:
            return Reading()
        if said.get("type") == "error" or "error" in said:
            return Reading(fault=_fault(said))
        usage = table(said, "usage")
        whole = bool(usage) and said.get("type") == "message"
        return Reading(
            tokens=read_usage(usage) if usage else None,
            final=whole,
            ended=whole,
            stop=text_of(said.get("stop_reason")),
            model=text_of(said.get("model")),
        )

    def reader(self) -> AnthropicReader:
        """A reader for one stream."""
        return AnthropicReader()

    def rate_limits(self, headers: Mapping[str, str], now: float) -> tuple[RateLimit, ...]:
        """`anthropic-ratelimit-requests-remaining` and its kin; resets are moments."""

        def reset_in_s(said: str) -> float | None:
            moment = parse_moment(said)
            return None if moment is None else max(0.0, moment - now)

        return tuple(limits_of(headers, LIMITED, "anthropic-ratelimit-{of}-{what}", reset_in_s))

    # --- for a server -------------------------------------------------------------------------

    def conversation(self, request: Mapping[str, Any]) -> tuple[Said, ...]:
        """The messages; a result of a tool is a message of its own."""
        found = []
        if system := _text(request.get("system")):
            found.append(Said("system", system))
        for message in rows(request.get("messages")):
            content = message.get("content")
            if message.get("role") == "assistant":
                found.append(Said("assistant", _text(content)))
                continue
            results = [one for one in rows(content) if one.get("type") == "tool_result"]
            found += [Said("tool", _text(one.get("content"))) for one in results]
            if (text := _text(content)) or not results:
                found.append(Said("system" if message.get("role") == "system" else "user", text))
        return tuple(found)

    def segments(self, request: Mapping[str, Any]) -> tuple[Segment, ...]:
        """Tools, the system's blocks and the messages' blocks, with their marks."""
        blocks: list[tuple[str, Any]] = [("tool", one) for one in rows(request.get("tools"))]
        blocks += [("system", one) for one in _blocks(request.get("system"))]
        for message in rows(request.get("messages")):
            role = text_of(message.get("role"))
            blocks += [(role, one) for one in _blocks(message.get("content"))]
        last = len(blocks) - 1 if request.get("cache_control") else -1
        found = []
        for number, (role, block) in enumerate(blocks):
            bare = {key: value for key, value in block.items() if key != "cache_control"}
            content = packed([role, bare]).encode("utf-8", "surrogatepass")
            found.append(Segment(content, bool(block.get("cache_control")) or number == last))
        return tuple(found)

    def body(self, answer: Answer) -> dict[str, Any]:
        """A message."""
        content: list[dict[str, Any]] = []
        if answer.reasoning:
            block = {"type": "thinking", "thinking": answer.reasoning, "signature": "scripted"}
            content.append(block)
        if answer.text:
            content.append({"type": "text", "text": answer.text})
        for call in answer.calls:
            block = {"type": "tool_use", "id": f"toolu_{call.id}", "name": call.name}
            content.append({**block, "input": dict(call.input)})
        return {
            **_head(answer),
            "content": content,
            "stop_reason": STOPS[answer.stop],
            "usage": write_usage(answer.tokens),
        }

    def events(self, answer: Answer, asked: Asked, piece: int) -> Iterator[bytes]:
        """The events from `message_start` to `message_stop`."""
        begun = answer.tokens.model_copy(update={"output": 1, "reasoning": 0})
        head = {**_head(answer), "content": [], "stop_reason": None, "usage": write_usage(begun)}
        yield _event("message_start", message=head)
        yield _event("ping")
        for index, block in enumerate(self.body(answer)["content"]):
            yield from _block_events(index, block, piece)
        yield _event(
            "message_delta",
            delta={"stop_reason": STOPS[answer.stop], "stop_sequence": None},
            usage=write_usage(answer.tokens),
        )
        yield _event("message_stop")

    def fault(self, status: int, message: str, *, kind: str = "", code: str = "") -> dict[str, Any]:
        """An error's body."""
        kind = kind or KINDS.get(status, "api_error" if status >= 500 else KINDS[400])
        error: dict[str, Any] = {"type": kind, "message": message}
        if code:
            error["details"] = {"error_code": code}
        return {"type": "error", "error": error, "request_id": None}

    def fault_event(self, status: int, message: str) -> bytes:
        """An `error` event."""
        return _event("error", error=self.fault(status, message)["error"])

    def models(self, names: Sequence[str]) -> dict[str, Any]:
        """The list of models, in one page."""
        created = "2026-01-01T00:00:00Z"
        data = [
            {"type": "model", "id": name, "display_name": name, "created_at": created}
            for name in names
        ]
        ends = {"first_id": names[0] if names else None, "last_id": names[-1] if names else None}
        return {"data": data, "has_more": False, **ends}


class AnthropicReader:
    """The usage of one stream of events."""

    def __init__(self) -> None:
        self._events = EventReader()
        self._heard = Heard()
        self._final = False
        self._known: Reading | None = None

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        for data in self._events.feed(chunk):
            # Most events are deltas of text, and reading those would cost the most.
            if b"message_" in data or b'"error"' in data:
                self._known = None
                self._take(parse_object(data) or {})
            if not is_closed(data):
                self._known = None
                self._heard.broken = True

    def reading(self) -> Reading:
        """What is known now."""
        if self._known is None:
            self._known = self._heard.reading(read_usage, self._final)
        return self._known

    def _take(self, event: Mapping[str, Any]) -> None:
        heard = self._heard
        match event.get("type"):
            case "message_start":
                message = table(event, "message")
                heard.model = text_of(message.get("model"))
                heard.use(table(message, "usage"))
            case "message_delta":
                if usage := table(event, "usage"):
                    heard.use(usage)
                    self._final = True
                heard.stop = text_of(table(event, "delta").get("stop_reason")) or heard.stop
            case "message_stop":
                heard.ended = True
            case "error":
                heard.fault = _fault(event)


# --- usage and errors -------------------------------------------------------------------------


def read_usage(usage: Mapping[str, Any]) -> Tokens:
    """What the vendor's usage means."""
    output = count_of(usage.get("output_tokens")) or 0
    thought = count_of(table(usage, "output_tokens_details").get("thinking_tokens")) or 0
    return Tokens(
        input=count_of(usage.get("input_tokens")) or 0,
        cache_read=count_of(usage.get("cache_read_input_tokens")) or 0,
        cache_write=count_of(usage.get("cache_creation_input_tokens")) or 0,
        output=output,
        reasoning=min(thought, output),
    )


def write_usage(tokens: Tokens) -> dict[str, Any]:
    """Usage in the vendor's words."""
    said: dict[str, Any] = {
        "input_tokens": tokens.input,
        "cache_creation_input_tokens": tokens.cache_write,
        "cache_read_input_tokens": tokens.cache_read,
        "output_tokens": tokens.output,
    }
    if tokens.reasoning:
        said["output_tokens_details"] = {"thinking_tokens": tokens.reasoning}
    return said


def _fault(said: Mapping[str, Any]) -> Fault:
    error = table(said, "error")
    return Fault(
        kind=text_of(error.get("type")),
        message=text_of(error.get("message")),
        code=text_of(table(error, "details").get("error_code")),
    )


def _head(answer: Answer) -> dict[str, Any]:
    return {
        "id": f"msg_{answer.id}",
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "stop_sequence": None,
    }


def _event(kind: str, **fields: Any) -> bytes:
    return render_event(packed({"type": kind, **fields}), kind)


def _block_events(index: int, block: dict[str, Any], piece: int) -> Iterator[bytes]:
    empty: dict[str, Any]
    deltas: Iterator[dict[str, Any]]
    match block["type"]:
        case "text":
            empty = {"type": "text", "text": ""}
            deltas = ({"type": "text_delta", "text": one} for one in pieces(block["text"], piece))
        case "thinking":
            empty = {"type": "thinking", "thinking": "", "signature": ""}
            deltas = _thinking(block, piece)
        case _:
            empty = {**block, "input": {}}
            whole = packed(block["input"])
            deltas = (
                {"type": "input_json_delta", "partial_json": one}
                for one in ("", *pieces(whole, piece))
            )
    yield _event("content_block_start", index=index, content_block=empty)
    for delta in deltas:
        yield _event("content_block_delta", index=index, delta=delta)
    yield _event("content_block_stop", index=index)


def _thinking(block: dict[str, Any], piece: int) -> Iterator[dict[str, Any]]:
    for one in pieces(block["thinking"], piece):
        yield {"type": "thinking_delta", "thinking": one}
    yield {"type": "signature_delta", "signature": block["signature"]}


def _blocks(content: object) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return rows(content)


def _text(content: object) -> str:
    return "\n".join(
        text_of(one.get("text")) for one in _blocks(content) if one.get("type") == "text"
    )
