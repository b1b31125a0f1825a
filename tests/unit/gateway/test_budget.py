"""The arithmetic of budgets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.books import Books, Cap, Caps, Held, Sum, TooMuch, sum_of
from ledger.model import Shortage

SCOPES = ("attempt", "task", "run")


def held(tokens, usd=0.0, task="a", attempt=1):
    return Held(task, attempt, sum_of(tokens, usd))


def reserved(books, name, wanted):
    """The books with it, where it fits."""
    after = books.reserve(name, wanted)
    assert isinstance(after, Books), after
    return after


def test_what_is_reserved_counts_until_it_is_settled_at_what_it_came_to():
    books = reserved(Books(Caps(run=Cap(tokens=100))), "1", held(60))
    late = books.reserve("2", held(60))
    assert isinstance(late, TooMuch)
    assert (late.scope, late.for_now) == ("run", True)
    books = books.settle("1", sum_of(30, 0.0))
    assert books.spent_by() == Sum(30)
    assert isinstance(books.reserve("2", held(60)), Books)
    never = books.reserve("3", held(80))
    assert isinstance(never, TooMuch)
    assert not never.for_now


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("cap", [Cap(tokens=100), Cap(usd=1.0)])
def test_each_scope_has_a_cap_of_its_own(scope, cap):
    books = Books(Caps(**{scope: cap}))
    books = reserved(books, "1", held(60, 0.6)).settle("1", None)
    others = {"attempt": held(60, 0.6, attempt=2), "task": held(60, 0.6, task="b"), "run": None}
    over = books.reserve("2", held(60, 0.6))
    assert isinstance(over, TooMuch)
    assert over.scope == scope
    if (other := others[scope]) is not None:
        assert isinstance(books.reserve("3", other), Books)


def test_what_is_too_little_is_told_in_numbers_in_each_unit():
    caps = Caps(run=Cap(tokens=100, usd=1.0))
    books = reserved(Books(caps), "1", held(60, 0.25)).settle("1", None)
    over = books.reserve("2", held(50, 0.9))
    assert isinstance(over, TooMuch)
    assert "more than 100 tokens" in over.why
    assert over.short == (
        Shortage(unit="tokens", needed=50, left=40, limit=100),
        Shortage(unit="usd", needed=0.9, left=0.75, limit=1.0),
    )
    money = books.reserve("2", held(40, 0.9))
    assert isinstance(money, TooMuch) and [one.unit for one in money.short] == ["usd"]
    unpriced = Books(Caps(run=Cap(usd=1.0))).reserve("1", Held("a", 1, sum_of(1, None)))
    assert isinstance(unpriced, TooMuch) and unpriced.short == ()


def test_a_single_call_has_a_cap():
    books = Books(Caps(call=Cap(tokens=50)))
    over = books.reserve("1", held(51))
    assert isinstance(over, TooMuch)
    assert over.scope == "call"
    assert not over.for_now
    assert isinstance(books.reserve("1", held(50)), Books)


def test_where_the_price_is_not_known_the_caps_on_tokens_rule():
    both = Books(Caps(run=Cap(tokens=100, usd=0.01)))
    books = reserved(both, "1", Held("a", 1, sum_of(90, None)))
    assert books.held_by() == Sum(90, 0, 1)
    assert books.settle("1", sum_of(90, None)).spent_by().cost_usd is None
    assert isinstance(books.reserve("2", Held("a", 1, sum_of(20, None))), TooMuch)
    money_only = Books(Caps(run=Cap(usd=0.01)))
    unknown = money_only.reserve("1", Held("a", 1, sum_of(1, None)))
    assert isinstance(unknown, TooMuch)
    assert "price is not known" in unknown.why
    assert isinstance(Books().reserve("1", Held("a", 1, sum_of(1, None))), Books)


def test_what_nobody_settles_counts_as_spent():
    books = reserved(reserved(Books(), "1", held(10)), "2", held(20))
    left = books.settle("1", sum_of(1, 0.0)).abandoned()
    assert left.spent_by() == Sum(21)
    assert not left.held
    assert left.abandoned() == left


def test_settling_twice_is_as_good_as_once():
    books = reserved(Books(), "1", held(10)).settle("1", sum_of(4, 0.0))
    assert books.settle("1", sum_of(9, 0.0)) == books
    assert books.settle("never", None) == books


def test_money_is_exact_where_floats_are_not():
    books = Books(Caps(run=Cap(usd=0.3)))
    for name in "abc":
        books = reserved(books, name, held(0, 0.1)).settle(name, sum_of(0, 0.1))
    assert books.spent_by().cost_usd == 0.3
    assert isinstance(books.reserve("d", held(0, 1e-12)), TooMuch)


def test_another_cap_holds_from_then_on():
    books = reserved(Books(Caps(run=Cap(tokens=10))), "1", held(10)).settle("1", None)
    assert isinstance(books.reserve("2", held(1)), TooMuch)
    assert isinstance(books.under(Caps(run=Cap(tokens=11))).reserve("2", held(1)), Books)


def test_why_is_told_in_numbers():
    books = reserved(Books(Caps(run=Cap(usd=1.0))), "1", held(5, 0.75))
    over = books.reserve("2", held(5, 0.5))
    assert isinstance(over, TooMuch)
    assert over.why == "$0.7500 in flight + $0.5000 that this call may come to: more than $1.0000"


amounts = st.builds(
    sum_of, st.integers(0, 60), st.none() | st.floats(0, 2, allow_nan=False, allow_infinity=False)
)
caps = st.builds(Cap, st.none() | st.integers(0, 200), st.none() | st.floats(0, 5, allow_nan=False))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("reserve"), st.sampled_from("ab"), st.integers(1, 2), amounts),
        st.tuples(st.just("settle"), st.integers(0, 5), st.none() | st.floats(0, 1)),
        st.tuples(st.just("die")),
    ),
    max_size=40,
)


def level_of(purse):
    """0 the run, 1 a task, 2 an attempt."""
    return 0 if not purse else 1 + ("/" in purse)


def part_of(worst, share):
    """An outcome that is no worse than the worst."""
    return None if share is None else Sum(int(worst.tokens * share), int(worst.nanos * share))


@given(st.builds(Caps, caps, caps, caps, caps), steps)
def test_spent_and_reserved_never_exceed_a_cap(limits, done):
    """As long as no call comes to more than its worst; and sums agree in all scopes."""
    books = Books(limits)
    for number, step in enumerate(done):
        if step[0] == "reserve":
            _, task, attempt, worst = step
            after = books.reserve(str(number), Held(task, attempt, worst))
            if isinstance(after, TooMuch):
                if not after.for_now:  # nothing in flight would help
                    alone = Books(limits, books.spent).reserve("x", Held(task, attempt, worst))
                    assert isinstance(alone, TooMuch)
            else:
                books = after
        elif step[0] == "settle" and books.held:
            name = sorted(books.held)[step[1] % len(books.held)]
            books = books.settle(name, part_of(books.held[name].worst, step[2]))
        elif step[0] == "die":
            before = books.spent_by() + books.held_by()
            books = books.abandoned()
            assert books.spent_by() == before
        purses = {purse for one in books.held.values() for purse in one.purses} | {*books.spent}
        for purse in purses:
            cap = (limits.run, limits.task, limits.attempt)[level_of(purse)]
            assert cap.holds(books.spent_by(purse) + books.held_by(purse))
        for level in (1, 2):
            parts = [books.spent_by(p) + books.held_by(p) for p in purses if level_of(p) == level]
            assert sum(parts, Sum()) == books.spent_by() + books.held_by()
