"""How times are said, and how they are typed."""

import time

import pytest

from orchestrator.errors import OrchError
from orchestrator.review.words import duration, foreign, listed
from orchestrator.times import parse_deadline, parse_duration, parse_since


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0, "0 s"),
        (0.04, "0 s"),
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.6, "1 h 00 min"),
        (7800, "2 h 10 min"),
        (3 * 86400 + 3600, "3 d 1 h"),
    ],
)
def test_a_duration_is_said_with_the_two_units_that_matter(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("typed", "seconds"),
    [("90", 90), ("45s", 45), ("10m", 600), ("2h", 7200), ("1h30m", 5400), ("7d", 604800)],
)
def test_a_time_span_is_typed_as_people_do(typed: str, seconds: float) -> None:
    assert parse_duration(typed) == seconds


@pytest.mark.parametrize("typed", ["", "soon", "2 weeks", "h", "-5m", "1h and a bit", "nan"])
def test_what_is_no_time_span_is_refused_with_examples(typed: str) -> None:
    with pytest.raises(OrchError) as refused:
        parse_duration(typed)
    assert "10m" in refused.value.hint


def test_a_time_of_day_is_the_next_one() -> None:
    noon = time.mktime((2026, 11, 23, 12, 0, 0, 0, 0, -1))
    evening, morning = parse_deadline("18:30", noon), parse_deadline("07:00", noon)
    assert time.localtime(evening)[2:5] == (23, 18, 30)
    assert time.localtime(morning)[2:5] == (24, 7, 0)
    assert parse_deadline("2h", noon) == noon + 7200
    with pytest.raises(OrchError):
        parse_deadline("25:00", noon)
    for none in ("0", "0h", ""):
        with pytest.raises(OrchError) as refused:
            parse_deadline(none, noon)
        assert "2h" in refused.value.hint


def test_a_time_of_day_stays_itself_when_the_clocks_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        evening_before = time.mktime((2026, 3, 28, 22, 0, 0, 0, 0, -1))
        at = parse_deadline("07:00", evening_before)
        assert time.localtime(at)[2:5] == (29, 7, 0)
        assert at - evening_before == 8 * 3600  # one hour of that night does not exist
    finally:
        monkeypatch.undo()
        time.tzset()


def test_foreign_text_becomes_one_line_that_no_terminal_obeys() -> None:
    assert foreign("a\x1b[31mred\x1b]0;title\x07\nb\x9b2J\tc") == "ared b c"
    assert len(foreign("x" * 10_000)) <= 200


def test_a_long_list_is_cut_only_where_that_saves_something() -> None:
    assert listed("abcdef") == "a, b, c, d, e, f"
    assert listed("abcdefg") == "a, b, c, d, e and 2 more"


@pytest.mark.parametrize(
    ("typed", "seconds"),
    [("2 hours", 7200), ("1 day ago", 86400), ("2 weeks", 1209600), ("90 minutes", 5400)],
)
def test_since_is_typed_in_words(typed: str, seconds: float) -> None:
    assert parse_since(typed, 2_000_000_000) == 2_000_000_000 - seconds


def test_yesterday_is_a_day_of_the_calendar(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the day after the clocks went forward it began 23 hours before today did."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        noon = time.mktime((2026, 3, 30, 12, 0, 0, 0, 0, -1))
        assert parse_since("today", noon) == noon - 12 * 3600
        assert parse_since("Yesterday", noon) == noon - 12 * 3600 - 23 * 3600
    finally:
        monkeypatch.undo()
        time.tzset()
