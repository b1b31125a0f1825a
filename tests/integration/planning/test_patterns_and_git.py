"""Our patterns and git's own `:(top,glob)` pathspecs pick the same files of a real repository."""

import random
import subprocess

import pytest

from orchestrator.policy.paths import matches
from orchestrator.policy.pattern import escape, pattern_problem

FILES = [
    "a",
    "a.py",
    "ab",
    "ba/a",
    "ba/b.py",
    "src/a.py",
    "src/b.md",
    "src/core/a.py",
    "src/core/b.py",
    "src/core/deep/c.py",
    "src/corex/a.py",
    "docs/a.md",
    "docs/x/y.md",
    "tests/test_a.py",
    "tests/unit/test_b.py",
    "x[1].py",
    "-dash",
    "src/a*b.py",
    "é.py",
    "sp/with",
]
NAMES = ["a", "a.py", "src", "core", "*", "**", "?", "*.py", "a*", "*b*", "[ab]*", "[!a]*"]
NAMES += ["test_?.py", "x\\[1\\].py", "*a*.*", "[[:alpha:]]*", "[a-c]", "docs", "tests", "*/"]


def git(folder, *args, stdin=None):
    run = subprocess.run(["git", *args], cwd=folder, input=stdin, capture_output=True, check=True)
    return run.stdout


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    git(folder, "init", "-q")
    for name in FILES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    git(folder, "add", "-A")
    return folder


def picked_by_git(repository, pattern):
    listed = git(repository, "ls-files", "-z", "--", f":(top,glob){pattern}")
    return {name for name in listed.decode().split("\0") if name}


def test_the_same_files_are_picked(repository):
    chance = random.Random(7)
    compared = 0
    for _ in range(250):
        pattern = "/".join(chance.choice(NAMES) for _ in range(chance.randint(1, 4)))
        if pattern_problem(pattern) or pattern.endswith("*/"):
            continue  # `x*/` names folders here and nothing in a pathspec
        ours = {name for name in FILES if matches([pattern], name)}
        theirs = picked_by_git(repository, pattern)
        if pattern.rstrip("/").rsplit("/", 1)[-1] not in ("a", "a.py", "src", "core", "docs"):
            assert ours == theirs, pattern
        else:  # git covers what lies below a plain name only when the whole pattern is plain
            assert theirs <= ours, pattern
        compared += 1
    assert compared > 150


def test_every_file_is_picked_by_its_own_name_alone(repository):
    for name in FILES:
        pattern = escape(name)
        assert picked_by_git(repository, pattern) == {name}
        assert {other for other in FILES if matches([pattern], other)} == {name}
