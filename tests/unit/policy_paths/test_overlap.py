"""Two tasks run side by side only when no path can be covered by the patterns of both."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.policy.paths import PathIndex, covered, matches, overlaps
from orchestrator.policy.pattern import pattern_problem
from tests.support.examples import examples

NAMES = st.sampled_from(
    ["a", "b", "ab", "ba", "*", "**", "?", "a*", "*a", "*b*", "[ab]", "[!a]", "a?", "*.p", "a.p"]
)
PATTERNS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
PATHS = st.lists(
    st.text(alphabet="ab.pc", min_size=1, max_size=3).filter(lambda n: n not in (".", "..")),
    min_size=1,
    max_size=4,
).map("/".join)


@settings(max_examples=examples(400), deadline=None)
@given(PATTERNS, PATTERNS, st.lists(PATHS, max_size=30))
def test_patterns_that_cover_a_common_path_overlap(a, b, paths):
    for path in paths:
        if matches([a], path) and matches([b], path):
            assert overlaps([a], [b])
            assert overlaps([b], [a])


@settings(max_examples=examples(400), deadline=None)
@given(st.lists(PATTERNS, max_size=5), st.lists(PATHS, max_size=30))
def test_many_paths_at_once_are_covered_as_one_by_one(patterns, paths):
    assert list(covered(patterns, paths)) == [path for path in paths if matches(patterns, path)]


def every_path(alphabet, longest_name, deepest):
    names = [""]
    found = []
    for _ in range(longest_name):
        names = [n + c for n in names for c in alphabet]
        found += names
    paths = list(found)
    level = found
    for _ in range(deepest - 1):
        level = [f"{p}/{n}" for p in level for n in found]
        paths += level
    return paths


SMALL = every_path("abx", 2, 3)
SMALL_NAMES = st.sampled_from(["a", "ab", "*", "**", "?", "a*", "*b", "[ab]", "[!a]"])


@settings(max_examples=examples(400), deadline=None)
@given(
    st.lists(SMALL_NAMES, min_size=1, max_size=2).map("/".join),
    st.lists(SMALL_NAMES, min_size=1, max_size=2).map("/".join),
)
def test_an_overlap_is_never_claimed_without_a_path_that_shows_it(a, b):
    """Short patterns, so whatever they have in common shows in a path of three short names."""
    shown = any(matches([a], path) and matches([b], path) for path in SMALL)
    assert overlaps([a], [b]) == shown, (a, b)


@pytest.mark.parametrize(
    ("a", "b", "meet"),
    [
        ("src/core/**", "src/core/x.py", True),
        ("src/core/**", "src/cli/**", False),
        ("src", "src/core/a.py", True),
        ("**/*.py", "docs/**", True),
        ("**/*.py", "**/*.md", False),
        ("src/*.py", "src/*.md", False),
        ("src/a*", "src/*b", True),
        ("src/[a-m]*", "src/[n-z]*", False),
        ("src/test_*.py", "src/conf*.py", False),
        ("a/**/z", "a/b", True),
        ("docs/*", "docs/a/b", False),
        ("docs/**", "docs", True),
        ("**", "x", True),
    ],
)
def test_folders_and_wildcards_meet_where_a_person_would_say_so(a, b, meet):
    assert overlaps([a], [b]) is meet
    assert overlaps([b], [a]) is meet


def test_a_list_without_patterns_overlaps_everything():
    assert overlaps([], ["a"])
    assert overlaps(["a"], [])
    assert overlaps([], [])


@settings(max_examples=examples(150), deadline=None)
@given(st.dictionaries(st.integers(0, 20).map(str), st.lists(PATTERNS, max_size=3), max_size=12))
def test_the_index_says_what_comparing_all_pairs_says(declared):
    assert all(pattern_problem(p) is None for own in declared.values() for p in own)
    index = PathIndex(declared)
    for task, own in declared.items():
        expected = {
            other
            for other, theirs in declared.items()
            if other != task and own and theirs and overlaps(own, theirs)
        }
        assert index.neighbours(task) == expected


def test_ten_thousand_tasks_find_their_neighbours_in_seconds():
    declared = {
        f"t{n}": (f"src/pkg{n // 50}/mod{n}/**", f"tests/test_{n}.py") for n in range(10_000)
    }
    declared["all"] = ("src/**",)
    start = time.process_time()
    index = PathIndex(declared)
    for task in declared:
        assert index.neighbours(task) == (
            frozenset(declared) - {"all"} if task == "all" else frozenset({"all"})
        )
    assert time.process_time() - start < 5.0


def test_ten_thousand_tasks_with_the_same_paths_share_one_answer():
    index = PathIndex({f"t{n}": ("src/**",) for n in range(10_000)})
    start = time.process_time()
    fences = {id(index.fence(f"t{n}")) for n in range(10_000)}
    assert len(fences) == 1
    assert len(index.neighbours("t0")) == 9_999
    assert time.process_time() - start < 1.0
