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
"""So many pairs of bodies are looked at; beyond it only equal ones are found."""
SAME_NAMES_AT_MOST = 100
COMPARED_AT_MOST = 3
"""So many of the bodies that share the most are compared in full."""


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


def overlap(one: Counter[str], other: Counter[str]) -> float:
    """How many pieces two bodies share, in whatever order: never less than how alike they are."""
    total = one.total() + other.total()
    return 2 * (one & other).total() / total if total else 1.0


def similarity(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    """How alike two bodies are: 1 for the same."""
    if one == other:
        return 1.0
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


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
        for other in by_name.get(old[one].bare, ())[:SAME_NAMES_AT_MOST]:
            same_class = old[one].owner == new[other].owner != ""
            same_file = one[0] == other[0]
            alike = overlap(before.pieces(old[one]), after.pieces(new[other]))
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
        pieces = before.pieces(old[one])
        near: list[tuple[float, Key]] = []
        for other in free:
            least = SIMILAR if one[0] == other[0] else SIMILAR_ELSEWHERE
            if all_of_them or before.tokens(old[one]) == after.tokens(new[other]):
                shared = overlap(pieces, after.pieces(new[other]))
                if pieces and shared >= least:
                    near.append((shared, other))
        near.sort(key=lambda found: found[0], reverse=True)
        for _, other in near[:COMPARED_AT_MOST]:
            alike = similarity(before.tokens(old[one]), after.tokens(new[other]))
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
    pieces = side.pieces(test)
    near = [(overlap(pieces, of.pieces(one)), one) for one in candidates if pieces]
    near.sort(key=lambda found: found[0], reverse=True)
    for _, candidate in near[:COMPARED_AT_MOST]:
        if similarity(side.tokens(test), of.tokens(candidate)) >= SIMILAR:
            return candidate
    return None
