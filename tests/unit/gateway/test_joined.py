"""A recorded stream says the same as the one that came, and no secret hides in two pieces."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.model import Tokens
from workers.gateway.joined import PIECES, joined
from workers.redact import Redactor
from workers.wire.dialect import Answer, Asked, Call
from workers.wire.dialects import DIALECTS

SECRET = "hunter2-and-more"
CLEAN = Redactor({"T": SECRET}).redact_text
ASKED = Asked("m", True, 10, 10, True)
texts = st.lists(
    st.sampled_from(["a ", "ha", "ha", "ä", SECRET, SECRET[:6], '"', "\n"]), max_size=8
)


def told(stream):
    """All text that a stream tells, by its kind."""
    found = {}
    for line in stream.decode().splitlines():
        if line.startswith("data: {"):
            event = json.loads(line[6:])
            for at, text in _leaves(event, ()):
                found[at] = found.get(at, "") + text
    return {at: text for at, text in found.items() if text}


def _leaves(value, at):
    if isinstance(value, dict):
        index = value.get("index", "")
        for key, one in value.items():
            if key in PIECES and isinstance(one, str):
                yield (*at, key), one
                continue
            yield from _leaves(one, (*at, f"{key}{index}"))
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one, at)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@given(text=texts, argument=texts, piece=st.integers(1, 9))
def test_the_same_is_said_and_nothing_secret(dialect, text, argument, piece):
    calls = (Call("1", "f", {"x": "".join(argument)}), Call("2", "g", {"y": "".join(argument)}))
    answer = Answer("i", "m", "".join(text), "", calls, "tool-calls", Tokens(input=3, output=4))
    stream = b"".join(dialect.events(answer, ASKED, piece))
    plain = joined(stream, str)
    assert plain is not None
    assert told(plain) == told(stream)
    before, after = dialect.reader(), dialect.reader()
    before.feed(stream)
    after.feed(plain)
    assert after.reading() == before.reading()
    clean = joined(stream, CLEAN)
    assert clean is not None
    assert SECRET not in "".join(told(clean).values())
    assert SECRET.encode() not in clean


def test_what_cannot_be_joined_is_not_kept():
    halves = (SECRET[:8], SECRET[8:])
    events = [{"n": number, "delta": {"text": half}} for number, half in enumerate(halves)]
    stream = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)
    assert joined(stream, CLEAN) is None
    assert joined(stream, str) is not None


def test_texts_that_are_mixed_go_each_to_its_own():
    events = [{"index": number % 2, "delta": {"text": part}} for number, part in enumerate("abcd")]
    stream = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)
    whole = joined(stream, str)
    assert re.findall(rb'"text": "(\w+)"', whole) == [b"ac", b"bd"]
