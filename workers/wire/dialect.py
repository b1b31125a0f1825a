"""What a model provider's wire format is to us: values, and the protocol that each dialect keeps.

1. A dialect is one file. It knows how requests ask, how answers and errors look, and what the
   usage in them means; it opens no connection and reads no clock.
2. What is read comes from somebody else: a field that is missing, null or of another kind counts
   as not said. Reading never fails; only `asked` refuses, where a body is no request at all.
3. Usage is counted once: `Tokens.input` holds no cached reads or writes, whatever the vendor's
   own sum includes.
4. Usage in a stream is cumulative: what is said last holds, field by field.
5. A stream has ended in order only when the dialect's own last word was read. A connection that
   closed politely before it is a broken answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from ledger.model import Tokens

Stop = Literal["end", "tool-calls", "max-tokens", "stop-sequence", "refusal"]
Speaker = Literal["system", "user", "assistant", "tool"]


class NoRequest(ValueError):
    """A body that cannot be a request of this dialect: why."""


# --- what was asked ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request wants, as far as metering and budgets care."""

    model: str
    stream: bool
    max_output: int | None
    """The most tokens that all its answers together may have; None: it sets no limit."""
    input_at_most: int
    """An upper estimate of the tokens that it holds."""
    usage_wanted: bool
    """False: the stream will not say its usage unless the request is changed (see `bounded`)."""


@dataclass(frozen=True, slots=True)
class Said:
    """One message of a conversation, as text."""

    speaker: Speaker
    text: str


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a prompt, in the order in which providers cache it."""

    content: bytes
    breakpoint: bool
    """The prompt up to here and with it is put into the cache."""


# --- what is answered -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Call:
    """A tool that the model wants called."""

    id: str
    name: str
    input: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole turn of a model."""

    id: str
    model: str
    text: str = ""
    reasoning: str = ""
    calls: tuple[Call, ...] = ()
    stop: Stop = "end"
    tokens: Tokens = field(default_factory=Tokens)


@dataclass(frozen=True, slots=True)
class Fault:
    """An error as a provider words it."""

    kind: str
    """The vendor's own word, such as `rate_limit_error`; empty where it gave none."""
    message: str
    code: str = ""
    """The vendor's finer word, such as `insufficient_quota`."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of an answer so far."""

    tokens: Tokens | None = None
    """None: no usage was said. While `final` is false its output is only a part."""
    final: bool = False
    """The usage is the whole answer's."""
    ended: bool = False
    """The answer came to its end in order."""
    stop: str = ""
    """Why the model stopped, in the vendor's word."""
    model: str = ""
    """The model that answered, by its own word."""
    fault: Fault | None = None
    """An error in the middle of the stream, or instead of an answer."""
    broken: bool = False
    """A part of the stream was no JSON."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How much of a limit is left, as a provider's headers say."""

    of: str
    """What is limited: `requests`, `tokens`, `input-tokens` ..."""
    limit: int | None
    remaining: int | None
    reset_in_s: float | None


# --- the protocol -----------------------------------------------------------------------------


class UsageReader(Protocol):
    """Reads the usage out of a stream that is passed on chunk by chunk."""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the stream, wherever they were cut."""

    def reading(self) -> Reading:
        """What is known now."""


class Dialect(Protocol):
    """One wire format: how it is read, and how it is written."""

    name: str
    path: str
    """Where its requests are posted."""
    base_has_version: bool
    """Whether what vendors call a base URL has the version at its end already."""

    # What a gateway needs: requests.

    def key(self, headers: Mapping[str, str]) -> str | None:
        """The key that a request carries; names of headers are in small letters."""

    def key_headers(self, key: str) -> dict[str, str]:
        """The headers that carry a key."""

    def asked(self, request: Mapping[str, Any]) -> Asked:
        """What a request wants; NoRequest where it is none."""

    def bounded(self, request: Mapping[str, Any], max_output: int | None) -> dict[str, Any]:
        """The same request, asking for its usage, and for at most so much output."""

    # Answers.

    def read_body(self, body: bytes) -> Reading:
        """What a whole answer, or an error's body, says."""

    def reader(self) -> UsageReader:
        """A reader for one stream."""

    def rate_limits(self, headers: Mapping[str, str], now: float) -> tuple[RateLimit, ...]:
        """What the headers of an answer say of limits; `now` is seconds since the epoch."""

    # What a server needs.

    def conversation(self, request: Mapping[str, Any]) -> tuple[Said, ...]:
        """The messages of a request, the system's first."""

    def segments(self, request: Mapping[str, Any]) -> tuple[Segment, ...]:
        """The prompt in the pieces that a provider's cache goes by."""

    def body(self, answer: Answer) -> dict[str, Any]:
        """An answer in one piece."""

    def events(self, answer: Answer, asked: Asked, piece: int) -> Iterator[bytes]:
        """An answer as a stream, `piece` characters of text to an event."""

    def fault(self, status: int, message: str, *, kind: str = "", code: str = "") -> dict[str, Any]:
        """The body of an error; what is not given follows from the status."""

    def fault_event(self, status: int, message: str) -> bytes:
        """An error in the middle of a stream."""

    def models(self, names: Sequence[str]) -> dict[str, Any]:
        """The answer to a question for the models."""


# --- reading what may be anything -------------------------------------------------------------


def parse_object(raw: bytes | str) -> dict[str, Any] | None:
    """A JSON object, or None for anything else."""
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def is_closed(raw: bytes) -> bool:
    """Whether it may be a JSON object: what was cut off is none. Far cheaper than reading it."""
    return raw[:1] == b"{" and raw.rstrip()[-1:] == b"}"


def parse_request(raw: bytes) -> dict[str, Any]:
    """The JSON object of a request; NoRequest says what is wrong with it."""
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise NoRequest(f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise NoRequest("the body must be a JSON object")
    return value


def model_of(request: Mapping[str, Any]) -> str:
    """The model of a request that has messages; NoRequest says which is missing."""
    model = request.get("model")
    if not isinstance(model, str) or not model:
        raise NoRequest("'model' is missing")
    if not isinstance(request.get("messages"), list):
        raise NoRequest("'messages' must be a list")
    return model


def table(value: object, key: str = "") -> dict[str, Any]:
    """A table, or the table at a key of one; empty where there is none."""
    if key:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def rows(value: object, key: str = "") -> list[dict[str, Any]]:
    """The tables in a list, or in the list at a key of a table."""
    if key:
        value = value.get(key) if isinstance(value, dict) else None
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def text_of(value: object) -> str:
    """A text, or nothing."""
    return value if isinstance(value, str) else ""


def count_of(value: object) -> int | None:
    """A count, or None where there is none."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return None
    return value


def pieces(text: str, size: int) -> Iterator[str]:
    """A text in pieces of so many characters."""
    for start in range(0, len(text), max(1, size)):
        yield text[start : start + max(1, size)]


def packed(value: object) -> str:
    """JSON without blanks."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
