"""Cron lines as the system reads them: never a time too few, and systemd agrees."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from orchestrator.automations.system.calendars import cron_times, on_calendar
from orchestrator.automations.times import next_due

BERLIN = "Europe/Berlin"
NOW = datetime(2026, 11, 26, tzinfo=UTC).timestamp()
EXACT = {
    "0 2 * * *": ("*-*-* 02:00:00",),
    "*/15 9-11 * * mon-fri": ("Mon,Tue,Wed,Thu,Fri *-*-* 09,10,11:00,15,30,45:00",),
    "30 2 1,15 * fri": ("*-*-01,15 02:30:00", "Fri *-*-* 02:30:00"),
    "0 0 */2 * 0": ("Sun *-*-01,03,05,07,09,11,13,15,17,19,21,23,25,27,29,31 00:00:00",),
    "0 0 L * *": ("*-*~01 00:00:00",),
    "0 0 * * 5L": ("Fri *-*~07/1 00:00:00",),
    "0 0 * * mon#2": ("Mon *-*-08..14 00:00:00",),
    "0 0 * * mon#5": ("Mon *-*-29..31 00:00:00",),
    "0 0 29 2 *": ("*-02-29 00:00:00",),
    "7 * * * *": ("*-*-* *:07:00",),
    "* * * * *": ("*-*-* *:*:00",),
    "0 12 1,L jan,jun 7": (
        "*-01,06-01 12:00:00",
        "*-01,06~01 12:00:00",
        "Sun *-01,06-* 12:00:00",
    ),
}
WIDER = ("0 0 LW * *", "0 0 */3 * mon#2")


@pytest.mark.parametrize(("line", "expected"), EXACT.items())
def test_a_cron_line_is_written_out_for_systemd(line, expected):
    assert on_calendar(line, "UTC", NOW) == tuple(f"{one} UTC" for one in expected)
    # A time that the clock leaps over is none to systemd: there it is looked at each hour.
    berlin = tuple(f"{one} {BERLIN}" for one in expected)
    assert on_calendar(line, BERLIN, NOW) == (*berlin, "*-*-* *:17:00")


def dues(line: str, count: int) -> list[float]:
    found, moment = [], NOW
    while len(found) < count and (due := next_due(line, "UTC", moment)) is not None:
        found.append(due)
        moment = due
    return found


def elapses(expression: str, count: int) -> list[float]:
    """When systemd itself says that an expression elapses."""
    words = ("systemd-analyze", "calendar", f"--iterations={count}")
    base = "--base-time=2026-11-26 00:00:00 UTC"
    done = subprocess.run(
        (*words, base, expression),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        env={"TZ": "UTC", "PATH": "/usr/bin:/bin", "LC_ALL": "C"},
    )
    times = re.findall(r"(?:elapse|#\d+): \w+ ([\d-]+ [\d:]+) UTC", done.stdout)
    return [datetime.fromisoformat(one).replace(tzinfo=UTC).timestamp() for one in times]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze says when")
@pytest.mark.parametrize("line", [*EXACT, *WIDER])
def test_systemd_wakes_at_each_time_of_the_line(line):
    count = 8
    expected = dues(line, count)
    woken = sorted({at for one in on_calendar(line, "UTC", NOW) for at in elapses(one, 40)})
    assert set(expected) <= set(woken)
    if line in EXACT:
        assert woken[: len(expected)] == expected


@pytest.mark.parametrize(
    ("line", "same", "berlin", "kathmandu"),
    [
        ("0 2 * * *", "0 2 * * *", "0 * * * *", "0,15,30,45 * * * *"),
        ("*/15 9-17 * * mon-fri", "*/15 9-17 * * 1-5", "0,15,30,45 * * * *", None),
        ("5/20 1 * feb,mar 7", "5-59/20 1 * 2,3 7", "5,25,45 * * * *", None),
        ("0 0 L * *", "0 0 * * *", "0 * * * *", None),
        ("0 0 * * mon#2", "0 0 * * *", "0 * * * *", None),
        ("0 0 * jul wed", "0 0 * 7 3", "0 * * * *", None),
        ("10 1-3/2 1,10/9 * 1", "10 1-3/2 1,10-31/9 * 1", "10 * * * *", "10,25,40,55 * * * *"),
    ],
)
def test_any_cron_wakes_at_each_time_of_the_line(monkeypatch, line, same, berlin, kathmandu):
    monkeypatch.setenv("TZ", "UTC")
    assert cron_times(line, None, NOW) == same
    assert cron_times(line, "UTC", NOW) == same
    assert cron_times(line, BERLIN, NOW) == berlin
    if kathmandu:
        assert cron_times(line, "Asia/Kathmandu", NOW) == kathmandu


def test_a_line_of_another_zone_wakes_whenever_it_is_due(monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    for zone in (BERLIN, "Asia/Kathmandu", "Australia/Lord_Howe"):
        minutes = {int(one) for one in cron_times("20 2 * * *", zone, NOW).split()[0].split(",")}
        moment, late = NOW, []
        for _ in range(400):  # over a year, with both zones' changes
            moment = next_due("20 2 * * *", zone, moment)
            local = datetime.fromtimestamp(moment, ZoneInfo("America/New_York"))
            if local.minute not in minutes:
                late.append(local)
        # What a clock leaps over comes at the leap's end: it is caught up within the hour.
        assert len(late) == (zone != "Asia/Kathmandu"), (zone, late)
