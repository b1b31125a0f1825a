"""What calls cost."""

from __future__ import annotations

import pytest

from ledger.model import Price, Tokens
from workers.gateway.prices import Prices

ANTHROPIC = "https://api.anthropic.com"
SONNET = "claude-sonnet-4-5"


def test_the_list_knows_a_model_at_its_vendors_address():
    cost = Prices().cost_usd("x", ANTHROPIC, SONNET, Tokens(input=1000, output=100))
    assert cost == pytest.approx((1000 * 3 + 100 * 15) / 1e6)
    cached = Tokens(input=1000, cache_read=1000, cache_write=1000, output=100)
    cost = Prices().cost_usd("x", ANTHROPIC, SONNET, cached)
    assert cost == pytest.approx((1000 * (3 + 0.3 + 3.75) + 100 * 15) / 1e6)


def test_a_cache_that_is_kept_for_an_hour_costs_more():
    written = Tokens(cache_write=1000)
    cost = Prices().cost_usd("x", ANTHROPIC, SONNET, written, long_cache=True)
    assert cost == pytest.approx(1000 * 6 / 1e6)


def test_a_model_that_is_served_elsewhere_has_no_price_whatever_its_name():
    for url in ("http://127.0.0.1:11434/v1", "https://llm.example.org"):
        assert Prices().cost_usd("x", url, SONNET, Tokens(input=1)) is None
        assert Prices().worst_usd("x", url, SONNET, 1000, 1000) is None
    assert Prices().cost_usd("x", ANTHROPIC, "claude-made-up-99x", Tokens(input=1)) is None


def test_a_users_price_wins_and_the_providers_own_first():
    prices = Prices(
        [Price(model=SONNET, input=1, output=2), Price(model=f"cheap:{SONNET}", input=0, output=0)]
    )
    assert prices.cost_usd("x", ANTHROPIC, SONNET, Tokens(input=10**6, output=10**6)) == 3
    assert prices.cost_usd("cheap", ANTHROPIC, SONNET, Tokens(input=10**6)) == 0
    whole = Tokens(input=1, cache_read=1, cache_write=1)
    assert prices.cost_usd("x", ANTHROPIC, SONNET, whole) == pytest.approx(3e-6)


def test_the_worst_is_what_goes_into_a_cache():
    worst = Prices().worst_usd("x", ANTHROPIC, SONNET, 1000, 100)
    assert worst == pytest.approx((1000 * 3.75 + 100 * 15) / 1e6)
    own = Prices([Price(model="m", input=1, output=10, cache_read=5, cache_write=2)])
    assert own.worst_usd("x", "", "m", 10**6, 0) == 5


def test_nothing_is_fetched(monkeypatch):
    import socket

    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("it connects"))
    assert Prices().cost_usd("x", ANTHROPIC, SONNET, Tokens(input=1)) is not None
