"""Times as people type them. Pure: the moment is an argument."""

from __future__ import annotations

import re
import time
from datetime import datetime

from orchestrator.errors import OrchError

_UNITS = {"d": 86400, "h": 3600, "m": 60, "min": 60, "s": 1}
_WORDS = {"week": 604800, "day": 86400, "hour": 3600, "minute": 60}
_SPELLED = re.compile(r"(\d{1,6}) ?(week|day|hour|minute)s?(?: ago)?")
_DAYS = {"today": 0, "yesterday": 1}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(min|[dhms])")


def parse_duration(text: str) -> float:
    """Seconds: `90`, `45s`, `10m`, `2h`, `1h30m`, `7d`."""
    words = text.strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", words):
        return float(words)
    parts = _PART.findall(words)
    if not parts or _PART.sub("", words).strip():
        raise OrchError(f"'{text}' is not a time span", hint="write for example 90s, 10m, 2h or 7d")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def parse_since(text: str, now: float) -> float:
    """Seconds since the epoch, where the user is.

    `2026-11-01`, `yesterday` and `today` are the beginning of that day; `7d` and `2 hours` are
    before now.
    """
    words = text.strip().lower()
    if words in _DAYS:
        today = time.localtime(now)
        # mktime knows of days that are longer or shorter than others.
        moment = (today.tm_year, today.tm_mon, today.tm_mday - _DAYS[words], *(0, 0, 0, 0, 0, -1))
        return time.mktime(moment)
    if spelled := _SPELLED.fullmatch(words):
        return now - float(spelled[1]) * _WORDS[spelled[2]]
    found = re.fullmatch(r"(\d{4})-(\d{1,2})-(\d{1,2})", text.strip())
    if not found:
        try:
            return now - parse_duration(text)
        except OrchError as error:
            raise OrchError(
                f"'{text}' is no date", hint="write for example 2026-11-01, yesterday, or 7d"
            ) from error
    year, month, day = map(int, found.groups())
    try:
        return datetime(year, month, day).timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise OrchError(
            f"there is no day {text.strip()}", hint="write for example 2026-11-01"
        ) from error


def parse_deadline(text: str, now: float) -> float:
    """Seconds since the epoch: `07:00` is the next one, where the user is; `2h` is from now on."""
    found = re.fullmatch(r"(\d{1,2}):(\d{2})", text.strip())
    if not found:
        if (span_s := parse_duration(text)) > 0:
            return now + span_s
        raise OrchError(f"a deadline of '{text}' has passed already", hint="write 07:00, or 2h")
    hour, minute = int(found[1]), int(found[2])
    if hour > 23 or minute > 59:
        raise OrchError(f"'{text}' is not a time of day", hint="write for example 07:00 or 2h")
    today = time.localtime(now)
    for later in (0, 1):
        # mktime knows daylight saving; -1 lets it find out whether it applies on that day.
        moment = (today.tm_year, today.tm_mon, today.tm_mday + later, hour, minute, 0, 0, 0, -1)
        at = time.mktime(moment)
        if at > now:
            return at
    return at
