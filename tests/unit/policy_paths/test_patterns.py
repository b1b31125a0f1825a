"""A pattern covers what git's wildmatch covers, and what can hurt is refused."""

import time

import pytest

from orchestrator.policy.paths import matches
from orchestrator.policy.pattern import escape, parse_pattern, pattern_problem


@pytest.mark.parametrize(
    ("pattern", "covered", "not_covered"),
    [
        ("src/core", ["src/core", "src/core/a.py", "src/core/x/y"], ["src/corex", "lib/src/core"]),
        ("src/core/", ["src/core/a.py"], ["src/core", "src/corex/a"]),
        ("src/core/**", ["src/core/a.py", "src/core/x/y"], ["src/core", "src/corex/a"]),
        ("/README.md", ["README.md"], ["docs/README.md"]),
        ("*.py", ["setup.py"], ["src/a.py", "setup.pyc"]),
        ("**/*.py", ["setup.py", "a/b/c.py"], ["a/b/c.pyc", "a.py/b"]),
        ("src/*", ["src/a"], ["src/a/b", "src"]),
        ("src/*/", ["src/a/b", "src/a/b/c"], ["src/a"]),
        ("**/tests", ["tests", "tests/a", "x/tests/a/b"], ["x/test"]),
        ("a/**/z", ["a/z", "a/b/z", "a/b/c/z", "a/b/z/deep"], ["z", "a/zz"]),
        ("**", ["a", "a/b"], []),
        ("a**b", ["ab", "axxb"], ["a/b"]),
        ("?.txt", ["a.txt", "é.txt"], ["ab.txt", "/.txt"]),
        ("[a-c]x", ["ax", "bx"], ["dx", "Ax"]),
        ("[!a-c]x", ["dx"], ["ax", "/x"]),
        ("[^a]x", ["dx"], ["ax"]),
        ("a[.-0]b", ["a.b", "a0b"], ["a/b"]),
        ("[]-]x", ["]x", "-x"], ["ax"]),
        ("[[:digit:]_]*", ["1", "_a", "9/"], ["a1"]),
        ("a\\*b", ["a*b", "a*b/c"], ["axb"]),
        ("ab*ba", ["abba", "abxba"], ["aba"]),
        ("*a*b*", ["ab", "xaxbx", "aab"], ["ba"]),
    ],
)
def test_a_pattern_covers_what_its_rules_say(pattern, covered, not_covered):
    for path in covered:
        if not path.endswith("/"):
            assert matches([pattern], path), path
    for path in not_covered:
        assert not matches([pattern], path), path


@pytest.mark.parametrize(
    ("pattern", "word"),
    [
        ("", "empty"),
        ("/", "empty"),
        ("../x", "'..'"),
        ("a/../b", "'..'"),
        ("./a", "'.'"),
        ("a//b", "two slashes"),
        ("~/x", "outside"),
        ("C:\\x", "outside"),
        (".git/hooks", "git"),
        ("sub/.GIT", "git"),
        ("\\.git", "git"),
        ("a[bc", "closed"),
        ("a[z-a]", "no character"),
        ("a[/]", "closed"),
        ("[[:colour:]]", "no class"),
        ("a\\", "backslash"),
        ("a\nb", "control"),
        ("x" * 5000, "long"),
    ],
)
def test_what_leaves_the_repository_or_means_nothing_is_refused(pattern, word):
    problem = pattern_problem(pattern)
    assert problem is not None
    assert word in problem


def test_an_escaped_path_names_exactly_itself():
    for path in ["a[1].py", "what?.txt", "**/x", "a\\b", "x*", "ümlaut/ß"]:
        pattern = escape(path)
        assert parse_pattern(pattern).literal == path
        assert matches([pattern], path)
        assert matches([pattern], f"{path}/below")
    assert not matches([escape("a*")], "ab")
    assert not matches([escape("a[1]")], "a1")


def test_no_patterns_cover_nothing():
    assert not matches([], "a")


def test_many_stars_do_not_take_for_ever():
    start = time.process_time()
    assert not matches(["*a" * 100 + "b"], "a" * 5000)
    assert not matches(["/".join(["**", "a"] * 40) + "/b/*"], "/".join(["a"] * 400))
    assert time.process_time() - start < 2.0
