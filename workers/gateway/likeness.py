"""When a request of a repeated run counts as the same as one of the recorded run. Pure.

1. The order of keys does not matter, nor do fields that say who asks (`metadata`, `user`).
2. What differs from run to run by nature is made alike: the texts that a grant names (the
   workspace's path, the run's id), durations, moments, ports of the loopback, addresses in memory
   and ids of git objects.
3. All else must be equal. Where it is not, the first difference is told by its place and by what
   stands there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

WHO = ("metadata", "user", "safety_identifier", "prompt_cache_key")
_ALIKE = (
    (
        re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"),
        "<time>",
    ),
    (re.compile(r"\b\d+(?:\.\d+)? ?(?:ns|us|µs|ms|s|sec|secs|seconds?)\b"), "<duration>"),
    (re.compile(r"\b(127\.0\.0\.1|localhost):\d{2,5}\b"), r"\1:<port>"),
    (re.compile(r"\b0x[0-9a-f]{6,16}\b"), "<address>"),
    (re.compile(r"\b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{7,64}\b"), "<id>"),
)
SHOWN = 60


def alike(
    body: bytes, varying: Iterable[tuple[str, str]], clean: Callable[[str], str] = str
) -> str:
    """The request as it is compared: the same text for requests that count as the same.

    `clean` takes secrets out. It comes first: what is made alike may have been a part of one.
    """
    request = json.loads(body)
    if isinstance(request, dict):
        request = {key: value for key, value in request.items() if key not in WHO}
    # The longest first: one text may be a part of another.
    texts = sorted(varying, key=lambda pair: -len(pair[0]))
    return json.dumps(_alike(request, texts, clean), sort_keys=True, ensure_ascii=False)


def _alike(value: Any, texts: list[tuple[str, str]], clean: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        value = clean(value)
        for text, word in texts:
            value = value.replace(text, word) if text else value
        for pattern, word in _ALIKE:
            value = pattern.sub(word, value)
        return value
    if isinstance(value, Mapping):
        return {clean(key): _alike(one, texts, clean) for key, one in value.items()}
    if isinstance(value, list):
        return [_alike(one, texts, clean) for one in value]
    return value


def first_difference(recorded: str, asked: str) -> str:
    """Where two requests differ first, and what stands there: `system: 'a', now 'b'`."""
    return _differ(json.loads(recorded), json.loads(asked), "") or "nothing"


def _differ(old: Any, new: Any, at: str) -> str | None:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            place = f"{at}.{key}" if at else key
            if key not in new:
                return f"{place}: {_shown(old[key])}, now not there"
            if key not in old:
                return f"{place}: not there, now {_shown(new[key])}"
            if (found := _differ(old[key], new[key], place)) is not None:
                return found
        return None
    if isinstance(old, list) and isinstance(new, list):
        for number, (one, other) in enumerate(zip(old, new, strict=False)):
            if (found := _differ(one, other, f"{at}[{number}]")) is not None:
                return found
        if len(old) != len(new):
            return f"{at}: {len(old)} entries, now {len(new)}"
        return None
    if old == new and type(old) is type(new):
        return None
    if isinstance(old, str) and isinstance(new, str):
        start = next(
            (n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b),
            min(len(old), len(new)),
        )
        begin = max(0, start - SHOWN // 3)
        return f"{at}, character {start}: {_shown(old[begin:])}, now {_shown(new[begin:])}"
    return f"{at}: {_shown(old)}, now {_shown(new)}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
