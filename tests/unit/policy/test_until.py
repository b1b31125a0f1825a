"""What an `until` says, and which number a measure printed."""

import pytest

from orchestrator.policy.until import Until, number_in, parse_until, said_of_number


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("coverage >= 90", Until("coverage", ">=", 90.0)),
        ("todos==0", Until("todos", "==", 0.0)),
        (" p95 < 1.5 ", Until("p95", "<", 1.5)),
        ("drift > -2", Until("drift", ">", -2.0)),
        ("coverage => 90", None),
        ("coverage >= 90%", None),
        ("coverage", None),
        ("90 <= coverage", None),
        ("", None),
    ],
)
def test_an_until_is_a_measure_a_comparison_and_a_number(text: str, expected: Until | None) -> None:
    assert parse_until(text) == expected


@pytest.mark.parametrize(
    ("text", "value", "holds", "error"),
    [
        ("x >= 90", 90, True, 0),
        ("x >= 90", 61, False, 29),
        ("x > 90", 90, False, 0),
        ("x <= 3", 5, False, 2),
        ("x < 3", 1, True, 0),
        ("x == 0", -4, False, 4),
    ],
)
def test_the_error_is_how_far_it_is_from_there(
    text: str, value: float, holds: bool, error: float
) -> None:
    until = parse_until(text)
    assert until is not None
    assert (until.holds(value), until.error(value)) == (holds, error)


def test_nearer_is_a_smaller_error_or_to_hold_at_last() -> None:
    until = Until("x", ">", 90)
    assert until.nearer(80, 70) and not until.nearer(70, 70) and not until.nearer(60, 70)
    assert until.nearer(91, 90) and not until.nearer(90, 91)


@pytest.mark.parametrize(
    ("printed", "value"),
    [
        ("91", 91),
        ("building ...\nTOTAL   120   10   92%\n\n", 92),
        ("12 src/file.2 left", 12),
        ("error 404\nall is well", None),
        ("1,234 lines", 1234),
        ("-3.5", -3.5),
        ("1e3", 1000),
        ("v1.2.3", None),
        ("python3 is from 2026-11-26", None),
        ("nan", None),
        ("1e999", None),
        ("", None),
    ],
)
def test_the_last_number_of_the_last_line_counts(printed: str, value: float | None) -> None:
    assert number_in(printed.splitlines()) == value


def test_numbers_are_said_as_people_write_them() -> None:
    assert [said_of_number(n) for n in (91.0, 90.5, 1234567.0)] == ["91", "90.5", "1234567"]
