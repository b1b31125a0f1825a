"""Which test before a change is which test after it. Pure.

1. One of the same name in the same file is the same test.
2. Else one of the same name elsewhere: another class, another file; of several the one in a class
   of the same name, then the most similar one. Where its name is not the only one, nor its class
   the same, it must be a little alike.
3. Else one with a similar body: it was renamed.
4. A test that no runner collects any more is matched last, and only by its name.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from difflib import SequenceMatcher

from orchestrator.verification.python_tests.side import Side
from orchestrator.verification.python_tests.suite import Test

Key = tuple[str, str]
"""A path, and a test's qualified name."""

SIMILAR = 0.6
SIMILAR_ELSEWHERE = 0.75
A_LITTLE_ALIKE = 0.35
PAIRS_AT_MOST = 40_000
"""So many pairs of bodies are compared; beyond it only equal ones are found."""


def pair_tests(before: Side, after: Side, gone: set[str]) -> tuple[dict[Key, Key], list[Key]]:
    """For each test its place after the change, and those that have none.

    `gone`: tests after the change, as `path name`, that no runner collects.
    """
    old, new = before.tests, after.tests
    pairs: dict[Key, Key] = {}
    taken: set[Key] = set()
    is_lost = {key: f"{key[0]} {key[1]}" in gone for key in new}
    for key in old:
        if key in new and not is_lost[key]:
            pairs[key] = key
            taken.add(key)
    free = [key for key in new if key not in taken and not is_lost[key]]
    for find in (_by_name, _by_body):
        left = [key for key in old if key not in pairs]
        for one, other in find(left, free, before, after):
            pairs[one] = other
            free.remove(other)
            taken.add(other)
    for key in old:
        if key not in pairs and key in new:
            pairs[key] = key
    return pairs, [key for key in old if key not in pairs]


def similarity(one: tuple[str, ...], other: tuple[str, ...], least: float = SIMILAR) -> float:
    """How alike two bodies are: 1 for the same, 0 for less than the least that matters."""
    if one == other:
        return 1.0
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    if matcher.real_quick_ratio() < least or matcher.quick_ratio() < least:
        return 0.0
    return matcher.ratio()


def _by_name(
    left: list[Key], free: list[Key], before: Side, after: Side
) -> Iterable[tuple[Key, Key]]:
    old, new = before.tests, after.tests
    by_name: dict[str, list[Key]] = defaultdict(list)
    for key in free:
        by_name[new[key].bare].append(key)
    wanted = Counter(old[key].bare for key in left)
    ranked: list[tuple[bool, bool, float, Key, Key]] = []
    for one in left:
        for other in by_name.get(old[one].bare, ())[:200]:
            same_class = old[one].owner == new[other].owner != ""
            same_file = one[0] == other[0]
            alike = similarity(before.tokens(old[one]), after.tokens(new[other]), 0.0)
            alone = same_file and wanted[old[one].bare] == len(by_name[old[one].bare]) == 1
            if not (alone or same_class or alike >= A_LITTLE_ALIKE):
                continue
            ranked.append((same_class, same_file, alike, one, other))
    ranked.sort(key=lambda found: found[:3], reverse=True)
    return _greedy((one, other) for *_, one, other in ranked)


def _by_body(
    left: list[Key], free: list[Key], before: Side, after: Side
) -> Iterable[tuple[Key, Key]]:
    old, new = before.tests, after.tests
    ranked: list[tuple[float, Key, Key]] = []
    all_of_them = len(left) * len(free) <= PAIRS_AT_MOST
    for one in left:
        tokens = before.tokens(old[one])
        for other in free:
            there = after.tokens(new[other])
            if not tokens or not (all_of_them or one[0] == other[0] or tokens == there):
                continue
            alike = similarity(tokens, there)
            if alike >= (SIMILAR if one[0] == other[0] else SIMILAR_ELSEWHERE):
                ranked.append((alike, one, other))
    ranked.sort(key=lambda found: found[0], reverse=True)
    return _greedy((one, other) for _, one, other in ranked)


def _greedy(ranked: Iterable[tuple[Key, Key]]) -> list[tuple[Key, Key]]:
    """Each at most once, the best first."""
    found: list[tuple[Key, Key]] = []
    ones: set[Key] = set()
    others: set[Key] = set()
    for one, other in ranked:
        if one not in ones and other not in others:
            ones.add(one)
            others.add(other)
            found.append((one, other))
    return found


def most_similar(test: Test, side: Side, candidates: Iterable[Test], of: Side) -> Test | None:
    """The candidate whose body is the most like the test's; None where none is."""
    tokens = side.tokens(test)
    best: tuple[float, Test] | None = None
    for candidate in candidates:
        alike = similarity(tokens, of.tokens(candidate)) if tokens else 0.0
        if alike >= SIMILAR and (best is None or alike > best[0]):
            best = alike, candidate
    return best[1] if best else None
