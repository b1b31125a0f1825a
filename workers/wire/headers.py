"""What headers say: of keys, how long to wait, and how much of a limit is left."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from email.utils import parsedate_tz

from workers.wire.dialect import RateLimit

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,15})?")
_MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(\.\d+)?(?:[Zz]|([+-])(\d\d):?(\d\d))"
)
LONGEST_S = 366 * 86400.0
"""What a header asks for beyond this is no wait, but an error of somebody's."""


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """How long a provider asks to wait; None where it does not say. `now`: seconds of the epoch."""
    precise = parse_seconds(headers.get("retry-after-ms", ""))
    if precise is not None:
        return precise / 1000
    said = headers.get("retry-after", "").strip()
    seconds = parse_seconds(said)
    if seconds is not None:
        return seconds
    date = parsedate_tz(said) if said else None
    if date is None:
        return None
    try:
        moment = calendar.timegm(date[:9]) - (date[9] or 0)
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, moment - now), LONGEST_S)


def bearer(headers: Mapping[str, str]) -> str | None:
    """The token of an `authorization: Bearer` header."""
    scheme, _, token = headers.get("authorization", "").strip().partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def limits_of(
    headers: Mapping[str, str],
    limited: Iterable[str],
    name: str,
    reset_in_s: Callable[[str], float | None],
) -> Iterator[RateLimit]:
    """The limits of which headers say anything.

    `name` is how such a header is called, with `{of}` for what is limited and `{what}` for what is
    told of it; `reset_in_s` reads in what time a limit is full again.
    """
    for of in limited:
        limit, remaining, reset = (
            headers.get(name.format(of=of, what=what), "")
            for what in ("limit", "remaining", "reset")
        )
        if limit or remaining or reset:
            yield RateLimit(of, _count(limit), _count(remaining), reset_in_s(reset))


def _count(said: str) -> int | None:
    return int(said) if said.isascii() and said.isdigit() and len(said) < 16 else None


def parse_seconds(said: str) -> float | None:
    """A plain number of seconds, bounded."""
    if not _NUMBER.fullmatch(said.strip()):
        return None
    return min(float(said), LONGEST_S)


def parse_duration(said: str) -> float | None:
    """`6m0s`, `1s`, `20ms`, or a plain number of seconds."""
    said = said.strip()
    if len(said) > 64 or not _DURATION.fullmatch(said):
        return parse_seconds(said)
    found = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(said))
    return min(found, LONGEST_S)


def parse_moment(said: str) -> float | None:
    """An RFC 3339 time as seconds of the epoch."""
    found = _MOMENT.fullmatch(said.strip())
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(found[part]) for part in range(1, 7))
    if not (year and 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60):
        return None
    offset = 0
    if found[8]:
        offset = (int(found[9]) * 3600 + int(found[10]) * 60) * (1 if found[8] == "+" else -1)
    whole = calendar.timegm((year, month, day, hour, minute, second))
    return whole - offset + float(found[7] or 0)
