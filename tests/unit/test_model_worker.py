"""Exact replacement, the same call again, and what gives way in a conversation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.model.context import FULL, NEWEST, Piece, Scale, give_way, size_of
from workers.model.editing import NotReplaced, replace_exactly
from workers.model.repeats import Repeats

TEXT = "def one():\n    return 1\n\n\ndef two():\n    return 1\n"


# --- replacement ------------------------------------------------------------------------------


def test_what_stands_there_once_is_replaced():
    done = replace_exactly(TEXT, "def two():\n    return 1", "def two():\n    return 2")
    assert done.text == TEXT[:-2] + "2\n"
    assert done.lines == (5,)


def test_what_stands_there_more_often_is_told_with_its_lines():
    with pytest.raises(NotReplaced, match=r"2 times, not 1: at line 2, 6\..*count=2"):
        replace_exactly(TEXT, "return 1", "return 2")
    assert replace_exactly(TEXT, "return 1", "return 2", 2).lines == (2, 6)


def test_blanks_that_differ_are_shown():
    with pytest.raises(NotReplaced, match=r"differ from it in blanks only(?s:.*)2\|     return 1"):
        replace_exactly(TEXT, "def one():\n\treturn 1", "x")


def test_the_nearest_lines_are_shown():
    with pytest.raises(NotReplaced, match=r"nearest lines are:(?s:.*)5\| def two"):
        replace_exactly(TEXT, "def twoo():", "x")
    with pytest.raises(NotReplaced, match="nor anything like it"):
        replace_exactly(TEXT, "@@@@@@@@@@", "x")


@pytest.mark.parametrize(
    ("old", "new", "count", "why"),
    [("", "x", 1, "empty"), ("one", "one", 1, "the same"), ("one", "x", 0, "at least 1")],
)
def test_what_makes_no_sense_is_said(old, new, count, why):
    with pytest.raises(NotReplaced, match=why):
        replace_exactly(TEXT, old, new, count)


def test_line_ends_stay_as_they_are():
    crlf = TEXT.replace("\n", "\r\n")
    done = replace_exactly(crlf, "def two():\n    return 1", "def two():\n    return 2")
    assert done.text == (TEXT[:-2] + "2\n").replace("\n", "\r\n")
    mixed = "a\r\nb\nc\r\n"
    assert replace_exactly(mixed, "b", "x").text == "a\r\nx\nc\r\n"


@given(st.text("ab\n", max_size=40), st.text("ab\n", min_size=1, max_size=3), st.text("xy"))
def test_all_or_nothing_changes(text, old, new):
    try:
        done = replace_exactly(text, old, new)
    except NotReplaced:
        assert text.count(old) != 1
    else:
        assert text.count(old) == 1 and done.text == text.replace(old, new)


# --- the same call again ----------------------------------------------------------------------


def test_only_calls_in_a_row_count():
    repeats = Repeats()
    assert [repeats.count("read", {"path": "a", "first": 1}) for _ in range(3)] == [1, 2, 3]
    assert repeats.count("read", '{"first": 1, "path": "a"}') == 4
    assert repeats.count("read", {"path": "b"}) == 1
    assert repeats.count("list", {"path": "b"}) == 1
    assert repeats.count("list", "{broken") == 1
    assert repeats.count("list", "{broken") == 2


# --- what gives way ---------------------------------------------------------------------------


def conversation(*sizes: int, stub: int = 100) -> list[Piece]:
    """A task, then for each size an answer with a call and its result."""
    pieces = [Piece("text", 0, 2000)]
    for turn, size in enumerate(sizes, 1):
        pieces += [Piece("text", turn, 200), Piece("call", turn, 80)]
        pieces.append(Piece("result", turn, size, stub))
    return pieces


def test_nothing_gives_way_while_there_is_room():
    assert give_way(conversation(*[4000] * 20), 8000, 128_000, Scale()) == frozenset()


def test_the_oldest_results_give_way_in_one_go():
    pieces = conversation(*[4000] * 60)
    gone = give_way(pieces, 8000, 128_000, Scale())
    results = [number for number, piece in enumerate(pieces) if piece.kind == "result"]
    assert sorted(gone) == results[: len(gone)]
    assert 20 < len(gone) < 60 - NEWEST
    # And then nothing for a good while.
    shorter = [
        Piece(one.kind, one.turn, one.stub_bytes) if number in gone else one
        for number, one in enumerate(pieces)
    ]
    more = [*shorter, *conversation(*[4000] * 20)[1:]]
    assert give_way(more, 8000, 128_000, Scale()) == frozenset()


def test_the_newest_results_stay_unless_they_fill_the_window():
    pieces = conversation(*[50_000] * 3)
    assert give_way(pieces, 8000, 128_000, Scale()) == frozenset()
    pieces = conversation(*[120_000] * 3)
    gone = give_way(pieces, 8000, 128_000, Scale())
    assert pieces[3].kind == "result" and gone == {3, 6}


@given(
    st.lists(st.integers(0, 40_000), max_size=60),
    st.integers(0, 20_000),
    st.integers(8_000, 400_000),
    st.floats(0.1, 0.9),
)
def test_after_it_gave_way_the_window_is_not_full(sizes, fixed, window, ratio):
    """Unless what is left is what may not give way."""
    pieces, scale = conversation(*sizes), Scale(ratio)
    gone = give_way(pieces, fixed, window, scale)
    kept = [
        Piece(one.kind, one.turn, one.stub_bytes) if number in gone else one
        for number, one in enumerate(pieces)
    ]
    if scale.tokens(size_of(kept, fixed)) >= window * FULL:
        left = [p for p in kept if p.saves >= 200]
        newest = max((p.turn for p in pieces), default=0)
        assert all(piece.turn > newest - 1 for piece in left)
    assert give_way(kept, fixed, window, scale) <= frozenset(
        number for number, one in enumerate(kept) if one.stub_bytes
    )


def test_the_scale_follows_what_the_provider_counted():
    scale = Scale().corrected(40_000, 20_000)
    assert scale.tokens(1000) == 500
    assert scale.corrected(40_000, 0) == scale
    assert Scale().corrected(4_000, 10**9).tokens(10) == 10
