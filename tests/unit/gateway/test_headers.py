"""What headers go on, what comes back, and a key that is in no piece of a stream."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workers.gateway.headers import KeyGuard, back, onwards

KEY = "sk-real-aab-aac"


def test_only_what_says_what_is_wanted_goes_on():
    sent = [
        ("Content-Type", "application/json"),
        ("anthropic-version", "2023-06-01"),
        ("x-stainless-lang", "python"),
        ("X-Stainless-Retry-Count", "1"),
        ("x-api-key", "dead"),
        ("Authorization", "Bearer dead"),
        ("Cookie", "a=b"),
        ("Host", "127.0.0.1"),
        ("Accept-Encoding", "gzip"),
        ("Connection", "keep-alive"),
    ]
    assert onwards(sent, {"x-api-key": KEY}) == {
        "Content-Type": "application/json",
        "anthropic-version": "2023-06-01",
        "x-stainless-lang": "python",
        "accept-encoding": "identity",
        "x-api-key": KEY,
    }


def test_back_comes_what_is_not_of_the_connection_or_the_account():
    sent = [
        ("Request-Id", "req_1"),
        ("anthropic-ratelimit-requests-remaining", "9"),
        ("Set-Cookie", "a=b"),
        ("Connection", "close, X-Hop"),
        ("X-Hop", "1"),
        ("Transfer-Encoding", "chunked"),
        ("Content-Encoding", "gzip"),
        ("Content-Length", "5"),
        ("Location", "http://elsewhere"),
        ("anthropic-organization-id", "org"),
        ("X-Echo", f"Bearer {KEY}"),
    ]
    assert back(sent, [KEY, ""]) == [
        ("request-id", "req_1"),
        ("anthropic-ratelimit-requests-remaining", "9"),
    ]


@given(
    st.lists(st.sampled_from([KEY, KEY[:5], KEY[3:], "a", "sk-", "-", "\n"]), max_size=12),
    st.lists(st.integers(0, 60), max_size=8),
)
def test_a_key_is_found_wherever_the_stream_is_cut(parts, cuts):
    whole = "".join(parts).encode()
    guard, said, at = KeyGuard([KEY]), b"", 0
    for cut in [*sorted(cuts), len(whole)]:
        said += guard.feed(whole[at : max(at, cut)])
        at = max(at, cut)
    said += guard.end()
    assert KEY.encode() not in said
    assert said == whole.replace(KEY.encode(), KeyGuard.MARK)


def test_a_stream_without_a_key_is_held_up_by_nothing():
    guard = KeyGuard([KEY])
    for chunk in (b"data: {}\n\n", b"event: a\ndata: s\n\n"):
        assert guard.feed(chunk) == chunk
