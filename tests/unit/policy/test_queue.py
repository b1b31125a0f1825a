"""The merge queue's numbers, against tables, brute force and laws."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.policy.queue import (
    chance,
    failure_rate,
    longest,
    nearest_built,
    nearest_length,
    next_lengths,
)

rates = st.floats(0.005, 0.95)


@pytest.mark.parametrize(
    ("rate", "queued", "length"),
    [
        (0.02, 100, 34),
        (0.05, 100, 14),  # ln 2 / p
        (0.10, 100, 7),
        (0.20, 100, 3),
        (0.30, 100, 2),
        (0.35, 100, 1),
        (0.50, 100, 1),
        (0.95, 100, 1),
        (0.02, 5, 5),
        (0.02, 1, 1),
    ],
)
def test_one_slot_judges_the_prefix_that_passes_every_second_time(rate, queued, length):
    lengths = next_lengths(queued, suspects=0, cut=0, rate=rate, slots=1, under_way=())
    assert lengths == (length,)


def test_a_red_prefix_is_searched_by_halves_where_heads_seldom_fail():
    found = []
    suspects = 64
    while suspects > 1:
        (length,) = next_lengths(100, suspects=suspects, cut=0, rate=0.005, slots=1, under_way=())
        found.append(length)
        suspects = length  # red again
    assert found[:3] == [29, 14, 7]
    assert found[-1] == 1
    assert len(found) <= 7


def test_a_red_prefix_of_one_has_nothing_left_to_search():
    assert next_lengths(9, suspects=1, cut=0, rate=0.1, slots=4, under_way=()) == ()
    assert next_lengths(0, suspects=0, cut=0, rate=0.1, slots=4, under_way=()) == ()


def test_nothing_beyond_a_cut_is_judged():
    assert next_lengths(100, suspects=0, cut=3, rate=0.01, slots=1, under_way=()) == (3,)
    assert next_lengths(100, suspects=2, cut=3, rate=0.01, slots=1, under_way=()) == (1,)


def test_more_slots_judge_nested_prefixes_at_equal_steps_of_chance():
    lengths = next_lengths(100, suspects=0, cut=0, rate=0.1, slots=3, under_way=())
    assert lengths == (3, 7, 13)
    chances = [chance(length, 0, 0.1) for length in lengths]
    assert chances == pytest.approx([0.75, 0.5, 0.25], abs=0.03)


def test_what_is_under_way_takes_its_slot_and_is_not_judged_twice():
    def more(*under_way: int) -> tuple[int, ...]:
        return next_lengths(100, suspects=0, cut=0, rate=0.1, slots=3, under_way=under_way)

    assert more(7) == (3, 13)
    assert more(3, 7) == (13,)
    assert more(3, 7, 13) == ()
    assert more(5, 6) == (3,)


@given(limit=st.integers(1, 80), wanted=st.floats(0.01, 0.99), rate=rates, red=st.booleans())
def test_the_nearest_length_is_the_one_that_brute_force_finds(limit, wanted, rate, red):
    suspects = limit + 1 if red else 0
    best = min(abs(chance(n, suspects, rate) - wanted) for n in range(1, limit + 1))
    found = nearest_length(wanted, limit, suspects, rate)
    assert 1 <= found <= limit
    assert abs(chance(found, suspects, rate) - wanted) == pytest.approx(best, abs=1e-9)


@given(
    queued=st.integers(0, 200),
    suspects=st.integers(0, 200),
    cut=st.integers(0, 200),
    rate=rates,
    slots=st.integers(1, 8),
    under_way=st.sets(st.integers(1, 200), max_size=8),
)
def test_lengths_stay_inside_what_is_useful(queued, suspects, cut, rate, slots, under_way):
    lengths = next_lengths(
        queued, suspects=suspects, cut=cut, rate=rate, slots=slots, under_way=under_way
    )
    assert len(lengths) <= max(0, slots - len(under_way))
    assert list(lengths) == sorted(set(lengths))
    for length in lengths:
        assert 1 <= length <= queued
        assert length not in under_way
        assert not suspects or length < suspects
        assert not cut or length <= cut


@given(queued=st.integers(1, 200), suspects=st.integers(0, 200), rate=rates)
def test_an_idle_slot_always_finds_something_to_judge(queued, suspects, rate):
    lengths = next_lengths(queued, suspects=suspects, cut=0, rate=rate, slots=1, under_way=())
    assert bool(lengths) == (suspects != 1)


@given(suspects=st.integers(0, 60), rate=rates, length=st.integers(1, 58))
def test_the_chance_falls_with_the_length_and_is_a_chance(suspects, rate, length):
    if suspects and length + 1 >= suspects:
        return
    shorter, longer = chance(length, suspects, rate), chance(length + 1, suspects, rate)
    assert 0.0 <= longer <= shorter <= 1.0


def test_the_rate_starts_from_history_and_moves_to_what_is_seen():
    assert failure_rate(0.1, 0, 0) == pytest.approx(0.1)
    assert failure_rate(0.1, 1, 0) > 0.1
    assert failure_rate(0.1, 0, 30) < 0.03
    assert failure_rate(0.1, 500, 500) == pytest.approx(0.5, abs=0.01)
    assert failure_rate(0.0, 0, 10_000) == 0.005
    assert failure_rate(1.0, 10_000, 0) == 0.95


@pytest.mark.parametrize(
    ("wanted", "built", "rate", "slots", "judged"),
    [
        (7, {7, 5}, 0.1, 1, 7),
        (7, {5}, 0.1, 1, 5),
        (7, {2}, 0.1, 1, None),  # 0.81 is nearer to none at all than to 0.48
        (4, {5, 3}, 0.1, 2, 5),
        (20, {12, 16}, 0.01, 1, 16),
        (1, {2}, 0.4, 1, None),
        (7, set(), 0.1, 1, None),
    ],
)
def test_what_is_built_is_judged_where_it_tells_nearly_as_much(wanted, built, rate, slots, judged):
    assert nearest_built(wanted, built, 0, rate, slots) == judged


@given(rate=rates, queued=st.integers(1, 60), slots=st.integers(1, 4))
def test_a_queue_that_grows_by_one_is_not_built_anew(rate, queued, slots):
    """What was wanted a moment ago is near enough, where heads seldom fail."""

    def lengths(count: int) -> tuple[int, ...]:
        return next_lengths(count, suspects=0, cut=0, rate=rate, slots=slots, under_way=())

    before, after = lengths(queued), lengths(queued + 1)
    if rate < 0.1:
        assert all(nearest_built(now, before, 0, rate, slots) is not None for now in after[:1])


def test_nothing_is_learnt_beyond_what_is_known_to_be_red_or_not_to_merge():
    assert longest(9, 0, 0) == 9
    assert longest(9, 4, 0) == 3
    assert longest(9, 4, 2) == 2
    assert longest(1, 0, 2) == 1
