"""Which paths a task may touch, and which tasks may touch the same. Pure.

1. A path is covered when any of the patterns covers it, as `pattern` says; no patterns cover
   none here: what that means is the caller's to decide.
2. Two lists of patterns overlap when some path is covered by both. The answer is exact for
   whatever names can be, not for the files that happen to exist. An empty list overlaps all.
3. Two patterns can only meet when the leading plain names of one begin those of the other, so
   the index keeps patterns sorted by these: those above are looked up, those below are a
   range. Ten thousand tasks are never compared pair by pair.
4. In the index, tasks with the same patterns share one answer, worked out when first asked.
5. A task without patterns is in nobody's neighbourhood and has none: it declares no boundary.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from ledger.model import TaskId
from orchestrator.policy.pattern import Deep, Name, Part, Ranges, parse_pattern

_AFTER_ALL = "\U0010ffff"

# --- one path against patterns ---------------------------------------------------------------


def matches(patterns: Iterable[str], path: str) -> bool:
    """Whether any of the patterns covers the path; no patterns cover none."""
    names = path.split("/")
    return any(_covers(parse_pattern(pattern).parts, names) for pattern in patterns)


def covered(patterns: Iterable[str], paths: Iterable[str]) -> Iterator[str]:
    """The paths that any of the patterns covers, for many paths at once.

    A pattern is only held against paths that have its first name: at their top, or, after `**`,
    anywhere.
    """
    at_top: dict[str, list[str]] = {}
    anywhere: dict[str, list[str]] = {}
    globs: dict[str, str] = {}
    others: list[str] = []
    for text in patterns:
        first, *rest = parse_pattern(text).parts
        if isinstance(first, Name) and first.literal is not None:
            at_top.setdefault(first.literal, []).append(text)
        elif isinstance(first, Deep) and rest and isinstance(rest[0], Name):
            if rest[0].literal is not None:
                anywhere.setdefault(rest[0].literal, []).append(text)
            else:
                globs[text] = _name_expression(rest[0].tokens).pattern
        else:
            others.append(text)
    glob = re.compile("|".join(f"(?:{expression})" for expression in globs.values()) or "(?!)")
    for path in paths:
        names = path.split("/")
        possible = [*others, *at_top.get(names[0], ())]
        for name in names:
            possible += anywhere.get(name, ())
            if glob.fullmatch(name):
                possible += globs
        if possible and matches(possible, path):
            yield path


def _covers(parts: Sequence[Part], names: Sequence[str]) -> bool:
    """Walk both; on a mismatch the last `**` takes one more name, never an earlier one."""
    at = name = taken = 0
    deep = -1
    while name < len(names):
        part = parts[at] if at < len(parts) else None
        if isinstance(part, Deep):
            if at + 1 == len(parts):
                return True
            deep, taken = at, name
            at += 1
        elif part is not None and _fits(part, names[name]):
            at, name = at + 1, name + 1
        elif deep >= 0:
            taken += 1
            at, name = deep + 1, taken
        else:
            return False
    return all(isinstance(part, Deep) for part in parts[at:])


def _fits(part: Name, name: str) -> bool:
    if part.literal is not None:
        return part.literal == name
    return _name_expression(part.tokens).fullmatch(name) is not None


@lru_cache(maxsize=16384)
def _name_expression(tokens: tuple[Ranges | None, ...]) -> re.Pattern[str]:
    """A name's tokens as a regular expression, linear in the name for each star.

    Between two stars the leftmost place that fits is as good as any later one, so atomic
    groups keep it and nothing is tried twice.
    """
    runs = [""]
    for token in tokens:
        if token is None:
            runs.append("")
        else:
            runs[-1] += _token_expression(token)
    first, *inner = runs
    if not inner:
        return re.compile(first)
    last = inner.pop()
    middle = "".join(f"(?>[^/]*?{run})" for run in inner)
    return re.compile(f"{first}{middle}[^/]*{last}")


def _token_expression(ranges: Ranges) -> str:
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return re.escape(chr(ranges[0][0]))  # compiled in a third of the time
    inner = "".join(f"{re.escape(chr(low))}-{re.escape(chr(high))}" for low, high in ranges)
    return f"[{inner}]"


# --- two patterns against each other ---------------------------------------------------------


def overlaps(a: Iterable[str], b: Iterable[str]) -> bool:
    """Whether some path is covered by both lists; an empty list overlaps all."""
    ours, theirs = tuple(a), tuple(b)
    if not ours or not theirs:
        return True
    return any(patterns_meet(one, other) for one in ours for other in theirs)


def patterns_meet(a: str, b: str) -> bool:
    """Whether some path is covered by both patterns."""
    if a == b:
        return True
    mine, yours = parse_pattern(a), parse_pattern(b)
    if any(one != other for one, other in zip(mine.prefix, yours.prefix, strict=False)):
        return False
    return _parts_meet(mine.parts, yours.parts)


def _parts_meet(a: Sequence[Part], b: Sequence[Part]) -> bool:
    """Row by row: `reach[j]` says whether the rests of a from i and of b from j can be equal."""
    below: list[bool] = []
    for i in range(len(a), -1, -1):
        mine = a[i] if i < len(a) else None
        reach = [False] * (len(b) + 1)
        for j in range(len(b), -1, -1):
            yours = b[j] if j < len(b) else None
            if mine is None and yours is None:
                reach[j] = True
            elif isinstance(mine, Deep):
                # none, or one name that the other side asks for
                reach[j] = below[j] or (yours is not None and reach[j + 1])
            elif isinstance(yours, Deep):
                reach[j] = reach[j + 1] or (mine is not None and below[j])
            elif mine is not None and yours is not None:
                reach[j] = below[j + 1] and _names_meet(mine, yours)
        below = reach
    return below[0]


def _names_meet(a: Name, b: Name) -> bool:
    if a.literal is not None and b.literal is not None:
        return a.literal == b.literal
    if b.literal is not None:
        return _fits(a, b.literal)
    if a.literal is not None:
        return _fits(b, a.literal)
    return _tokens_meet(a.tokens, b.tokens)


@lru_cache(maxsize=16384)
def _tokens_meet(a: tuple[Ranges | None, ...], b: tuple[Ranges | None, ...]) -> bool:
    """The same walk within a name: `*` is to characters what `**` is to names."""
    for mine, yours in zip(a, b, strict=False):  # most names differ before the first star
        if mine is None or yours is None:
            break
        if not _ranges_meet(mine, yours):
            return False
    below: list[bool] = []
    for i in range(len(a), -1, -1):
        reach = [False] * (len(b) + 1)
        for j in range(len(b), -1, -1):
            if i == len(a) and j == len(b):
                reach[j] = True
                continue
            mine = a[i] if i < len(a) else ()
            yours = b[j] if j < len(b) else ()
            if mine is None:
                reach[j] = below[j] or (yours != () and reach[j + 1])
            elif yours is None:
                reach[j] = reach[j + 1] or (mine != () and below[j])
            elif mine and yours:
                reach[j] = below[j + 1] and _ranges_meet(mine, yours)
        below = reach
    return below[0]


def _ranges_meet(a: Ranges, b: Ranges) -> bool:
    return any(low <= top and bottom <= high for low, high in a for bottom, top in b)


# --- many tasks against each other -----------------------------------------------------------


class PathIndex:
    """Tasks and the patterns that each declares."""

    def __init__(self, patterns: Mapping[TaskId, Sequence[str]]) -> None:
        self._declared = {task: tuple(own) for task, own in patterns.items()}
        self._owners: dict[str, list[TaskId]] = {}
        for task, own in self._declared.items():
            for text in dict.fromkeys(own):
                self._owners.setdefault(text, []).append(task)
        self._by_prefix: dict[str, list[str]] = {}
        for text in self._owners:
            key = _key(parse_pattern(text).prefix)
            self._by_prefix.setdefault(key, []).append(text)
        self._sorted = sorted(self._by_prefix)
        self._fences: dict[tuple[str, ...], frozenset[TaskId]] = {}

    def declared(self, task: TaskId) -> tuple[str, ...]:
        """The patterns of a task."""
        return self._declared[task]

    def patterns(self) -> tuple[str, ...]:
        """Every pattern once, in the order of the tasks that declare it first."""
        return tuple(self._owners)

    def owners(self, pattern: str) -> tuple[TaskId, ...]:
        """The tasks that declare exactly this pattern."""
        return tuple(self._owners.get(pattern, ()))

    def near(self, pattern: str) -> Iterator[str]:
        """The declared patterns that may meet this one (rule 3), itself included."""
        prefix = parse_pattern(pattern).prefix
        for length in range(len(prefix)):
            yield from self._by_prefix.get(_key(prefix[:length]), ())
        key = _key(prefix)
        start = bisect_left(self._sorted, key)
        for at in range(start, bisect_left(self._sorted, key + _AFTER_ALL, lo=start)):
            yield from self._by_prefix[self._sorted[at]]

    def fence(self, task: TaskId) -> frozenset[TaskId]:
        """The tasks whose patterns overlap with those of a task, itself included.

        One set for all tasks that declare the same: asking for each of ten thousand is cheap.
        """
        own = self._declared[task]
        known = self._fences.get(own)
        if known is None:
            known = frozenset(
                owner
                for pattern in dict.fromkeys(own)
                for other in self.near(pattern)
                if patterns_meet(pattern, other)
                for owner in self._owners[other]
            )
            self._fences[own] = known
        return known

    def neighbours(self, task: TaskId) -> frozenset[TaskId]:
        """The tasks whose patterns overlap with those of a task, itself left out."""
        return self.fence(task) - {task}


def _key(prefix: tuple[str, ...]) -> str:
    return "".join(f"{name}/" for name in prefix)
