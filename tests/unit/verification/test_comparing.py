"""New failures and known ones: what passes, what fails, and what cannot be told."""

import pytest

from ledger.model import TestCount, Verdict
from orchestrator.policy.measure import Measure
from orchestrator.verification.junit import parse_report
from orchestrator.verification.reading import read_output


def pytest_says(failed=(), passed=0, errors=()):
    """What pytest -q prints of these."""
    lines = [f"FAILED t.py::{name} - assert {name}" for name in failed]
    lines += [f"ERROR t.py::{name} - {name}" for name in errors]
    parts = [f"{len(failed)} failed"] * bool(failed) + [f"{passed} passed"] * bool(passed)
    parts += [f"{len(errors)} errors"] * bool(errors)
    return "\n".join([*lines, f"{', '.join(parts)} in 0.10s"])


def read(exit_code, text, base=None, command="pytest -q", **more):
    measure = more.pop("measure", None) or Measure(base, base.tests.ran if base else None)
    return read_output(
        exit_code,
        "exited",
        text,
        command=command,
        pass_if="no-new-failures",
        measure=measure,
        **more,
    )


def base_of(exit_code, text, **more):
    """What the gate says of a base, as it is recorded."""
    reading = read(exit_code, text, **more)
    return Verdict(
        gate="unit",
        tree="t",
        key="k",
        outcome=reading.outcome,
        exit_code=exit_code,
        tests=reading.tests,
        failed_tests=reading.failed_tests,
    )


BASE = base_of(1, pytest_says(["a", "b"], passed=3))


# --- the base -----------------------------------------------------------------------------------


def test_a_red_base_whose_failures_are_named_passes_and_names_them():
    assert BASE.outcome == "passed"
    assert BASE.failed_tests == ("t.py::a", "t.py::b")
    assert BASE.tests == TestCount(passed=3, failed=2)


@pytest.mark.parametrize(
    ("exit_code", "text", "why", "hint"),
    [
        (1, "2 failed, 3 passed in 1s", "2 tests failed, 0 of them are named", "junit ="),
        (1, "something went wrong", "no test was counted", "junit ="),
        (1, "3 passed in 1s", "no test failed, something else did", "junit ="),
        (139, pytest_says(["a"]), "it crashed (SIGSEGV)", "junit ="),
        (1, "✖ adds (1.2ms)\nℹ pass 1\nℹ fail 1", "may be those of others too", "junit ="),
        (
            2,
            "ERROR t.py - boom\n!!!!!! Interrupted: 1 error during collection !!!!!!\n"
            "1 error in 0.1s",
            "Interrupted: 1 error during collection",
            "--continue-on-collection-errors",
        ),
        (
            1,
            "FAILED t.py::a\n!!!!!!!! stopping after 1 failures !!!!!!!!\n1 failed in 0.1s",
            "stopping after 1 failures",
            "without -x",
        ),
        (
            101,
            "test t::bad ... FAILED\ntest result: FAILED. 1 passed; 1 failed; 0 ignored;"
            "\nerror: test failed, to rerun pass `--lib`",
            "cargo does without --no-fail-fast",
            "--no-fail-fast",
        ),
        (1, pytest_says([f"t{n}" for n in range(201)]), "201 tests fail, more than the 200", ""),
    ],
)
def test_a_red_base_whose_failures_are_not_known_says_so_and_what_to_type(
    exit_code, text, why, hint
):
    reading = read(exit_code, text, command="x")
    assert reading.outcome == "could-not-run"
    assert reading.why.startswith("which tests fail on the base is not known: ")
    assert why in reading.why
    assert hint in reading.why


def test_a_green_base_is_a_green_base():
    base = base_of(0, pytest_says(passed=5))
    assert (base.outcome, base.failed_tests) == ("passed", ())
    assert read(0, pytest_says(passed=5), base).outcome == "passed"
    assert read(1, pytest_says(["a"], passed=4), base).outcome == "failed"


# --- trees --------------------------------------------------------------------------------------


def test_known_failures_may_go_on_failing_and_may_be_mended():
    reading = read(1, pytest_says(["a", "b"], passed=3), BASE)
    assert (reading.outcome, reading.new_failures) == ("passed", ())
    assert reading.failed_tests == ("t.py::a", "t.py::b")
    assert read(1, pytest_says(["b"], passed=4), BASE).outcome == "passed"
    assert read(0, pytest_says(passed=5), BASE).outcome == "passed"
    # A test that cannot even start does not pass either.
    assert read(1, pytest_says(["b"], passed=3, errors=["a"]), BASE).outcome == "passed"


def test_any_other_failure_is_a_new_one_also_that_of_a_new_test():
    reading = read(1, pytest_says(["a", "b", "c"], passed=2), BASE)
    assert reading.outcome == "failed"
    assert reading.new_failures == ("t.py::c",)
    assert reading.why == "1 test of 3 failed newly: FAILED t.py::c - assert c"
    assert "t.py::c" in reading.signature
    assert not any("t.py::a" in line for line in reading.lines)
    again = read(1, pytest_says(["c"], passed=4), BASE)
    assert again.why == "1 test failed newly: FAILED t.py::c - assert c"
    assert again.signature == reading.signature


@pytest.mark.parametrize(
    ("exit_code", "text"),
    [
        (1, pytest_says(["a"], passed=3)),  # one of five is gone
        (1, pytest_says(["a", "b"], passed=1)),
        (0, pytest_says(passed=4)),
    ],
)
def test_fewer_tests_are_no_pass(exit_code, text):
    reading = read(exit_code, text, BASE)
    assert (reading.outcome, reading.needed_tests) == ("could-not-run", 5)
    leave = Measure(BASE, 5, may_lose=True)
    assert read(exit_code, text, measure=leave).outcome == "passed"


@pytest.mark.parametrize(
    ("exit_code", "text"),
    [
        (1, "boom"),  # no count, no names
        (1, "FAILED t.py::a\nboom"),
        (1, "FAILED t.py::a - x\n2 failed, 3 passed in 1s"),  # one is not named
        (1, pytest_says(passed=5)),  # something else failed
        (139, pytest_says(["a", "b"], passed=3)),  # a crash
        (4, pytest_says(["a", "b"], passed=3)),  # another exit code than on the base
        (1, "✖ adds (1.2ms)\nℹ pass 4\nℹ fail 1"),
    ],
)
def test_a_red_that_known_failures_do_not_explain_is_no_pass(exit_code, text):
    assert read(exit_code, text, BASE, command="x").outcome == "failed"


def test_a_run_that_stopped_early_is_no_pass():
    text = pytest_says(["a", "b"], passed=3) + "\n!!!!! stopping after 2 failures !!!!!"
    reading = read(1, text, BASE)
    assert (reading.outcome, reading.why) == (
        "could-not-run",
        "it stopped early: stopping after 2 failures",
    )


def test_an_exit_code_that_counts_failures_is_known():
    base = base_of(2, "  3 passing (1ms)\n  2 failing", report=parse_report(_report("ab", "cde")))
    assert base.outcome == "passed"
    fewer = read(1, "", base, report=parse_report(_report("a", "bcde")))
    assert fewer.outcome == "passed"


def test_a_pipe_that_hides_the_exit_code_hides_nothing():
    assert read(0, pytest_says(["c"], passed=4), BASE).outcome == "failed"
    assert read(0, pytest_says(["a"], passed=4), BASE).outcome == "passed"


def test_what_explains_the_new_failure_is_told_and_not_what_everybody_knows():
    text = (
        "____ test_old ____\n    def test_old():\n"
        "E   assert 'everybody knows'\nt.py:1: AssertionError\n"
        "____ A.test_new[1.5] ____\nE   assert 'look here'\nt.py:9: AssertionError\n"
        "==== short test summary info ====\n"
        "FAILED t.py::test_old - assert\nFAILED t.py::A::test_new[1.5] - assert\n"
        "2 failed, 3 passed in 1s"
    )
    base = base_of(1, "FAILED t.py::test_old - assert\n1 failed, 4 passed in 1s")
    reading = read(1, text, base)
    assert reading.new_failures == ("t.py::A::test_new[1.5]",)
    assert "E   assert 'look here'" in reading.lines
    assert not any("everybody" in line or "test_old" in line for line in reading.lines)


def test_a_crowd_of_known_failures_does_not_hide_the_new_one():
    old = [f"old{n}" for n in range(150)]
    base = base_of(1, pytest_says(old, passed=3))
    reading = read(1, pytest_says([*old, "new"], passed=3), base)
    assert reading.lines[0] == "FAILED t.py::new - assert new"


def test_a_base_that_could_not_be_known_excuses_nothing():
    unknown = BASE.model_copy(update={"outcome": "could-not-run", "failed_tests": ()})
    assert read(1, pytest_says(["a"], passed=4), unknown).outcome == "failed"
    more = BASE.model_copy(update={"failed_more": 3})
    assert read(1, pytest_says(["a"], passed=4), more).new_failures is None


# --- reports ------------------------------------------------------------------------------------


def _report(failed, passed):
    cases = "".join(f"<testcase classname='t' name='{n}'><failure/></testcase>" for n in failed)
    cases += "".join(f"<testcase classname='t' name='{n}'/>" for n in passed)
    return f"<testsuite>{cases}</testsuite>".encode()


def test_a_report_counts_and_names_before_anything_printed():
    base = base_of(1, "nothing to see", report=parse_report(_report("ab", "cde")))
    assert (base.outcome, base.failed_tests) == ("passed", ("t::a", "t::b"))
    assert base.tests == TestCount(passed=3, failed=2)
    same = read(1, "99 passed in 1s", base, report=parse_report(_report("ab", "cde")))
    assert same.outcome == "passed"
    new = read(1, "", base, report=parse_report(_report("abc", "de")))
    assert (new.outcome, new.new_failures) == ("failed", ("t::c",))
    assert new.why == "1 test of 3 failed newly: t::c"


def test_without_the_report_that_was_named_nothing_is_known():
    missing = "its report r.xml cannot be read: it was not written (hint: write it)"
    base = read(1, pytest_says(["a"], passed=4), report=missing)
    assert base.outcome == "could-not-run"
    assert missing in base.why
    known = base_of(1, "", report=parse_report(_report("a", "bcde")))
    tree = read(1, pytest_says(["a"], passed=4), known, report=missing)
    assert tree.outcome == "failed"
    assert f"({missing})" in tree.lines


def exit_0(exit_code, text, report, measure=None, command="x"):
    how = {"measure": measure} if measure else {}
    return read_output(exit_code, "exited", text, command=command, report=report, **how)


def test_a_gate_that_judges_by_its_exit_code_needs_its_report_too():
    assert exit_0(0, "", parse_report(_report("", "ab"))).outcome == "passed"
    missing = exit_0(0, "4 passed in 1s", "its report is not there")
    assert (missing.outcome, missing.why) == ("could-not-run", "its report is not there")
    # What failed before it could write one has failed.
    assert exit_0(1, "a.py:1:1: F401 unused", "its report is not there").outcome == "failed"
    assert exit_0(127, "sh: x: not found", "its report is not there").outcome == "could-not-run"


@pytest.mark.parametrize(
    ("report", "why"),
    [
        (b"<testsuite/>", "no test was collected"),
        (b"<testsuite><testcase name='a'><skipped/></testcase></testsuite>", "its only test was"),
        (_report("", "ab"), "only 2 tests ran, where 3 did before"),
    ],
)
def test_a_report_of_nothing_or_of_less_is_no_pass(report, why):
    reading = exit_0(0, "500 passed in 1s", parse_report(report), Measure(tests=3))
    assert reading.outcome == "could-not-run"
    assert reading.why.startswith(why)


def test_a_report_of_failures_is_no_pass_whatever_the_exit_code():
    reading = exit_0(0, "", parse_report(_report("a", "b")))
    assert reading.outcome == "failed"
    assert reading.why.startswith("it ended with 0 although 1 test failed")


def test_a_red_tree_says_which_of_its_failures_are_new():
    green = Verdict(gate="unit", tree="t", key="k", outcome="passed", tests=TestCount(passed=3))
    text = pytest_says(["a", "b"], passed=1)
    reading = exit_0(1, text, None, Measure(green, 3))
    assert reading.new_failures == ("t.py::a", "t.py::b")
    red = green.model_copy(update={"outcome": "failed", "failed_tests": ("t.py::a",)})
    assert exit_0(1, text, None, Measure(red)).new_failures == ("t.py::b",)
    assert exit_0(1, text, None).new_failures is None
