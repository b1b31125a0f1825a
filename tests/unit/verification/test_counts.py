"""How many tests the runners say that they ran."""

import pytest

from ledger.model import TestCount
from orchestrator.verification.counts import count_tests

CLOSINGS = {
    "pytest": ("===== 2 failed, 3 passed, 1 skipped, 1 error in 0.85s =====", (3, 2, 1, 1)),
    "pytest, long": ("5 passed, 2 warnings in 61.00s (0:01:01)", (5, 0, 0, 0)),
    "pytest, expected": ("1 passed, 2 xfailed, 1 xpassed, 4 deselected in 0.1s", (2, 0, 2, 0)),
    "pytest, nothing": ("no tests ran in 0.66s", (0, 0, 0, 0)),
    "pytest, all deselected": ("3 deselected in 0.01s", (0, 0, 0, 0)),
    "unittest": ("Ran 6 tests in 0.001s\n\nFAILED (failures=1, errors=2, skipped=1)", (2, 1, 1, 2)),
    "unittest, green": ("Ran 3 tests in 0.001s\n\nOK (expected failures=1)", (2, 0, 1, 0)),
    "unittest, nothing": ("Ran 0 tests in 0.000s\n\nNO TESTS RAN", (0, 0, 0, 0)),
    "jest": ("Tests:       1 failed, 2 skipped, 3 passed, 6 total", (3, 1, 2, 0)),
    "vitest": ("      Tests  1 failed | 3 passed (4)", (3, 1, 0, 0)),
    "mocha": ("  3 passing (12ms)\n  1 pending\n  2 failing", (3, 2, 1, 0)),
    "node": ("# tests 3\n# pass 1\n# fail 1\n# cancelled 0\n# skipped 1\n# todo 0", (1, 1, 1, 0)),
    "go -v": (
        "--- PASS: TestA (0.00s)\n--- FAIL: TestB (0.10s)\nFAIL\texample/x\t0.2s",
        (1, 1, 0, 0),
    ),
    "go -v, all failed": ("=== RUN   TestB\n--- FAIL: TestB (0.1s)\nFAIL\tx/y\t0.2s", (0, 1, 0, 0)),
    "go, one failed of many": (
        "--- FAIL: TestB (0.1s)\n--- FAIL: TestC (0.1s)\nFAIL\nFAIL\tx/y\t0.2s\nok  \tx/z\t0.1s",
        (1, 1, 0, 0),
    ),
    "go": (
        "ok  \texample/x\t0.2s\nFAIL\texample/y\t0.1s\n?   \texample/z\t[no test files]",
        (1, 1, 0, 0),
    ),
    "go, nothing": ("?   \texample/z\t[no test files]", (0, 0, 0, 0)),
    "cargo": (
        "test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out\n"
        "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
        (3, 1, 1, 0),
    ),
    "ctest": ("67% tests passed, 1 tests failed out of 3", (2, 1, 0, 0)),
    "ctest, nothing": ("No tests were found!!!", (0, 0, 0, 0)),
    "two runners": ("4 passed in 0.1s\nTests:       1 passed, 1 total", (5, 0, 0, 0)),
}


@pytest.mark.parametrize("name", CLOSINGS)
def test_a_runners_closing_lines_are_understood(name):
    text, expected = CLOSINGS[name]
    passed, failed, skipped, errors = expected
    count = TestCount(passed=passed, failed=failed, skipped=skipped, errors=errors)
    assert count_tests(text.split("\n")) == count


def test_no_runner_is_not_the_same_as_no_tests():
    assert count_tests(["All checks passed!", "Found 3 errors.", "12 files in 0.2s"]) is None
    assert count_tests([]) is None


def test_a_count_is_told_without_what_is_zero():
    count = TestCount(passed=5, failed=1, skipped=3, errors=2)
    assert count.render() == "5 passed, 1 failed, 2 errors, 3 skipped"
    assert TestCount().render() == "0 passed"
    assert (count.total, count.ran, count.bad) == (11, 8, 3)
