"""Keys of attempts, and what is counted for each."""

from __future__ import annotations

import pytest

from ledger.model import Tokens
from workers.gateway.grants import TROUBLES, Ended, Grant, Keys, Told
from workers.gateway.trouble import Trouble
from workers.gateway.upstream import Provider
from workers.redact import Redactor
from workers.wire.dialects import dialect_named

GRANT = Grant("r", "a", 1, "coder", "maker", ("m",))


def test_each_attempt_has_a_key_of_its_own_that_dies_with_it():
    keys = Keys()
    first, second = keys.open(GRANT, Told()), keys.open(GRANT, Told())
    assert first.key != second.key
    assert keys.find(first.key) is first
    assert keys.close(first.key) is first
    assert keys.find(first.key) is None
    assert keys.close(first.key) is None
    assert keys.find(second.key) is second
    assert keys.find("") is None
    assert keys.find("schlüssel") is None


def test_a_key_looks_like_one_to_redaction():
    key = Keys().open(GRANT, Told()).key
    assert Redactor().redact_text(f"key={key}.") == "key=[redacted key]."


def test_the_end_is_told_once():
    told = []
    access = Keys().open(GRANT, Told(ended=told.append))
    access.end(Ended("budget", "used up", "run"))
    access.end(Ended("closed", "over"))
    assert told == [Ended("budget", "used up", "run")]


def test_an_unknown_cost_stays_unknown():
    access = Keys().open(GRANT, Told())
    access.spent(Tokens(input=1), 0.5)
    assert access.cost_usd == 0.5
    access.spent(Tokens(input=1), None)
    access.spent(Tokens(input=1), 0.5)
    assert access.cost_usd is None
    assert access.tokens.input == 3


def test_what_several_calls_wait_at_a_time_counts_once(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("workers.gateway.grants.time.monotonic", lambda: now[0])
    access = Keys().open(GRANT, Told())
    with access.waiting():
        now[0] += 1
        with access.waiting():
            now[0] += 1
            assert access.waited_s == pytest.approx(2)
        now[0] += 1
    now[0] += 10
    assert access.waited_s == pytest.approx(3)


def test_troubles_are_told_each_and_kept_up_to_a_bound():
    told = []
    access = Keys().open(GRANT, Told(trouble=told.append))
    for _ in range(TROUBLES + 5):
        access.trouble(Trouble("silent", "p", "m", "why"))
    assert len(told) == TROUBLES + 5
    assert len(access.troubles) == TROUBLES


@pytest.mark.parametrize(
    ("dialect", "url", "address"),
    [
        ("anthropic", "https://api.anthropic.com", "https://api.anthropic.com/v1/messages"),
        ("anthropic", "https://a.example/v1/", "https://a.example/v1/messages"),
        ("anthropic", "https://d.example/anthropic", "https://d.example/anthropic/v1/messages"),
        ("openai", "https://o.example", "https://o.example/v1/chat/completions"),
        ("openai", "https://o.example/v1", "https://o.example/v1/chat/completions"),
        ("openai", "https://o.example/api/v1/", "https://o.example/api/v1/chat/completions"),
        (
            "openai",
            "https://g.example/v1beta/openai",
            "https://g.example/v1beta/openai/chat/completions",
        ),
    ],
)
def test_a_base_url_is_taken_as_the_vendors_own_library_takes_it(dialect, url, address):
    provider = Provider("p", dialect, url)
    assert provider.address(dialect_named(dialect).path) == address
