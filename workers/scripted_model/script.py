"""A script: the turns that a scripted model gives, and what is asked before each. Pure values.

1. A turn answers a request when all that it asks for holds. Patterns are regular expressions,
   searched for anywhere, with `.` for line ends too and `^`, `$` at every line.
2. A conversation is known by what was said before the model's first answer, the system's words
   left out; `conversation` may name a part of it instead, such as the task.
3. The first turn in the order of the file that applies and is not used up answers. It is used up
   after `repeat` answers in one conversation, or with `per = "script"` in all of them together.
4. A turn that nothing asks of is simply the next. A request that no turn answers is an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from ledger.model import Tokens, Value
from workers.wire.dialect import Stop

Pattern = str
"""A regular expression, searched for."""
Trouble = Literal["cut", "reset", "broken", "silence", "error", "huge"]
Seconds = Annotated[float, Field(ge=0, le=86400)]

ASKS = ("task", "when", "system", "model")
"""The keys of a turn that are patterns."""
SAYS = ("text", "reasoning", "call", "stop", "usage")
FLAGS = re.MULTILINE | re.DOTALL
_HEADER = re.compile(r"[A-Za-z0-9-]+")


class ToolCall(Value):
    """A tool that the model wants called."""

    name: Annotated[str, Field(min_length=1)]
    input: dict[str, Any] = Field(default_factory=dict)


class Turn(Value):
    """One answer, or one failure."""

    # Asks.
    task: Pattern = ""
    """In what was said before the model's first answer, the system's words too."""
    when: Pattern = ""
    """In what was said since the model's last answer: a person's words, or a tool's result."""
    system: Pattern = ""
    model: Pattern = ""
    dialect: Literal["anthropic", "openai"] | None = None
    at: Annotated[int, Field(ge=1)] | None = None
    """The number of this answer in the conversation, as the request tells it."""
    repeat: Annotated[int, Field(ge=0)] = 1
    """How often it answers; 0: without end."""
    per: Literal["conversation", "script"] = "conversation"

    # Says.
    text: str = ""
    reasoning: str = ""
    call: tuple[ToolCall, ...] = ()
    stop: Stop | None = None
    """Absent: `tool-calls` where there are some, else `end`."""
    usage: Tokens | None = None
    """Absent: from the sizes, with a cache of prefixes."""

    # Its pace.
    first_byte_s: Seconds = 0.0
    chunk_s: Seconds = 0.0
    chunk_chars: Annotated[int, Field(ge=1)] = 20

    # Trouble.
    status: Annotated[int, Field(ge=300, le=599)] | None = None
    """An error instead of an answer."""
    message: str = ""
    kind: str = ""
    """The error's type; absent: what belongs to the status."""
    code: str = ""
    headers: dict[str, str] = Field(default_factory=dict)
    """Beside the usual ones, with an answer too."""
    trouble: Trouble | None = None
    """What happens to the answer on its way."""
    after: Annotated[int, Field(ge=0)] = 1
    """Chunks that go out before the trouble."""
    silence_s: Seconds = 3600.0
    huge_mb: Annotated[float, Field(gt=0, le=4096)] = 64.0


class Script(Value):
    """All that a scripted model will say."""

    conversation: Pattern = ""
    """Its first group (or all of it) tells conversations apart; absent: their first words do."""
    models: tuple[str, ...] = ("scripted",)
    """What it answers when it is asked for its models."""
    cache_min_tokens: Annotated[int, Field(ge=0)] = 1024
    """Shorter prefixes are not cached."""
    turn: Annotated[tuple[Turn, ...], Field(min_length=1)]


class ScriptError(ValueError):
    """A script that is wrong: all that is wrong with it."""


Rule = tuple[tuple[str | int, ...], str, str]
"""Where in the script, what is wrong there, and what to write instead."""


def script_rules(script: Script) -> Iterator[Rule]:
    """What is wrong with a script whose shape is right."""
    yield from _pattern(("conversation",), script.conversation)
    for number, turn in enumerate(script.turn):
        yield from turn_rules(turn, number)
    for number, turn in enumerate(script.turn[:-1]):
        asks = any(getattr(turn, key) for key in ASKS) or turn.dialect or turn.at
        if turn.repeat == 0 and not asks:
            what = f"is never reached: turn {number + 1} answers everything, without end"
            yield ("turn", number + 1), what, "put it before, or let the other ask for something"
            break


def turn_rules(turn: Turn, number: int) -> Iterator[Rule]:
    """What is wrong with one turn, the `number`th from 0."""
    at = ("turn", number)
    for key in ASKS:
        yield from _pattern((*at, key), getattr(turn, key))
    given = turn.model_fields_set
    if turn.status is not None:
        if said := [key for key in (*SAYS, "trouble") if key in given]:
            what = f"'{said[0]}' is never said: the turn answers with status {turn.status}"
            yield (*at, said[0]), what, "make it a turn of its own"
        if turn.status < 400 and "location" not in {key.lower() for key in turn.headers}:
            what = f"'status' {turn.status} leads nowhere"
            yield (*at, "status"), what, 'add: headers = { location = "http://..." }'
    else:
        words = [key for key in ("message", "kind", "code") if key in given]
        if words and turn.trouble != "error":
            what = f"'{words[0]}' belongs to an error, and the turn is none"
            yield (*at, words[0]), what, 'add: status = 500, or trouble = "error"'
        if turn.stop == "tool-calls" and not turn.call:
            yield (*at, "stop"), "'stop' is \"tool-calls\", but there is no call", "add: call = ..."
    for key, needs in (("silence_s", "silence"), ("huge_mb", "huge")):
        if key in given and turn.trouble != needs:
            yield (*at, key), f"'{key}' does nothing here", f'add: trouble = "{needs}"'
    if "after" in given and turn.trouble is None:
        yield (*at, "after"), "'after' does nothing here", 'add: trouble = "cut"'
    for name, value in turn.headers.items():
        if not _HEADER.fullmatch(name) or not (value.isascii() and value.isprintable()):
            yield (*at, "headers", name), f"'{name}' cannot be a header", "use plain letters"
        if name.lower() in ("content-length", "transfer-encoding"):
            yield (*at, "headers", name), f"'{name}' follows from the answer", "leave it out"
    for place, call in enumerate(turn.call):
        try:
            json.dumps(call.input, allow_nan=False)
        except (TypeError, ValueError):
            what = f"the input of '{call.name}' is no JSON: it holds a date, a time or no number"
            yield (*at, "call", place, "input"), what, "write dates as text"


def _pattern(at: tuple[str | int, ...], pattern: str) -> Iterator[Rule]:
    try:
        re.compile(pattern, FLAGS)
    except (re.error, RecursionError, OverflowError) as error:
        what = f"'{at[-1]}' is no regular expression: {error}"
        yield at, what, "a sign with a meaning is written with a backslash: in '...' quotes once"


def script_of(table: Mapping[str, Any]) -> Script:
    """A script from the values of a TOML document; ScriptError tells all that is wrong."""
    try:
        script = Script.model_validate(_frozen(table))
    except ValidationError as error:
        wrong = [
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}"
            for one in error.errors(include_url=False)
        ]
        raise ScriptError("\n".join(wrong)) from None
    if broken := list(script_rules(script)):
        wrong = [f"{'.'.join(map(str, at))}: {what}" for at, what, _ in broken]
        raise ScriptError("\n".join(wrong))
    return script


def _frozen(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(one) for one in value)
    if isinstance(value, Mapping):
        return {key: _frozen(one) for key, one in value.items()}
    return value
