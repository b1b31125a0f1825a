"""The arithmetic of pauses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.gateway.pace import ALL, LAST_S, LONGEST_S, Pace, told_wait_s
from workers.wire.dialect import RateLimit


def test_a_limit_holds_as_long_as_the_provider_says():
    pace = Pace().limited(100.0, 99.0, 30.0, 0.0)
    assert pace.left_s(100.0) == 30.0
    assert pace.left_s(131.0) == 0.0
    assert pace.window == 1


def test_without_a_word_pauses_grow_to_a_minute():
    pace, now, waits = Pace(), 0.0, []
    for _ in range(10):
        pace = pace.limited(now, now, None, 0.0)
        waits.append(pace.left_s(now))
        now = pace.until
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]


def test_many_that_were_under_way_make_it_no_longer():
    pace = Pace().limited(10.0, 9.0, None, 0.0)
    for moment in range(16):
        pace = pace.limited(10.1 + moment / 100, 9.5, None, 0.0)
    assert pace.times == 1
    assert pace.until == pytest.approx(11.0)
    assert pace.limited(10.5, 9.5, 20.0, 0.0).until == pytest.approx(30.5)


def test_after_a_pause_one_goes_then_two_then_four():
    pace = Pace().limited(0.0, 0.0, 1.0, 0.0)
    assert not pace.allows(0)
    windows = []
    while pace.window is not None:
        pace = pace.served(2.0, 2.0)
        windows.append(pace.window)
    assert windows == [2, 4, 8, 16, 32, None]
    assert windows[-2] < ALL
    assert pace.allows(1000)
    assert pace.times == 0


def test_an_answer_to_a_call_from_before_the_pause_ends_nothing():
    pace = Pace().limited(10.0, 9.0, 1.0, 0.0)
    assert pace.served(10.5, 9.5) == pace


def test_a_clock_that_was_set_back_makes_no_pause_longer():
    pace = Pace().limited(1_000_000.0, 0.0, 30.0, 0.0)
    assert pace.left_s(5.0) == 30.0
    assert pace.served(40.0, 39.0).window == 2
    assert pace.limited(40.0, 39.0, None, 0.0).times == 2


def test_a_provider_that_has_nothing_left_is_taken_at_its_word():
    limits = (
        RateLimit("requests", 50, 0, 12.0),
        RateLimit("tokens", 50, 0, 3.0),
        RateLimit("input-tokens", 50, 7, 99.0),
        RateLimit("output-tokens", 50, 0, None),
    )
    assert told_wait_s(limits) == 12.0
    assert told_wait_s(limits[2:]) is None
    pace = Pace().emptied(100.0, 12.0)
    assert pace.left_s(100.0) == 12.0
    assert pace.emptied(101.0, 2.0) == pace


@given(
    st.lists(
        st.tuples(
            st.floats(-10, 100), st.none() | st.floats(0, 1e9), st.floats(0, 1), st.booleans()
        )
    )
)
def test_no_pause_is_endless(happened):
    pace, now = Pace(), 1000.0
    for step, told, chance, served in happened:
        now += step
        pace = pace.served(now, now) if served else pace.limited(now, now, told, chance)
        assert 0 <= pace.left_s(now) <= LONGEST_S + LAST_S
        assert pace.left_s(now + LONGEST_S * 2) == 0
