"""When a schedule is due: against every minute of a zone's clock, one after the other.

What fires is looked up minute by minute with the clock of the zone itself, by a reader of cron
lines that knows nothing of the one that is used.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orchestrator.automations import times
from orchestrator.automations.times import (
    clock_problem,
    cron_problem,
    hours_problem,
    in_hours,
    last_due,
    next_clock,
    next_due,
    zone_problem,
)
from tests.support.examples import examples

BERLIN = "Europe/Berlin"
ZONES = (
    BERLIN,
    "UTC",
    "America/New_York",
    "America/St_Johns",
    "America/Santiago",  # the day that begins summer has no midnight
    "Africa/Casablanca",  # summer is what remains outside Ramadan
    "Asia/Kathmandu",  # 45 minutes off, always
    "Australia/Lord_Howe",  # summer is half an hour
    "Pacific/Apia",
)
FROM = int(datetime(2021, 1, 1, tzinfo=UTC).timestamp())
TO = int(datetime(2029, 1, 1, tzinfo=UTC).timestamp())
MINUTE = timedelta(minutes=1)


def at(text: str, zone: str = BERLIN, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def said(moment: float | None, zone: str = BERLIN) -> str:
    assert moment is not None
    return datetime.fromtimestamp(moment, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M %z")


# --- what is looked up minute by minute -----------------------------------------------------------


def numbers(field: str, low: int, high: int) -> set[int]:
    """What a field of a cron line names: stars, numbers, ranges, lists and steps."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        begin = low if span == "*" else int(first)
        end = high if span == "*" or (step and not last) else int(last or first)
        found |= set(range(begin, end + 1, int(step or 1)))
    return found


def reads(line: str, local: datetime) -> bool:
    """Whether a clock that shows this is what the line says."""
    minute, hour, day, month, weekday = line.split()
    days = local.day in numbers(day, 1, 31)
    weekdays = bool({local.isoweekday() % 7, local.isoweekday()} & numbers(weekday, 0, 7))
    both = day.startswith("*") or weekday.startswith("*")
    return (
        local.minute in numbers(minute, 0, 59)
        and local.hour in numbers(hour, 0, 23)
        and local.month in numbers(month, 1, 12)
        and (days and weekdays if both else days or weekdays)
    )


def fires(line: str, zone: str, moment: int) -> bool:
    """Whether a line fires at the begin of a minute."""
    where = ZoneInfo(zone)
    local = datetime.fromtimestamp(moment, where)
    wall = local.replace(tzinfo=None, fold=0)
    if line.startswith("*") or line.split()[1].startswith("*"):
        return reads(line, wall)
    if local.fold:
        return False
    before = datetime.fromtimestamp(moment - 60, where).replace(tzinfo=None, fold=0)
    leapt = before + MINUTE
    while leapt < wall:
        if reads(line, leapt):
            return True
        leapt += MINUTE
    return reads(line, wall)


def every_firing(line: str, zone: str, after: int, minutes: int) -> list[float]:
    first = after - after % 60 + 60
    span = range(first, first + 60 * minutes, 60)
    return [float(one) for one in span if fires(line, zone, one)]


def changes_of(zone: str) -> list[int]:
    """The moments, to the hour, at which a zone's offset changes."""
    where, found = ZoneInfo(zone), []
    before = datetime.fromtimestamp(FROM, where).utcoffset()
    for moment in range(FROM, TO, 3600):
        now = datetime.fromtimestamp(moment, where).utcoffset()
        if now != before:
            found.append(moment)
        before = now
    return found


CHANGES = {zone: changes_of(zone) for zone in ZONES}


def field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    # A span of one number with steps goes on to the end here, which is nobody's to rely on.
    ends = st.tuples(number, number).filter(lambda both: both[0] != both[1])
    span = ends.map(lambda both: f"{min(both)}-{max(both)}")
    spans = st.one_of(st.just("*"), span)
    step = st.builds(lambda one, by: f"{one}/{by}", spans, st.integers(1, 9))
    one = st.one_of(number.map(str), number.map(str), span, step)
    lists = st.lists(one, min_size=1, max_size=2).map(",".join)
    return st.one_of(st.just("*"), lists)


LINES = st.tuples(
    field(0, 59), field(0, 4), st.one_of(st.just("*"), field(1, 31)), st.just("*"), field(0, 7)
).map(" ".join)


@st.composite
def moments(draw):
    """A zone, and a moment of it that is mostly near a change of its offset."""
    zone = draw(st.sampled_from(ZONES))
    some = CHANGES[zone] or [FROM + (TO - FROM) // 3]
    near = st.sampled_from(some).flatmap(lambda one: st.integers(one - 40_000, one + 10_000))
    return zone, draw(st.one_of(near, st.integers(FROM, TO)))


@given(LINES, moments())
@example("30 2 * * *", (BERLIN, int(at("2026-03-29 01:59"))))
@example("30 2 * * *", (BERLIN, int(at("2026-10-25 02:45", fold=1))))
@example("*/30 2 * * *", (BERLIN, int(at("2026-10-25 02:45"))))
@example("* 5 * * *", ("Australia/Lord_Howe", int(at("2026-10-04 01:00", "Australia/Lord_Howe"))))
@example("*/7 0 * * *", ("America/Santiago", int(at("2026-09-05 23:00", "America/Santiago"))))
@settings(max_examples=examples(40), deadline=None, derandomize=True)
def test_what_is_due_is_what_a_clock_shows_minute_by_minute(line, where):
    zone, after = where
    expected = every_firing(line, zone, after, 20 * 60)
    found, moment = [], float(after)
    end = after - after % 60 + 20 * 3600
    while (due := next_due(line, zone, moment)) is not None and due <= end:
        assert due > moment
        found.append(due)
        moment = due
    assert found == expected
    assert last_due(line, zone, after, end) == (expected[-1] if expected else None)


@given(LINES, moments(), st.floats(0, 3e7))
@settings(max_examples=examples(60), deadline=None, derandomize=True)
def test_what_was_missed_is_the_newest_and_nothing_lies_between(line, where, span):
    zone, since = where
    until = since + span
    missed = last_due(line, zone, since, until)
    if missed is None:
        due = next_due(line, zone, since)
        assert due is None or due > until
        return
    assert since < missed <= until
    later = next_due(line, zone, missed)
    assert later is None or later > until


@given(st.floats(FROM, TO), st.sampled_from(ZONES), st.integers(0, 23), st.integers(0, 59))
@settings(max_examples=examples(60), deadline=None, derandomize=True)
def test_each_day_has_each_time_of_day_once(after, zone, hour, minute):
    due = next_clock(f"{hour:02}:{minute:02}", zone, after)
    assert after < due <= after + 26 * 3600
    local = datetime.fromtimestamp(due, ZoneInfo(zone))
    assert not local.fold
    if (local.hour, local.minute) != (hour, minute):
        assert any(abs(due - change) <= 3600 for change in CHANGES[zone])


# --- told as stories ------------------------------------------------------------------------------


def test_a_time_that_does_not_exist_fires_once_after_the_leap():
    due = next_due("30 2 * * *", BERLIN, at("2026-03-28 12:00"))
    assert said(due) == "2026-03-29 03:00 +0200"
    assert said(next_due("30 2 * * *", BERLIN, due)) == "2026-03-30 02:30 +0200"


def test_a_time_that_exists_twice_fires_the_first_time():
    due = next_due("30 2 * * *", BERLIN, at("2026-10-24 12:00"))
    assert said(due) == "2026-10-25 02:30 +0200"
    assert said(next_due("30 2 * * *", BERLIN, due)) == "2026-10-26 02:30 +0100"


def test_every_half_hour_goes_on_through_an_hour_that_comes_twice():
    due, found = at("2026-10-25 01:45"), []
    for _ in range(5):
        due = next_due("*/30 * * * *", BERLIN, due)
        found.append(said(due)[11:])
    assert found == ["02:00 +0200", "02:30 +0200", "02:00 +0100", "02:30 +0100", "03:00 +0100"]


def test_many_missed_firings_are_one():
    missed = last_due("0 2 * * *", BERLIN, at("2026-06-01 02:00"), at("2026-11-26 09:00"))
    assert said(missed) == "2026-11-26 02:00 +0100"
    assert last_due("0 2 * * *", BERLIN, at("2026-11-26 02:00"), at("2026-11-26 09:00")) is None


def test_a_clock_that_was_set_back_makes_nothing_due():
    assert last_due("0 2 * * *", BERLIN, at("2026-11-26 02:00"), at("2026-11-20 09:00")) is None


def test_what_debian_cron_does_not_know_is_known():
    assert said(next_due("0 0 L * *", BERLIN, at("2027-02-10 00:00")))[:10] == "2027-02-28"
    assert said(next_due("0 0 * * 5L", BERLIN, at("2026-11-01 00:00")))[:10] == "2026-11-27"
    assert said(next_due("0 0 * * mon#2", BERLIN, at("2026-11-01 00:00")))[:10] == "2026-11-09"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("0 0 30 2 *", "never fires"),
        ("0 0 31 4,6,9,11 *", "never fires"),
        ("61 * * * *", "bad minute"),
        ("0 2 * *", "five fields"),
        ("0 0 2 * * *", "five fields"),
        ("@daily", "'0 0 * * *'"),
        ("", "five fields"),
        ("0 0 * * mon#1/2", "bad day-of-week"),
        ("0 0 * * ²l", "bad day-of-week"),
        ("0/" + "9" * 5000 + " * * * *", "five fields"),
        ("*/0 * * * *", "bad minute"),
        ("0 0 * foo *", "bad month"),
    ],
)
def test_a_line_that_no_clock_can_follow_is_told(line, why):
    assert why in (cron_problem(line) or "")


@pytest.mark.parametrize("line", ["0 2 * * *", "0 0 29 2 *", "0 0 * 2 mon#5", "0 0 30 2 mon"])
def test_a_line_that_fires_now_and_then_is_right(line):
    assert cron_problem(line) is None


def test_a_time_zone_that_does_not_exist_is_told_with_the_nearest():
    assert zone_problem(BERLIN) is None
    assert "did you mean 'Europe/Berlin'?" in (zone_problem("Europe/Berln") or "")
    assert "did you mean 'Europe/Berlin'?" in (zone_problem("berlin") or "")
    assert "did you mean 'America/New_York'?" in (zone_problem("new york") or "")
    for name in ("", "Europe", "../../etc/passwd", "a\0b", "/etc/localtime", "x" * 300):
        assert "there is no time zone" in (zone_problem(name) or "")
    with pytest.raises(ValueError, match="there is no time zone"):
        next_due("0 2 * * *", "Europe/Berln", 0)


def test_quiet_hours_go_over_midnight():
    for clock, quiet in (("21:59", 0), ("22:00", 1), ("03:00", 1), ("05:59", 1), ("06:00", 0)):
        assert in_hours("22:00-06:00", BERLIN, at(f"2026-11-26 {clock}")) == bool(quiet)
    assert in_hours("00:00-24:00", BERLIN, at("2026-11-26 23:59"))
    assert not in_hours("9:00-17:30", BERLIN, at("2026-11-26 17:30"))


@pytest.mark.parametrize("span", ["22-6", "24:00-01:00", "05:00-05:00", "01:00-24:30", "1:60-2:00"])
def test_hours_that_are_none_are_told(span):
    assert hours_problem(span)
    with pytest.raises(ValueError, match=r"write for example|whole day"):
        in_hours(span, BERLIN, 0)


def test_a_time_of_day_is_the_next_one():
    assert said(next_clock("07:00", BERLIN, at("2026-11-26 07:00"))) == "2026-11-27 07:00 +0100"
    assert said(next_clock("7:00", BERLIN, at("2026-11-26 06:59"))) == "2026-11-26 07:00 +0100"
    assert clock_problem("24:00") and clock_problem("7") and not clock_problem("07:00")


@pytest.fixture
def machine(monkeypatch):
    """Sets TZ, for us and for the C library."""

    def zone(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield zone
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    "name", [BERLIN, f":{BERLIN}", "CET-1CEST,M3.5.0,M10.5.0/3", "EST5EDT", "UTC0", "", "no/such"]
)
def test_the_machines_own_zone_is_that_of_the_c_library(machine, name):
    machine(name)
    for month in (1, 7):
        moment = datetime(2026, month, 15, 12, tzinfo=UTC).timestamp()
        offset = datetime.fromtimestamp(moment, times.load_zone(None)).utcoffset()
        assert offset == timedelta(seconds=time.localtime(moment).tm_gmtoff)


def test_without_tz_the_machines_zone_is_that_of_its_file(monkeypatch):
    monkeypatch.delenv("TZ", raising=False)
    offset = datetime.fromtimestamp(at("2026-07-15 12:00"), times.load_zone(None)).utcoffset()
    assert offset == timedelta(seconds=time.localtime(at("2026-07-15 12:00")).tm_gmtoff)
    assert os.path.exists("/etc/localtime") is False or times.machine_zone_name() is not None
