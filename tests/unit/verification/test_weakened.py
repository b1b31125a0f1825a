"""Which edits of tests are held as weakened, and which honest ones pass."""

from __future__ import annotations

import time
from textwrap import dedent

import pytest

from orchestrator.verification.weakened import Edited, compare_tests
from tests.unit.verification.weakening_cheats import CHEATS
from tests.unit.verification.weakening_honest import HONEST
from tests.unit.verification.weakening_sources import (
    PLAIN,
    UNITTEST,
    VALUE,
)

PATH = "tests/test_app.py"


def text(source: str) -> bytes:
    return dedent(source).encode()


def weakened(before, after, path=PATH):
    """What is held of a change: one file's text, or files by their paths."""
    return compared(before, after, path).weakened


def compared(before, after, path=PATH):
    old = before if isinstance(before, dict) else {path: before}
    new = after if isinstance(after, dict) else {path: after}
    edits = [
        Edited(
            name,
            text(old[name]) if name in old else None,
            text(new[name]) if name in new else None,
        )
        for name in sorted({*old, *new})
    ]
    return compare_tests(edits)


def edited(source: str, *changes: tuple[str, str]) -> str:
    source = dedent(source)
    for old, new in changes:
        assert old in source, old
        source = source.replace(old, new)
    return source


@pytest.mark.parametrize("cheat", sorted(CHEATS))
def test_a_weakened_test_is_found(cheat):
    source, changes, said = CHEATS[cheat]
    before = dedent(source)
    after = edited(source, *changes)
    found = weakened(before, after)
    assert found, after
    assert any(said in f"{one.test} {one.what}" for one in found), found
    assert weakened(before, before) == ()


# --- honest edits -------------------------------------------------------------------------------


@pytest.mark.parametrize("edit", sorted(HONEST))
def test_an_honest_edit_passes(edit):
    before, after = HONEST[edit]
    assert edit == "nothing" or before != after
    assert bool(compared(before, after).unread) == (edit == "broken")
    assert weakened(before, after) == ()


# --- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ({}, "deleted, with 2 tests"),
        ({"tests/check_app.py": PLAIN}, "do not look for tests"),
        ({"tests/old_app.py": PLAIN}, "do not look for tests"),
        ({"attic/test_app.py": PLAIN}, "out of the folder of the tests"),
        ({"tests/.old/test_app.py": PLAIN}, "do not look for tests"),
        ({"tests/test_app.py": "import pytest\n"}, "deleted"),
        ({"tests/test_app.py": ""}, "deleted"),
    ],
)
def test_a_file_of_tests_that_goes_is_held(after, said):
    found = weakened({"tests/test_app.py": PLAIN}, after)
    assert said in " ".join(one.what for one in found)
    if not after:
        assert [(one.path, one.test) for one in found] == [
            ("tests/test_app.py", "(the whole file)")
        ]


def test_a_test_that_is_weakened_where_it_was_moved_to_is_told_there():
    moved = edited(PLAIN, (f"    {VALUE}\n", ""))
    found = weakened({"tests/test_app.py": PLAIN}, {"tests/unit/test_app.py": moved})
    assert [(one.path, one.test) for one in found] == [("tests/unit/test_app.py", "test_parse")]


def test_one_new_test_takes_the_place_of_one_old_test_only():
    many = "from app import f\n" + "".join(
        f"def test_{n}():\n    assert f({n}) == {n}\n" for n in range(6)
    )
    assert len(weakened(many, "from app import f\ndef test_0():\n    assert f(0) == 0\n")) == 5
    two = (
        "from app import f\ndef test_x():\n    assert f(0) == 0\n"
        "def test_y():\n    assert f(1) == 1\n"
    )
    assert len(weakened(many, two)) == 4


def test_what_is_told_names_the_test_its_line_and_what_became_of_it():
    after = edited(UNITTEST, ("self.assertEqual(total([1, 2]), 3)", "self.assertTrue(1)"))
    (one,) = weakened(UNITTEST, after)
    assert (one.path, one.test, one.line) == (PATH, "AppTest.test_total", 12)
    assert one.what == "`assert 1`, which always holds, where `total([1, 2]) == 3` was"


def test_a_skip_of_a_file_is_told_once():
    after = edited(PLAIN, ("import pytest\n", "import pytest\npytestmark = pytest.mark.skip\n"))
    (one,) = weakened(PLAIN, after)
    assert (one.test, one.what) == ("(the whole file)", "it is skipped now (skip)")


def test_what_is_no_python_is_not_compared_and_said():
    broken = "def test_a(:\n    assert f()\n"
    for before, after in ((broken, PLAIN), (PLAIN, broken)):
        found = compare_tests([Edited(PATH, text(before), text(after))])
        assert found.weakened == ()
        ((path, why),) = found.unread
        assert path == PATH and "in line" in why
    for content in (b"\0", b"\xff", b"# coding: none\n", b"x = " + b"(" * 5000):
        assert compare_tests([Edited(PATH, content, b"")]).unread


def test_conftest_is_left_to_what_is_protected_and_other_languages_to_nobody():
    for path in ("tests/conftest.py", "tests/a.test.js", "tests/a_test.go"):
        assert weakened(PLAIN, "", path) == ()


def test_what_cannot_be_told_passes():
    wrong = edited(PLAIN, ("== 3", "== 99"))
    replaced = edited(PLAIN, ("    assert total", "    app.total = lambda _: 3\n    assert total"))
    for after in (wrong, replaced):
        assert weakened(PLAIN, after) == ()


def test_what_is_too_large_or_nested_too_deep_to_be_compared_is_held():
    deep = PLAIN + "\n    x = 0" + " + 1" * 6000 + "\n"
    large = PLAIN + "\n    # " + "x" * (2 << 20) + "\n"
    for after, said in ((deep, "nested too deep"), (large, "too large")):
        (one,) = weakened(PLAIN, after)
        assert (one.test, said in one.what) == ("(the whole file)", True)


@pytest.mark.thorough
def test_a_thousand_tests_that_all_change_are_compared_in_no_time():
    lines = "\n".join(f"def test_{n}():\n    assert f({n}) == {n}\n" for n in range(1000))
    began = time.monotonic()
    found = weakened("import f\n" + lines, "import f\n" + lines.replace("def test_", "def _test_"))
    assert len(found) == 1000
    assert time.monotonic() - began < 60
