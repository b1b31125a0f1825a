"""What a reader makes of a stream does not depend on how the network cut it."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.model import Tokens
from workers.wire.dialect import Answer, Asked, Call, Fault
from workers.wire.dialects import DIALECTS, dialect_named
from workers.wire.sse import EventReader, render_event

TOKENS = Tokens(input=100, cache_read=40, cache_write=20, output=30, reasoning=10)
ANSWER = Answer(
    id="a1",
    model="m-1",
    text="Grüße, 世界 🎉\nusage: none",
    reasoning="hm ✓",
    calls=(Call("c1", "read", {"path": "ä.py"}), Call("c2", "run", {"usage": [1, {"x": "\n"}]})),
    stop="tool-calls",
    tokens=TOKENS,
)
ASKED = Asked("m-1", stream=True, max_output=None, input_at_most=0, usage_wanted=True)
STREAMS = {one.name: b"".join(one.events(ANSWER, ASKED, 3)) for one in DIALECTS}


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(stream), *(place % len(stream) for place in places)})
    return [stream[start:end] for start, end in pairwise(edges)]


def read(name: str, chunks: list[bytes]):
    reader = dialect_named(name).reader()
    for chunk in chunks:
        reader.feed(chunk)
    return reader.reading()


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_is_read_byte_by_byte(name):
    stream = STREAMS[name]
    reading = read(name, [stream[at : at + 1] for at in range(len(stream))])
    assert reading.tokens == TOKENS
    assert reading.final and reading.ended
    assert reading.model == "m-1"
    assert reading.stop == {"anthropic": "tool_use", "openai": "tool_calls"}[name]
    assert reading.fault is None


@pytest.mark.parametrize("name", STREAMS)
@given(
    places=st.lists(st.integers(0, 10_000), max_size=40),
    ends=st.sampled_from(["\n", "\r", "\r\n"]),
)
def test_a_stream_is_read_the_same_wherever_it_is_cut(name, places, ends):
    stream = STREAMS[name].replace(b"\n", ends.encode())
    assert read(name, cut(stream, places)) == read(name, [STREAMS[name]])


@pytest.mark.parametrize("name", STREAMS)
@given(end=st.integers(0, 10_000))
def test_a_stream_that_was_cut_off_has_not_ended(name, end):
    whole = STREAMS[name]
    # The line that says the end may lack its second line break: then its event is not whole.
    part = whole[: end % (len(whole) - 1)]
    reading = read(name, [part])
    assert not reading.ended
    assert reading.tokens is None or not reading.final or reading.tokens == TOKENS


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_without_its_last_word_has_said_all_of_its_usage_and_not_ended(name):
    *events, _ = dialect_named(name).events(ANSWER, ASKED, 3)
    reading = read(name, events)
    assert (reading.tokens, reading.final, reading.ended) == (TOKENS, True, False)


@pytest.mark.parametrize("name", STREAMS)
@given(chunks=st.lists(st.binary(max_size=60), max_size=12))
def test_reading_never_fails(name, chunks):
    read(name, chunks)
    read(name, [b'data: {"usage":', *chunks, b'"error" message_start\n\n'])


ODD = st.sampled_from([None, True, -1, 10**30, 0.5, float("inf"), "x", "", [], [{}], [1], {}])
KEYS = ["type", "message", "usage", "delta", "error", "choices", "model", "stop_reason"]
KEYS += ["output_tokens", "prompt_tokens", "prompt_tokens_details", "completion_tokens_details"]
TABLES = st.dictionaries(st.sampled_from(KEYS), ODD, max_size=6)


@given(
    inner=TABLES,
    outer=TABLES,
    key=st.sampled_from(KEYS),
    kind=st.sampled_from(["message_start", "message_delta", "error"]),
)
def test_answers_of_any_shape_are_read(inner, outer, key, kind):
    body = json.dumps({"type": kind, **outer, key: inner})
    for dialect in DIALECTS:
        dialect.read_body(body.encode())
        reader = dialect.reader()
        reader.feed(render_event(body))
        reader.reading()


@pytest.mark.parametrize("name", STREAMS)
def test_an_error_in_the_stream_is_kept_beside_what_was_read(name):
    dialect = dialect_named(name)
    events = list(dialect.events(ANSWER, ASKED, 3))
    reading = read(name, [*events[:4], dialect.fault_event(529, "too busy")])
    assert reading.fault == Fault("overloaded_error", "too busy")
    assert not reading.ended


def test_the_first_share_of_a_stream_says_the_input_and_is_not_final():
    events = list(dialect_named("anthropic").events(ANSWER, ASKED, 3))
    reading = read("anthropic", events[:5])
    assert reading.tokens == TOKENS.model_copy(update={"output": 1, "reasoning": 0})
    assert not reading.final


def test_a_delta_that_says_the_output_only_leaves_the_input_as_it_was():
    reader = dialect_named("anthropic").reader()
    started = {"input_tokens": 5, "cache_read_input_tokens": 7, "output_tokens": 1}
    reader.feed(render_event(json.dumps({"type": "message_start", "message": {"usage": started}})))
    usage = {"output_tokens": 40, "cache_read_input_tokens": None}
    reader.feed(render_event(json.dumps({"type": "message_delta", "delta": {}, "usage": usage})))
    assert reader.reading().tokens == Tokens(input=5, cache_read=7, output=40)
    assert reader.reading().final and not reader.reading().ended


def test_cumulative_usage_is_not_added_up():
    reader = dialect_named("openai").reader()
    for written in (1, 2, 3):
        usage = {"prompt_tokens": 9, "completion_tokens": written, "total_tokens": 9 + written}
        chunk = {"choices": [{"delta": {}, "finish_reason": None}], "usage": usage}
        reader.feed(render_event(json.dumps(chunk)))
    assert reader.reading().tokens == Tokens(input=9, output=3)
    assert not reader.reading().final


def test_a_stream_that_was_not_asked_for_usage_says_none():
    asked = Asked("m", stream=True, max_output=None, input_at_most=0, usage_wanted=False)
    dialect = dialect_named("openai")
    reading = read("openai", list(dialect.events(ANSWER, asked, 3)))
    assert reading.tokens is None and reading.ended


# --- events -----------------------------------------------------------------------------------


def events(*chunks: bytes, largest_bytes: int = 100) -> list[bytes]:
    reader = EventReader(largest_bytes)
    return [data for chunk in chunks for data in reader.feed(chunk)]


def test_events_are_read_as_the_standard_says():
    assert events(b"data: a\ndata:b\n\n") == [b"a\nb"]
    assert events(b": keep-alive\n\nevent: x\nid: 7\ndata: a\n\n") == [b"a"]
    assert events(b"\xef\xbb\xbfdata: a\n\n") == [b"a"]
    assert events(b"data: a\r", b"\n\r", b"\ndata: b\r\r") == [b"a", b"b"]
    assert events(b"data: a\r", b"\ndata: b\r", b"\n\r\n") == [b"a\nb"]
    assert events(b"data: a\n") == []


def test_an_event_that_is_too_large_is_dropped_and_the_next_is_read():
    reader = EventReader(100)
    chunks = [b"data: ", b"x" * 99, b"y" * 99, b"\ndata: more\n", b"\n", b"data: b\n\n"]
    assert [data for chunk in chunks for data in reader.feed(chunk)] == [b"b"]
    assert reader.dropped == 1
    assert events(*[b": a comment of some length\n"] * 50, b"data: a\n\n") == [b"a"]
