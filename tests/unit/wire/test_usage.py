"""What vendors say of usage, limits and errors, and what a request asks for."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.model import Tokens
from workers.wire.dialect import Answer, Fault, NoRequest, RateLimit
from workers.wire.dialects import DIALECTS, dialect_named, dialect_of
from workers.wire.estimate import PICTURE, tokens_at_most
from workers.wire.headers import parse_duration, parse_moment, retry_after_s

ANTHROPIC = dialect_named("anthropic")
OPENAI = dialect_named("openai")
COUNT = st.integers(0, 10**9)


def openai_usage(usage):
    body = {"object": "chat.completion", "choices": [{"finish_reason": "stop"}], "usage": usage}
    return OPENAI.read_body(json.dumps(body).encode()).tokens


@given(tokens=st.builds(Tokens, input=COUNT, cache_read=COUNT, cache_write=COUNT, output=COUNT))
def test_usage_that_was_written_is_read_again(tokens):
    for dialect in DIALECTS:
        body = json.dumps(dialect.body(Answer(id="x", model="m", text="hi", tokens=tokens)))
        reading = dialect.read_body(body.encode())
        assert reading.tokens == tokens
        assert reading.final and reading.ended


def test_tokens_are_added_field_by_field():
    one = Tokens(input=1, cache_read=2, cache_write=3, output=5, reasoning=4)
    assert (one + one).total == 22 == 2 * one.total
    assert (one + Tokens()).prompt == 6


def test_cached_tokens_are_taken_out_of_the_prompt_once():
    details = {"cached_tokens": 60, "cache_write_tokens": 10}
    usage = {"prompt_tokens": 100, "completion_tokens": 7, "prompt_tokens_details": details}
    assert openai_usage(usage) == Tokens(input=30, cache_read=60, cache_write=10, output=7)


def test_deepseeks_cache_hits_are_cached_reads():
    usage = {"prompt_tokens": 100, "completion_tokens": 7, "prompt_cache_hit_tokens": 64}
    usage["prompt_cache_miss_tokens"] = 36
    assert openai_usage(usage) == Tokens(input=36, cache_read=64, output=7)
    # Said in both ways it counts once.
    usage["prompt_tokens_details"] = {"cached_tokens": 64}
    assert openai_usage(usage) == Tokens(input=36, cache_read=64, output=7)


def test_reasoning_is_in_the_output_whether_the_vendor_includes_it_or_not():
    usage = {"prompt_tokens": 10, "completion_tokens": 50, "total_tokens": 60}
    usage["completion_tokens_details"] = {"reasoning_tokens": 30}
    assert openai_usage(usage) == Tokens(input=10, output=50, reasoning=30)
    usage |= {"completion_tokens": 20, "total_tokens": 60}
    assert openai_usage(usage) == Tokens(input=10, output=50, reasoning=30)


def test_odd_counts_are_no_counts():
    odd = {"prompt_tokens": -5, "completion_tokens": "7", "prompt_tokens_details": None}
    assert openai_usage(odd) == Tokens()
    more = {"prompt_tokens": 5, "completion_tokens": True}
    assert openai_usage({**more, "prompt_tokens_details": {"cached_tokens": 50}}) == Tokens(
        cache_read=5
    )


def test_thinking_is_told_apart_in_messages():
    usage = {"input_tokens": 3, "output_tokens": 9, "cache_read_input_tokens": None}
    usage["output_tokens_details"] = {"thinking_tokens": 4}
    body = json.dumps({"type": "message", "usage": usage}).encode()
    assert ANTHROPIC.read_body(body).tokens == Tokens(input=3, output=9, reasoning=4)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda one: one.name)
def test_errors_are_read_as_they_are_written(dialect):
    body = json.dumps(dialect.fault(429, "slow down", kind="rate", code="spent")).encode()
    assert dialect.read_body(body).fault == Fault("rate", "slow down", "spent")
    assert dialect.read_body(b"<html>bad gateway").fault is None
    assert dialect.read_body(b'{"error": "plain"}').tokens is None


# --- requests ---------------------------------------------------------------------------------


def test_what_a_request_asks_for():
    messages = [{"role": "user", "content": "hi"}]
    asked = ANTHROPIC.asked({"model": "m", "max_tokens": 50, "messages": messages, "stream": True})
    assert (asked.model, asked.stream, asked.max_output) == ("m", True, 50)
    assert asked.usage_wanted
    request = {"model": "m", "messages": messages, "max_completion_tokens": 50, "n": 3}
    asked = OPENAI.asked(request)
    assert (asked.stream, asked.max_output, asked.usage_wanted) == (False, 150, True)
    assert not OPENAI.asked({**request, "stream": True}).usage_wanted
    with pytest.raises(NoRequest, match="'model' is missing"):
        OPENAI.asked({"messages": messages})
    with pytest.raises(NoRequest, match="'messages' must be a list"):
        ANTHROPIC.asked({"model": "m", "messages": "hi"})


def test_a_bounded_request_says_its_usage_and_no_more_than_the_limit():
    request = {"model": "m", "messages": [], "stream": True, "stream_options": {"x": 1}}
    bounded = OPENAI.bounded(request, 100)
    assert bounded["stream_options"] == {"x": 1, "include_usage": True}
    assert bounded["max_tokens"] == 100
    assert OPENAI.asked(bounded).max_output == 100
    assert OPENAI.asked(OPENAI.bounded({**request, "n": 4}, 100)).max_output == 100
    newer = OPENAI.bounded({**request, "max_completion_tokens": 30}, 100)
    assert newer["max_completion_tokens"] == 30 and "max_tokens" not in newer
    assert ANTHROPIC.bounded({"max_tokens": 500}, 100)["max_tokens"] == 100
    assert ANTHROPIC.bounded({"max_tokens": 500}, None)["max_tokens"] == 500
    assert request["stream_options"] == {"x": 1}, "the request itself stays as it is"


def test_keys_are_found_where_clients_put_them():
    assert ANTHROPIC.key({"x-api-key": "k"}) == ANTHROPIC.key({"authorization": "Bearer k"}) == "k"
    assert OPENAI.key({"authorization": "bearer k"}) == OPENAI.key({"x-api-key": "k"}) == "k"
    assert OPENAI.key({"authorization": "Basic k"}) is None
    for dialect in DIALECTS:
        assert dialect.key(dialect.key_headers("k")) == "k"


def test_the_dialect_is_known_by_the_path():
    assert dialect_of("/v1/messages") is ANTHROPIC
    assert dialect_of("/v1/chat/completions") is dialect_of("/chat/completions") is OPENAI
    assert dialect_of("/v1/messages/count_tokens") is None


def test_the_estimate_is_above_what_words_and_code_take():
    code = "def add(left, right):\n    return left + right\n" * 100
    request = {"model": "m", "messages": [{"role": "user", "content": code}]}
    many = tokens_at_most(request)
    assert len(code) / 4 * 1.3 < many < len(code) + 2000
    keys = "sk9XQ2" * 100
    assert tokens_at_most({"messages": [{"content": keys}]}) > len(keys) * 0.8
    assert tokens_at_most({"messages": [{"content": "世" * 100}]}) >= 300
    more = {**request, "tools": [{"name": "read", "description": code}]}
    assert tokens_at_most(more) > many + len(code) / 2


def test_a_picture_counts_as_one_whatever_its_size():
    picture = {"type": "image", "source": {"type": "base64", "data": "A" * 1_000_000}}
    request = {"messages": [{"role": "user", "content": [picture]}]}
    assert PICTURE < tokens_at_most(request) < 2 * PICTURE


# --- headers ----------------------------------------------------------------------------------

NOW = 1_790_000_000.0


def test_how_long_to_wait():
    assert retry_after_s({}, NOW) is None
    assert retry_after_s({"retry-after": "7"}, NOW) == 7
    assert retry_after_s({"retry-after": "1.5", "retry-after-ms": "300"}, NOW) == 0.3
    date = {"retry-after": "Mon, 21 Sep 2026 14:13:30 GMT"}
    assert retry_after_s(date, NOW) == 10
    assert retry_after_s(date, NOW + 100) == 0
    for odd in ("soon", "-3", "inf", "nan", "1e9", "9" * 400, "Mon, 99 Foo 0000 99:99:99"):
        assert retry_after_s({"retry-after": odd}, NOW) in (None, 0.0)


@given(said=st.text(max_size=40))
def test_headers_never_fail(said):
    headers = {"retry-after": said, "x-ratelimit-reset-tokens": said}
    headers["anthropic-ratelimit-tokens-reset"] = said
    retry_after_s(headers, NOW)
    for dialect in DIALECTS:
        dialect.rate_limits(headers, NOW)


def test_durations_and_moments():
    assert parse_duration("6m0s") == 360 and parse_duration("20ms") == 0.02
    assert parse_duration("1h2m3.5s") == 3723.5 and parse_duration("2") == 2
    assert parse_duration("soon") is None and parse_duration("") is None
    assert parse_moment("2026-09-21T14:13:20Z") == NOW
    assert parse_moment("2026-09-21T16:13:20.5+02:00") == NOW + 0.5
    assert parse_moment("2026-13-21T14:13:20Z") is None


def test_limits_are_read_from_headers():
    headers = {
        "anthropic-ratelimit-input-tokens-limit": "1000",
        "anthropic-ratelimit-input-tokens-remaining": "0",
        "anthropic-ratelimit-input-tokens-reset": "2026-09-21T14:13:50Z",
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
    }
    assert ANTHROPIC.rate_limits(headers, NOW) == (RateLimit("input-tokens", 1000, 0, 30.0),)
    assert OPENAI.rate_limits(headers, NOW) == (RateLimit("requests", 60, 59, 1.0),)
