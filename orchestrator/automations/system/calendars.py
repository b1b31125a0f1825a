"""Cron lines as systemd's OnCalendar, and as lines that any cron understands. Pure.

1. What the system gets says when to look, not what is due: whoever is woken decides that from the
   line itself. So a time too many costs a moment, and one too few is never written.
2. For systemd the fields are written out as lists. Day and weekday are both asked of one
   expression; where a cron line means either, it becomes two.
3. `L` is the last day (`~01`), `5L` a Friday among the last seven days, `mon#2` a Monday from the
   8th to the 14th. `LW` has no form: it wakes on each of a month's last days.
4. For cron, names become numbers and `5/15` becomes `5-59/15`. What only we know (`L`, `#`) becomes
   each day.
5. systemd passes over a time that the clock leaps over, so where clocks are set for summer it looks
   each hour, too.
6. Cron has no time zones: where the line's is another one than the machine's, it wakes each hour,
   or each quarter where the two are not whole hours apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta

from cronsim import CronSim

from orchestrator.automations.times import a_day, load_zone, offset_at

_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_NAMES = {name.upper(): str(number) for number, name in enumerate(_DAYS)}
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_NAMES |= {name: str(number) for number, name in enumerate(_MONTHS, 1)}
_TOPS = (59, 23, 31, 12, 7)
CATCH_UP = "*-*-* *:17:00"
_HALF_YEAR_S = 182 * 86400


def on_calendar(line: str, zone: str | None, now: float) -> tuple[str, ...]:
    """The OnCalendar expressions that together wake at each time of a cron line."""
    parsed = CronSim(line, a_day())
    clock = f"{_listed(parsed.hours, 24)}:{_listed(parsed.minutes, 60)}:00"
    months = _listed(parsed.months, 12)
    days = _days(parsed)
    weekdays = _weekdays(parsed)
    if parsed.day_and:
        pairs = [_both(day, weekday) for day in days for weekday in weekdays]
    else:
        pairs = [(day, "") for day in days]
        pairs += [(day or "-*", weekday) for day, weekday in weekdays]
    ends = f" {zone}" if zone else ""
    found = (
        f"{weekday + ' ' if weekday else ''}*-{months}{day} {clock}{ends}" for day, weekday in pairs
    )
    hourly = (CATCH_UP,) if _is_set(zone, now) else ()
    return tuple(dict.fromkeys((*found, *hourly)))


def cron_times(line: str, zone: str | None, now: float) -> str:
    """The five fields that wake any cron at each time of a line, in the machine's own zone."""
    parsed = CronSim(line, a_day())
    apart = _apart(zone, now)
    if apart is not None:
        quarters = range(0, 60, 60 if apart else 15)
        minutes = {(minute + late) % 60 for minute in parsed.minutes for late in quarters}
        return f"{_counted(minutes, 60)} * * * *"
    fields = line.upper().split()
    if any(letter in fields[2] + _without_names(fields[4]) for letter in "LW#"):
        fields[2] = fields[4] = "*"
    return " ".join(_plain(one, top) for one, top in zip(fields, _TOPS, strict=True))


# --- systemd -------------------------------------------------------------------------------------


def _days(parsed: CronSim) -> list[str]:
    """The day parts of expressions: `-01,15`, or `~01` for the last."""
    plain = {day for day in parsed.days if day > 0}
    found = [f"-{_listed(plain, 31)}"] if plain else []
    if CronSim.LAST in parsed.days:
        found.append("~01")
    if CronSim.LAST_WEEKDAY in parsed.days:
        found.append("~03/1")
    return found


def _weekdays(parsed: CronSim) -> list[tuple[str, str]]:
    """Days, where they are bound, and weekdays."""
    plain = {one % 7 for one in parsed.weekdays if isinstance(one, int)}
    found = [("", "" if len(plain) == 7 else ",".join(_DAYS[one] for one in sorted(plain)))]
    if not plain:
        found = []
    for one in sorted(one for one in parsed.weekdays if isinstance(one, tuple)):
        weekday, which = one
        first = 7 * which - 6
        bound = "~07/1" if which == CronSim.LAST else f"-{first:02}..{min(first + 6, 31)}"
        found.append((bound, _DAYS[weekday % 7]))
    return found


def _both(day: str, weekday: tuple[str, str]) -> tuple[str, str]:
    """A day that is both; where both are bound, the weekday's (rule 1)."""
    bound, name = weekday
    return bound or day, name


def _listed(numbers: Iterable[object], count: int) -> str:
    found = sorted(one for one in numbers if isinstance(one, int))
    return "*" if len(found) == count else ",".join(f"{one:02}" for one in found)


def _is_set(zone: str | None, now: float) -> bool:
    """Whether a zone's clock is set now and then, as for summer."""
    where = load_zone(zone)
    return offset_at(where, now) != offset_at(where, now + _HALF_YEAR_S)


# --- cron ----------------------------------------------------------------------------------------


def _apart(zone: str | None, now: float) -> bool | None:
    """Whether a zone is whole hours from the machine's; None where it is the same."""
    theirs, ours = load_zone(zone), load_zone(None)
    differences = {
        offset_at(theirs, now + turn * _HALF_YEAR_S) - offset_at(ours, now + turn * _HALF_YEAR_S)
        for turn in range(3)
    }
    if zone is None or theirs == ours or getattr(theirs, "key", "") == getattr(ours, "key", None):
        return None
    return all(not one % timedelta(hours=1) for one in differences)


def _plain(field: str, top: int) -> str:
    """A field as the oldest cron understands it."""
    for name, number in _NAMES.items():
        field = field.replace(name, number)
    return re.sub(r"(?<![-\d])(\d+)/", rf"\1-{top}/", field)


def _without_names(field: str) -> str:
    for name in _NAMES:
        field = field.replace(name, "")
    return field


def _counted(numbers: Iterable[object], count: int) -> str:
    found = sorted(one for one in numbers if isinstance(one, int))
    return "*" if len(found) == count else ",".join(map(str, found))
