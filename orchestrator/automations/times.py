"""When a schedule is due: cron lines in named time zones. Moments are epoch seconds, in and out.

1. A line has five fields: minute, hour, day, month, weekday, as Debian's cron reads them; beyond
   that `L` (the last day of a month, `5L`: its last Friday) and `MON#2` (its second Monday).
2. A line whose minute or hour begins with a star goes by the time that passes: it fires at every
   moment at which the clock reads what it says, twice in an hour that comes twice.
3. Any other line names times of day. One that the clock leaps over fires once, at the first minute
   after the leap; one that comes twice fires the first time.
4. A zone is an IANA name; None is the machine's own, by TZ or else by /etc/localtime, as the C
   library would have it.
5. Nothing here looks at a clock: what is "now" is an argument.
"""

from __future__ import annotations

import io
import os
import re
import struct
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cronsim import CronSim, CronSimError

from orchestrator.policy.nearest import nearest

LONGEST_LINE = 1000
NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_ANY_DAY = datetime(2000, 1, 1)
_STEP_S = 86400.0
"""No zone changes its offset twice within a day."""
_MINUTE = timedelta(minutes=1)
_HOURS = re.compile(r"(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")


# --- what a person may write ---------------------------------------------------------------------


def cron_problem(line: str) -> str | None:
    """What is wrong with a cron line, for a person; None where it fires now and then."""
    fields = line.split()
    if line.strip().lower() in NICKNAMES:
        return f"write the five fields: '{NICKNAMES[line.strip().lower()]}'"
    if len(fields) != 5 or len(line) > LONGEST_LINE:
        return "a cron line has five fields (minute, hour, day, month, weekday): '0 2 * * *'"
    try:
        _naive(line, _ANY_DAY)
    except CronSimError as error:
        # The parser says "bad day" of a day that its months do not have, too.
        if _is_line((*fields[:3], "*", fields[4])) and _is_line(("*", "*", "*", fields[3], "*")):
            return "it never fires: none of its months has such a day"
        return f"{str(error).lower()}: write for example '0 2 * * *' or '*/15 9-17 * * mon-fri'"
    if next(_naive(line, _ANY_DAY), None) is None:
        return "it never fires: no day is what it says"
    return None


def zone_problem(name: str) -> str | None:
    """What is wrong with the name of a time zone, with the nearest one there is."""
    if _zone_named(name) is not None:
        return None
    known = {one.lower(): one for one in available_timezones()}
    cities = {one.rpartition("/")[2]: name for one, name in known.items()}
    asked = name.strip().lower().replace(" ", "_")
    close = known.get(asked) or cities.get(asked)
    if close is None and (found := nearest(asked, (*known, *cities))):
        close = known.get(found) or cities[found]
    hint = f"did you mean '{close}'?" if close else "write an IANA name, for example Europe/Berlin"
    return f"there is no time zone '{name}'; {hint}"


def hours_problem(span: str) -> str | None:
    """What is wrong with a span of hours such as `22:00-06:00`."""
    example = "write for example 22:00-06:00"
    if not (found := _HOURS.fullmatch(span.strip())):
        return f"'{span}' is no span of hours; {example}"
    begin, end = _minutes(found)
    clocks = (int(found[1]) < 24, int(found[3]) < 24 or end == 24 * 60)
    if not all(clocks) or int(found[2]) > 59 or int(found[4]) > 59:
        return f"'{span}' names a time that no clock shows; {example}"
    if begin == end:
        return f"'{span}' begins where it ends; the whole day is 00:00-24:00"
    return None


def clock_problem(clock: str) -> str | None:
    """What is wrong with a time of day such as `07:00`."""
    found = _CLOCK.fullmatch(clock.strip())
    if not found or int(found[1]) > 23 or int(found[2]) > 59:
        return f"'{clock}' is no time of day; write for example 07:00"
    return None


# --- when ----------------------------------------------------------------------------------------


def next_due(line: str, zone: str | None, after: float) -> float | None:
    """The first firing after a moment; None where there is none for fifty years.

    ValueError for a line or a zone that has a problem.
    """
    where = load_zone(zone)
    fields = line.split()
    if fields[0].startswith("*") or fields[1].startswith("*"):
        return _next_passing(line, where, after)
    return _next_named(line, where, after)


def last_due(line: str, zone: str | None, since: float, until: float) -> float | None:
    """The newest firing after `since` and not after `until`: what was missed, once."""
    found = next_due(line, zone, since)
    if found is None or found > until:
        return None
    beyond = until
    while beyond - found >= 60:
        middle = (found + beyond) / 2
        later = next_due(line, zone, middle)
        if later is not None and later <= until:
            found = later
        else:
            beyond = middle
    return found


def in_hours(span: str, zone: str | None, at: float) -> bool:
    """Whether the clock of a zone is within `22:00-06:00`, the end not included."""
    found = _HOURS.fullmatch(span.strip())
    if not found or hours_problem(span):
        raise ValueError(hours_problem(span))
    begin, end = _minutes(found)
    local = datetime.fromtimestamp(at, load_zone(zone))
    now = local.hour * 60 + local.minute
    return begin <= now < end if begin < end else now >= begin or now < end


def next_clock(clock: str, zone: str | None, after: float) -> float:
    """The next moment after another at which the clock of a zone reads `07:00`."""
    found = _CLOCK.fullmatch(clock.strip())
    if not found or clock_problem(clock):
        raise ValueError(clock_problem(clock))
    due = next_due(f"{int(found[2])} {int(found[1])} * * *", zone, after)
    assert due is not None  # each day has every time of day, if shifted
    return due


def load_zone(name: str | None) -> tzinfo:
    """The zone of that name, None: the machine's own; ValueError where there is none."""
    if name is None:
        return _machine_zone()
    zone = _zone_named(name)
    if zone is None:
        raise ValueError(zone_problem(name))
    return zone


def a_day() -> datetime:
    """A moment like any other, for who only takes a line apart."""
    return _ANY_DAY


def machine_zone_name() -> str | None:
    """The IANA name of the machine's own zone, None where it has another kind."""
    zone = _machine_zone()
    return "UTC" if zone is UTC else getattr(zone, "key", None)


# --- within --------------------------------------------------------------------------------------


def _next_named(line: str, zone: tzinfo, after: float) -> float | None:
    """By rule 3: times of day in their order, each at the one moment that stands for it."""
    local = datetime.fromtimestamp(after, zone).replace(tzinfo=None)
    for named in _naive(line, local):
        due = _moment(named, zone)
        if due > after:  # what came once already in an hour that comes twice
            return due
    return None


def _next_passing(line: str, zone: tzinfo, after: float) -> float | None:
    """By rule 2: as if the offset stayed, from each change of it anew."""
    begin, limit = after, None
    while True:
        offset = offset_at(zone, begin)
        local = datetime.fromtimestamp(begin, UTC).replace(tzinfo=None) + offset
        if limit is not None:
            local -= timedelta(microseconds=1)  # the moment of the change may be one of its own
        named = next(_naive(line, local), None)
        if named is None:
            return None
        due = (named - offset).replace(tzinfo=UTC).timestamp()
        limit = _next_change(zone, begin, due)
        if limit is None:
            return due
        begin = limit


def _next_change(zone: tzinfo, begin: float, end: float) -> float | None:
    """The first whole second after `begin` and not after `end` with another offset."""
    before = begin
    while before < end:
        later = min(before + _STEP_S, end)
        if offset_at(zone, later) != offset_at(zone, before):
            low, high = before, later
            while high - low > 0.5:
                middle = (low + high) / 2
                low, high = (
                    (middle, high)
                    if offset_at(zone, middle) == offset_at(zone, before)
                    else (low, middle)
                )
            return float(int(high))
        before = later
    return None


def _moment(named: datetime, zone: tzinfo) -> float:
    """The moment of a time of day: the first of two, the first after a leap for one that is none.

    Before a leap the clock runs on; what it would have read is turned into minutes after it.
    """
    local = named
    while True:
        at = local.replace(tzinfo=zone).timestamp()
        if datetime.fromtimestamp(at, zone).replace(tzinfo=None) == local:
            return at
        local += _MINUTE


def offset_at(zone: tzinfo, at: float) -> timedelta:
    """How far a zone's clock is ahead at a moment."""
    return datetime.fromtimestamp(at, zone).utcoffset() or timedelta()


def _minutes(found: re.Match[str]) -> tuple[int, int]:
    return int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])


def _naive(line: str, local: datetime) -> CronSim:
    """The line's times of day after one; zones are ours, since cronsim steps by whole hours."""
    try:
        # A weekday's `#` or `L` with a step trips the parser instead of being refused by it.
        return CronSim(line, local)
    except (AssertionError, TypeError, ValueError) as error:
        raise CronSimError("Bad field") from error


def _is_line(fields: tuple[str, ...]) -> bool:
    try:
        _naive(" ".join(fields), _ANY_DAY)
    except CronSimError:
        return False
    return True


def _zone_named(name: str) -> tzinfo | None:
    if not name or name != name.strip() or name.startswith(("posix", "right")):
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _machine_zone() -> tzinfo:
    said = os.environ.get("TZ")
    if said is not None:
        said = said.removeprefix(":")
        if said.startswith("/"):
            return _zone_in(Path(said)) or UTC
        return _zone_named(said) or _zone_by_rule(said) or UTC
    return _zone_in(Path("/etc/localtime")) or UTC


def _zone_in(path: Path) -> tzinfo | None:
    """The zone of a file, by its name where it lies among the system's."""
    try:
        _, among, name = str(path.resolve()).rpartition("/zoneinfo/")
        if among and (zone := _zone_named(name)):
            return zone
        with path.open("rb") as data:
            return ZoneInfo.from_file(data)
    except (OSError, ValueError):
        return None


def _zone_by_rule(rule: str) -> tzinfo | None:
    """The zone of a rule such as `CET-1CEST,M3.5.0,M10.5.0/3`, which TZ may hold."""
    header = b"TZif2" + bytes(15) + struct.pack(">6l", 0, 0, 0, 0, 1, 4)
    block = header + struct.pack(">lbb", 0, 0, 0) + b"UTC\0"
    try:
        return ZoneInfo.from_file(io.BytesIO(block * 2 + b"\n" + rule.encode("ascii") + b"\n"))
    except (ValueError, UnicodeError):
        return None
