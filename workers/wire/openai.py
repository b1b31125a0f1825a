"""OpenAI's Chat Completions, and what the many servers that are compatible with it make of them.

1. Usage: `prompt_tokens` includes cached reads and writes (`prompt_tokens_details`), and
   `completion_tokens` includes reasoning. DeepSeek names cached reads `prompt_cache_hit_tokens`.
   Some servers leave reasoning out of `completion_tokens`; their own total tells.
2. A stream says its usage only when `stream_options.include_usage` asks for it: in a chunk of
   its own without choices, or in the last one, or (some servers) in each.
3. A stream ends with `[DONE]`. An `error` object may come instead, after a 200.
4. Where `n` answers are wanted, each may be as long as the limit.
5. A prompt is cached by itself, without marks.
"""

from __future__ import annotations

import re
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
    Speaker,
    Stop,
    count_of,
    model_of,
    packed,
    parse_object,
    pieces,
    rows,
    table,
    text_of,
)
from workers.wire.estimate import tokens_at_most
from workers.wire.headers import bearer, limits_of, parse_duration
from workers.wire.heard import Heard
from workers.wire.sse import EventReader, render_event

STOPS: dict[Stop, str] = {
    "end": "stop",
    "tool-calls": "tool_calls",
    "max-tokens": "length",
    "stop-sequence": "stop",
    "refusal": "content_filter",
}
KINDS: dict[int, tuple[str, str | None]] = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    402: ("insufficient_quota", "insufficient_quota"),
    403: ("permission_error", None),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
    500: ("server_error", None),
    503: ("service_unavailable_error", None),
    529: ("overloaded_error", None),
}
SPEAKERS: dict[str, Speaker] = {
    "system": "system",
    "developer": "system",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
LIMITED = ("requests", "tokens")
NEWER = re.compile(r"(?:.*/)?(?:o[1-9]|gpt-[5-9])(?:[.-]|$)")
"""Models that refuse `max_tokens`."""


class OpenAIChat:
    """The dialect; it holds nothing."""

    name = "openai"
    path = "/v1/chat/completions"
    base_has_version = True

    # --- requests -----------------------------------------------------------------------------

    def key(self, headers: Mapping[str, str]) -> str | None:
        """The key of a bearer's `authorization`, or of `x-api-key` or `api-key`."""
        return bearer(headers) or headers.get("x-api-key") or headers.get("api-key")

    def key_headers(self, key: str) -> dict[str, str]:
        """`authorization: Bearer`."""
        return {"authorization": f"Bearer {key}"}

    def asked(self, request: Mapping[str, Any]) -> Asked:
        """What a request wants."""
        stream = request.get("stream") is True
        most = _max_output(request)
        wanted = table(request, "stream_options").get("include_usage") is True
        return Asked(
            model=model_of(request),
            stream=stream,
            max_output=None if most is None else most * _choices(request),
            input_at_most=tokens_at_most(request),
            usage_wanted=wanted or not stream,
        )

    def bounded(self, request: Mapping[str, Any], max_output: int | None) -> dict[str, Any]:
        """The request, asking for its usage, with its own name for the limit no higher."""
        changed = dict(request)
        if request.get("stream") is True:
            changed["stream_options"] = {**table(request, "stream_options"), "include_usage": True}
        if max_output is not None:
            most = max_output // _choices(request)
            own = _max_output(request)
            # Servers that are only compatible know the older name.
            newer = request.get("max_completion_tokens") is not None
            # These know the newer one only.
            newer |= own is None and bool(NEWER.match(text_of(request.get("model"))))
            changed["max_completion_tokens" if newer else "max_tokens"] = (
                most if own is None else min(own, most)
            )
        return changed

    # --- answers ------------------------------------------------------------------------------

    def read_body(self, body: bytes) -> Reading:
        """What a whole answer says."""
        said = parse_object(body)
        if said is None:
            return Reading()
        if said.get("error"):
            return Reading(fault=_fault(said))
        usage = table(said, "usage")
        choices = rows(said, "choices")
        return Reading(
            tokens=read_usage(usage) if usage else None,
            final=bool(usage),
            ended=bool(choices),
            stop=text_of(choices[0].get("finish_reason")) if choices else "",
            model=text_of(said.get("model")),
        )

    def reader(self) -> OpenAIReader:
        """A reader for one stream."""
        return OpenAIReader()

    def rate_limits(self, headers: Mapping[str, str], now: float) -> tuple[RateLimit, ...]:
        """`x-ratelimit-remaining-requests` and its kin; resets are durations."""
        return tuple(limits_of(headers, LIMITED, "x-ratelimit-{what}-{of}", parse_duration))

    # --- for a server -------------------------------------------------------------------------

    def conversation(self, request: Mapping[str, Any]) -> tuple[Said, ...]:
        """The messages."""
        return tuple(
            Said(SPEAKERS.get(text_of(one.get("role")), "user"), _text(one.get("content")))
            for one in rows(request.get("messages"))
        )

    def segments(self, request: Mapping[str, Any]) -> tuple[Segment, ...]:
        """Tools, then messages; any may be read again."""
        parts = [*rows(request.get("tools")), *rows(request.get("messages"))]
        return tuple(
            Segment(packed(one).encode("utf-8", "surrogatepass"), breakpoint=True) for one in parts
        )

    def body(self, answer: Answer) -> dict[str, Any]:
        """A completion."""
        message: dict[str, Any] = {
            "role": "assistant",
            "content": answer.text or (None if answer.calls else ""),
            "refusal": None,
        }
        if answer.reasoning:
            message["reasoning_content"] = answer.reasoning
        if answer.calls:
            message["tool_calls"] = [
                {
                    "id": f"call_{call.id}",
                    "type": "function",
                    "function": {"name": call.name, "arguments": packed(dict(call.input))},
                }
                for call in answer.calls
            ]
        choice = {"index": 0, "message": message, "finish_reason": STOPS[answer.stop]}
        return {
            **_head(answer, "chat.completion"),
            "choices": [{**choice, "logprobs": None}],
            "usage": write_usage(answer.tokens),
        }

    def events(self, answer: Answer, asked: Asked, piece: int) -> Iterator[bytes]:
        """The chunks, and `[DONE]`."""
        head = _head(answer, "chat.completion.chunk")
        if asked.usage_wanted:
            head["usage"] = None

        def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            return render_event(packed({**head, "choices": [choice]}))

        yield chunk({"role": "assistant", "content": None if answer.calls else ""})
        for one in pieces(answer.reasoning, piece):
            yield chunk({"reasoning_content": one})
        for one in pieces(answer.text, piece):
            yield chunk({"content": one})
        for index, call in enumerate(answer.calls):
            function = {"name": call.name, "arguments": ""}
            begun = {"index": index, "id": f"call_{call.id}", "type": "function"}
            yield chunk({"tool_calls": [{**begun, "function": function}]})
            for one in pieces(packed(dict(call.input)), piece):
                yield chunk({"tool_calls": [{"index": index, "function": {"arguments": one}}]})
        yield chunk({}, STOPS[answer.stop])
        if asked.usage_wanted:
            last = {**head, "choices": [], "usage": write_usage(answer.tokens)}
            yield render_event(packed(last))
        yield render_event("[DONE]")

    def fault(self, status: int, message: str, *, kind: str = "", code: str = "") -> dict[str, Any]:
        """An error's body."""
        usual_kind, usual_code = KINDS.get(status, KINDS[500] if status >= 500 else KINDS[400])
        error = {"message": message, "type": kind or usual_kind, "param": None}
        return {"error": {**error, "code": code or (None if kind else usual_code)}}

    def fault_event(self, status: int, message: str) -> bytes:
        """A chunk that is an error."""
        return render_event(packed(self.fault(status, message)))

    def models(self, names: Sequence[str]) -> dict[str, Any]:
        """The list of models."""
        data = [
            {"id": name, "object": "model", "created": 0, "owned_by": "scripted"} for name in names
        ]
        return {"object": "list", "data": data}


class OpenAIReader:
    """The usage of one stream of chunks."""

    def __init__(self) -> None:
        self._events = EventReader()
        self._heard = Heard()
        self._known: Reading | None = None

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        for data in self._events.feed(chunk):
            self._known = None
            if data.strip() == b"[DONE]":
                self._heard.ended = True
            elif (said := parse_object(data)) is not None:
                self._take(said)
            else:
                self._heard.broken = True

    def reading(self) -> Reading:
        """What is known now; usage that came in each chunk is final only at the end."""
        if self._known is None:
            heard = self._heard
            final = bool(heard.usage) and (heard.ended or bool(heard.stop))
            self._known = heard.reading(read_usage, final)
        return self._known

    def _take(self, chunk: Mapping[str, Any]) -> None:
        heard = self._heard
        if chunk.get("error"):
            heard.fault = _fault(chunk)
            return
        heard.model = text_of(chunk.get("model")) or heard.model
        for choice in rows(chunk, "choices"):
            heard.stop = text_of(choice.get("finish_reason")) or heard.stop
        # Groq has it in a table of its own.
        heard.use(table(chunk, "usage") or table(table(chunk, "x_groq"), "usage"))


# --- usage and errors -------------------------------------------------------------------------


def read_usage(usage: Mapping[str, Any]) -> Tokens:
    """What the vendor's usage means."""
    prompt = count_of(usage.get("prompt_tokens")) or 0
    completion = count_of(usage.get("completion_tokens")) or 0
    details = table(usage, "prompt_tokens_details")
    cached = count_of(details.get("cached_tokens"))
    if cached is None:
        cached = count_of(usage.get("prompt_cache_hit_tokens")) or 0
    cached = min(cached, prompt)
    written = min(count_of(details.get("cache_write_tokens")) or 0, prompt - cached)
    thought = count_of(table(usage, "completion_tokens_details").get("reasoning_tokens")) or 0
    if thought and count_of(usage.get("total_tokens")) == prompt + completion + thought:
        completion += thought
    return Tokens(
        input=prompt - cached - written,
        cache_read=cached,
        cache_write=written,
        output=completion,
        reasoning=min(thought, completion),
    )


def write_usage(tokens: Tokens) -> dict[str, Any]:
    """Usage in the vendor's words, with DeepSeek's beside them."""
    details = {"cached_tokens": tokens.cache_read}
    if tokens.cache_write:
        details["cache_write_tokens"] = tokens.cache_write
    return {
        "prompt_tokens": tokens.prompt,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.total,
        "prompt_tokens_details": details,
        "completion_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "prompt_cache_hit_tokens": tokens.cache_read,
        "prompt_cache_miss_tokens": tokens.prompt - tokens.cache_read,
    }


def _fault(said: Mapping[str, Any]) -> Fault:
    error = said.get("error")
    if isinstance(error, str):
        return Fault(kind="", message=error)
    code = table(error).get("code")
    return Fault(
        kind=text_of(table(error).get("type")),
        message=text_of(table(error).get("message")),
        code=str(code) if isinstance(code, int) else text_of(code),
    )


def _max_output(request: Mapping[str, Any]) -> int | None:
    newer = count_of(request.get("max_completion_tokens"))
    return newer if newer is not None else count_of(request.get("max_tokens"))


def _choices(request: Mapping[str, Any]) -> int:
    return max(1, count_of(request.get("n")) or 1)


def _head(answer: Answer, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{answer.id}", "object": kind, "created": 0, "model": answer.model}


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(text_of(one.get("text")) for one in rows(content) if one.get("type") == "text")
