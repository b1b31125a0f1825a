"""What a gate's output says: outcome, the lines that matter, the same failure again."""

import time

import pytest

from ledger.model import TestCount, Verdict
from orchestrator.policy.measure import UNMEASURED, Measure
from orchestrator.verification.reading import read_output
from orchestrator.verification.telling import LINE_CHARS, LINES_AT_MOST

PYTEST = """\
.F                                                                       [100%]
=================================== FAILURES ===================================
___________________________________ test_bad ___________________________________

    def test_bad():
        x = [1, 2, 3]
>       assert x == [1, 2, 4], "boom"
E       AssertionError: boom
E       assert [1, 2, 3] == [1, 2, 4]

{root}/tests/test_a.py:{line}: AssertionError
=========================== short test summary info ============================
FAILED tests/test_a.py::test_bad - AssertionError: boom
1 failed, 1 passed in {seconds}s
"""
UNITTEST = """\
FE
======================================================================
ERROR: test_c (ut.A.test_c)
----------------------------------------------------------------------
Traceback (most recent call last):
  File "/w/ut.py", line 6, in test_c
    def test_c(self): raise ValueError("q")
ValueError: q

======================================================================
FAIL: test_a (ut.A.test_a)
----------------------------------------------------------------------
Traceback (most recent call last):
AssertionError: 1 != 2

----------------------------------------------------------------------
Ran 2 tests in 0.000s

FAILED (failures=1, errors=1)
"""


def read(exit_code, text, command="sh gate", **more):
    return read_output(exit_code, "exited", text, command=command, **more)


# --- outcomes -----------------------------------------------------------------------------------


def test_exit_0_is_a_pass_and_says_how_many_tests_there_were():
    assert read(0, "").outcome == "passed"
    reading = read(0, "....\n4 passed, 1 skipped in 0.1s\n")
    assert (reading.outcome, reading.why, reading.lines) == ("passed", "", ())
    assert reading.tests == TestCount(passed=4, skipped=1)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("no tests ran in 0.01s", "no test was collected"),
        ("Ran 0 tests in 0.000s\n\nOK", "no test was collected"),
        ("3 skipped in 0.01s", "all 3 tests were skipped"),
        ("?   \texample/z\t[no test files]", "no test was collected"),
    ],
)
def test_a_suite_that_looked_at_nothing_has_not_passed(text, why):
    reading = read(0, text)
    assert (reading.outcome, reading.why) == ("could-not-run", why)


def test_fewer_tests_than_had_to_run_are_no_pass():
    five = Measure(tests=5)
    assert read(0, "5 passed in 1s", measure=five).outcome == "passed"
    reading = read(0, "4 passed in 1s", measure=five)
    assert (reading.outcome, reading.needed_tests) == ("could-not-run", 5)
    assert reading.why == "only 4 tests ran, where 5 did before"
    assert read(1, "4 failed in 1s", measure=five).outcome == "failed"
    # What is skipped did not run, and what tells of no tests may have run none.
    assert read(0, "4 passed, 1 skipped in 1s", measure=five).outcome == "could-not-run"
    silent = read(0, "all is well", measure=five)
    assert (silent.outcome, silent.needed_tests) == ("could-not-run", 5)
    assert silent.why == "it told of no tests, where 5 ran before"


def test_fewer_tests_are_a_pass_by_leave_and_said():
    reading = read(0, "4 passed in 1s", measure=Measure(tests=5, may_lose=True))
    assert (reading.outcome, reading.needed_tests) == ("passed", 5)
    for nothing in ("no tests ran in 0.1s", "4 skipped in 0.1s"):
        assert read(0, nothing, measure=Measure(tests=5, may_lose=True)).outcome == "could-not-run"


def test_exit_0_does_not_hide_that_tests_failed():
    """As `pytest | tee log` would."""
    reading = read(0, "FAILED t.py::a - boom\n1 failed, 3 passed in 1s", command="pytest | tee log")
    assert reading.outcome == "failed"
    assert reading.why == "it ended with 0 although 1 test failed: FAILED t.py::a - boom"
    assert reading.failed_tests == ("t.py::a",)


@pytest.mark.parametrize(
    ("exit_code", "command", "text", "why"),
    [
        (127, "nosuch", "sh: 1: nosuch: not found", "a command was not found: sh: 1: nosuch"),
        (126, "./x", "sh: 1: ./x: Permission denied", "a command may not be executed: sh: 1: ./x"),
        (2, "make t", "make: *** [Makefile:2: t] Error 127", "a command was not found"),
        (1, "python -m pytest", "/u/bin/python3: No module named pytest", "the module pytest that"),
        (5, "python -m pytest", "no tests ran in 0.1s", "no test was collected"),
        (4, "pytest x.py", "ERROR: file or directory not found: x.py", "pytest was called wrongly"),
        (3, "pytest", "INTERNALERROR> boom", "pytest itself broke: INTERNALERROR> boom"),
        (2, "make t", "no tests ran in 0.1s\nmake: *** [Makefile:2: t] Error 5", "no test was"),
        (2, "make t", "make: *** [Makefile:2: t] Killed", "something ended it by SIGKILL"),
        (2, "make t", "make: *** [Makefile:2: t] Error 137", "something ended it by SIGKILL"),
        (1, "jest", "No tests found, exiting with code 1", "no test was collected"),
        (124, "timeout 60 pytest", "...", "the time limit in its command ran out"),
        (137, "pytest", "", "something ended it by SIGKILL"),
        (143, "pytest", "", "something ended it by SIGTERM"),
        (-15, "pytest", "", "something ended it by SIGTERM"),
    ],
)
def test_what_could_not_run_is_nobodys_fault(exit_code, command, text, why):
    reading = read(exit_code, text, command)
    assert reading.outcome == "could-not-run"
    assert reading.why.startswith(why)
    assert reading.signature.startswith("could-not-run: ")


def test_a_gate_that_was_ended_by_us_could_not_run():
    late = read_output(None, "timeout", "...", command="x", timeout_s=600.0)
    assert (late.outcome, late.why) == ("could-not-run", "it did not end within 600 s")
    assert read_output(None, "killed", "", command="x").outcome == "could-not-run"
    gone = read_output(None, "not-started", "the folder is gone", command="x")
    assert (gone.outcome, gone.why) == ("could-not-run", "the folder is gone")


def test_what_went_over_a_limit_is_the_trees_fault_where_the_base_did_not():
    over = "it used more than 6.0 GB of memory"
    said = "collected 3 items\nKilled\n"

    green = Measure(Verdict(gate="unit", tree="t", key="k", outcome="passed"))

    def read_over(exit_code, measure=UNMEASURED):
        return read_output(exit_code, "limit", said, command="sh gate", over=over, measure=measure)

    for exit_code in (None, 0, 137):
        failed = read_over(exit_code, green)
        assert (failed.outcome, failed.why) == ("failed", f"{over}; on the base it did not")
        assert "Killed" in failed.lines[-1]
        unknown = read_over(exit_code)
        assert (unknown.outcome, unknown.why) == ("could-not-run", over)
    assert read_over(1, green).signature == read_over(2, green).signature


def test_what_the_trees_own_code_broke_has_failed():
    conftest = "ImportError while loading conftest '/w/conftest.py'.\nE   NameError: x\n"
    assert read(4, conftest, "pytest").outcome == "failed"
    assert read(1, "a.py: No module named b\nModuleNotFoundError: No module named 'b'").outcome == (
        "failed"
    )
    assert read(5, "exit 5 of something else", "./check.sh").outcome == "failed"
    assert read(139, "", "pytest").why == "it crashed (SIGSEGV)"
    assert read(139, "", "pytest").outcome == "failed"


# --- what matters -------------------------------------------------------------------------------


def test_pytests_failures_come_with_what_explains_them():
    reading = read(1, PYTEST.format(root="/w/1", line=9, seconds="0.85"), roots=("/w/1",))
    assert reading.why == "FAILED tests/test_a.py::test_bad - AssertionError: boom"
    assert "E       assert [1, 2, 3] == [1, 2, 4]" in reading.lines
    assert "tests/test_a.py:9: AssertionError" in reading.lines
    assert reading.tests is not None and reading.tests.failed == 1


def test_a_failure_without_a_reason_gets_the_one_that_stands_near():
    assert read(1, UNITTEST).why == "ERROR: test_c (ut.A.test_c) (ValueError: q)"
    collecting = (
        "E   ModuleNotFoundError: No module named 'foo'\nERROR tests/test_c.py\n1 error in 1s"
    )
    assert read(2, collecting).why == (
        "ERROR tests/test_c.py (ModuleNotFoundError: No module named 'foo')"
    )
    traceback = 'Traceback (most recent call last):\n  File "a.py", line 1\nKeyError: 3\n'
    assert read(1, traceback).why == "KeyError: 3"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("m.py:2: error: Bad  [x]\nm.py:2: note: see\nFound 1 error", "m.py:2: error: Bad  [x]"),
        ("m.py:2: note: first\nm.py:3: error: Bad", "m.py:3: error: Bad"),
        ("r.py:1:8: F401 [*] `os` imported", "r.py:1:8: F401 [*] `os` imported"),
        ("F401 [*] `os` imported\n --> r.py:1:8\n  |", "F401 [*] `os` imported (r.py:1:8)"),
        ("src/a.ts(3,5): error TS2322: no.", "src/a.ts(3,5): error TS2322: no."),
        ("./x.go:7:2: undefined: y", "./x.go:7:2: undefined: y"),
        (
            "error[E0308]: mismatched\n  --> src/lib.rs:2:5",
            "error[E0308]: mismatched (src/lib.rs:2:5)",
        ),
        (
            "--- FAIL: TestB (0.10s)\n    x_test.go:9: no",
            "--- FAIL: TestB (0.10s) (x_test.go:9: no)",
        ),
        (
            "test t::bad ... FAILED\nthread 't::bad' (7) panicked at src/lib.rs:1:58:\n"
            "assertion `left == right` failed: msg",
            "test t::bad ... FAILED (assertion `left == right` failed: msg)",
        ),
        ("not ok 2 - bad\n  error: '1 == 2'", "not ok 2 - bad (error: '1 == 2')"),
        ("would reformat a.py\nOh no!", "would reformat a.py"),
    ],
)
def test_the_most_telling_line_is_found(text, why):
    assert read(1, text).why == why


def test_an_unknown_output_keeps_its_last_lines():
    reading = read(1, "\n".join(f"step {n}" for n in range(100)))
    assert reading.why == "step 99"
    assert len(reading.lines) == 20
    assert read(3, "").why == "exit code 3, nothing printed"


def test_what_is_kept_is_bounded_clean_and_each_line_once():
    flood = "".join(f"m.py:{n}: error: e{n} {'x' * 700}\n" for n in range(3000))
    reading = read(
        1, "same.py:1: error\n" * 50 + "\x1b[31mred.py:1: error: \x07 bad\x1b[0m\n" + flood
    )
    assert len(reading.lines) == LINES_AT_MOST
    assert reading.lines[-1] == "(2963 more lines like these)"
    assert max(map(len, reading.lines)) <= LINE_CHARS
    assert reading.lines[0] == "same.py:1: error"
    assert reading.lines[1] == "red.py:1: error:  bad"


def test_hostile_output_takes_no_time():
    texts = ("a." * 150, "a:1" * 100, "(a.b)" * 60, "1 a, " * 60, "_.A" * 90, "error: " * 40)
    for text in texts:
        began = time.monotonic()
        read(1, (text + "\n") * (300_000 // len(text)))
        assert time.monotonic() - began < 5


# --- the same failure again ---------------------------------------------------------------------


def test_the_same_failure_has_the_same_signature_elsewhere_and_later():
    one = read(1, PYTEST.format(root="/w/1", line=9, seconds="0.85"), roots=("/w/1",))
    two = read(1, PYTEST.format(root="/w/22", line=31, seconds="12.01"), roots=("/w/22",))
    assert one.signature == two.signature
    assert one.signature.startswith("tests/test_a.py::test_bad~")


def test_the_order_of_failures_does_not_matter_but_which_failed_does():
    a, b = "FAILED t.py::a - x", "FAILED t.py::b - y"
    assert read(1, f"{a}\n{b}\n2 failed in 1s").signature == (
        read(1, f"{b}\n{a}\n2 failed in 3s").signature
    )
    assert read(1, a).signature != read(1, f"{a}\n{b}").signature


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("KeyError: <A at 0x7f00>", "KeyError: <A at 0x8f13>"),
        ("m.py:3:4: error: bad", "m.py:30:1: error: bad"),
        (
            "OSError: /tmp/pytest-of-me/pytest-3/a: gone",
            "OSError: /tmp/pytest-of-me/pytest-9/b: gone",
        ),
        ("error: refused 127.0.0.1:5123", "error: refused 127.0.0.1:6001"),
        ("error: at 2026-11-22T10:00:01Z", "error: at 2027-01-02 11:12:13.5"),
        ("error: pid 12 died after 3.2 s", "error: pid 77777 died after 14 ms"),
    ],
)
def test_what_differs_from_run_to_run_is_left_out(one, other):
    assert read(1, one).signature == read(1, other).signature
    assert read(1, one).signature != read(1, one + " otherwise").signature


def test_numbers_that_mean_something_stay():
    assert (
        read(1, "AssertionError: 1 != 2").signature != read(1, "AssertionError: 1 != 3").signature
    )
