"""Which tests failed, by name, from what the runners print."""

import time

import pytest

from orchestrator.verification.names import NAME_CHARS, find_failed_tests, settled

SAID = {
    "pytest": (
        "FAILED t.py::test_p[a - b] - AssertionError: boom - not\n"
        "FAILED t.py::test_p[c[0] - d] - AssertionError\n"
        "FAILED t.py::TestC::test_m - ValueError: x [1]\n"
        "FAILED t.py::test_x - [XPASS(strict)] \n"
        "FAILED docs/a.rst::a.rst\n"
        "SUBFAILED[first] (i=1) t.py::test_sub - assert 0\n"
        "SUBFAIL t.py::test_old - assert 0\n"
        "ERROR t.py::test_late - RuntimeError: teardown\n"
        "FAILED t.py::test_late - assert 0\n"
        "ERROR tests/test_c.py - ModuleNotFoundError\n"
        "ERROR    root:t.py:7 a captured line\n",
        (
            *("t.py::test_p[a - b]", "t.py::test_p[c[0] - d]", "t.py::TestC::test_m"),
            *("t.py::test_x", "docs/a.rst::a.rst", "t.py::test_sub [first] (i=1)"),
            *("t.py::test_old", "t.py::test_late", "tests/test_c.py"),
        ),
    ),
    "unittest": (
        "FAIL: test_a (ut.A.test_a)\nERROR: test_b (ut.A)\nFAIL: test_c (ut.A.test_c) (i=1)\n"
        "ERROR: setUpClass (ut.B)\nERROR: cannot (be this) one",
        ("ut.A.test_a", "ut.A.test_b", "ut.A.test_c (i=1)", "ut.B.setUpClass"),
    ),
    "go": (
        "--- FAIL: TestA (0.00s)\n    --- FAIL: TestA/sub (0.00s)\nFAIL\nFAIL\texample/x\t0.2s\n"
        "ok  \texample/y\t0.1s\n--- FAIL: TestA (0.00s)\nFAIL\texample/z\t0.1s\n"
        "FAIL\texample/w [build failed]\nFAIL\n",
        ("example/x.TestA", "example/x.TestA/sub", "example/z.TestA", "example/w"),
    ),
    "cargo": (
        "     Running unittests src/lib.rs (target/debug/deps/cr-f73a538893013b88)\n"
        "test t::good ... ok\ntest t::bad ... FAILED\n"
        "     Running tests/it.rs (target/debug/deps/it-c402cc767e4d8483)\n"
        "test t::bad ... FAILED\n   Doc-tests cr\ntest src/lib.rs - one (line 1) ... FAILED\n",
        ("cr (src/lib.rs) t::bad", "it (tests/it.rs) t::bad", "cr (doc) src/lib.rs - one"),
    ),
    "jest": (
        "PASS src/b.test.js\nFAIL src/a.test.js (5.2 s)\n  ● Console\n  ● sums › adds\n"
        "FAIL web src/c.test.js\n  ● sums › adds\n  ● Test suite failed to run\n"
        "Summary of all failing tests\nFAIL src/a.test.js (5.2 s)\n  ● sums › adds\n",
        ("src/a.test.js › sums › adds", "src/c.test.js › sums › adds", "src/c.test.js"),
    ),
    "vitest": (
        "   × adds 5ms\n FAIL  src/a.test.ts > sums > adds\n FAIL  |web| src/b.test.ts > adds\n"
        "AssertionError: expected 1 to be 2\n",
        ("src/a.test.ts > sums > adds", "src/b.test.ts > adds"),
    ),
    "ctest": ("\t  2 - second (Failed)\n\t  3 - third (Timeout)", ("second", "third")),
}
WITHOUT_A_FILE = {
    "node": (
        "not ok 2 - bad one\n    not ok 1 - inner\nnot ok 3 - later # TODO\n✖ spec (1.2ms)\n"
        "✖ failing tests:",
        ("bad one", "inner", "spec"),
    ),
    "mocha": (
        "  1) not yet\n  2 failing\n\n  1) Sums\n       when odd\n         adds:\n     Error: x\n"
        "  2) alone:\n     Error: y\n",
        ("Sums › when odd › adds", "alone"),
    ),
}


@pytest.mark.parametrize("runner", SAID)
def test_a_runner_names_what_failed(runner):
    text, names = SAID[runner]
    found = find_failed_tests(text.split("\n"))
    assert found.names == names
    assert found.exact


@pytest.mark.parametrize("runner", WITHOUT_A_FILE)
def test_names_that_may_be_another_tests_too_are_said_to_be(runner):
    text, names = WITHOUT_A_FILE[runner]
    found = find_failed_tests(text.split("\n"))
    assert found.names == names
    assert not found.exact


def test_as_many_are_told_as_the_runner_counts():
    text, names = SAID["pytest"]
    assert find_failed_tests(text.split("\n")).told == len(names) + 1  # one failed twice


def test_nothing_is_named_where_nothing_failed():
    found = find_failed_tests(["4 passed in 0.1s", "test t::good ... ok", "ok\texample/x\t0.1s"])
    assert (found.names, found.told, found.exact) == ((), 0, True)


def test_a_name_is_the_same_each_time_and_bounded():
    assert settled("t.py::t[<A at 0x7f01>]") == settled("t.py::t[<A at 0x8f77>]")
    long = "t.py::t[" + "x" * 900
    assert len(settled(long + "a]")) == NAME_CHARS
    assert settled(long + "a]") != settled(long + "b]")


def test_hostile_lines_take_no_time():
    texts = ("FAILED " + "[" * 600, "FAILED a::" + " - [" * 250, "FAIL: a (" + "a." * 400)
    more = ("not ok 1 - " + "# " * 500, "  ● " + "Warning" * 150, "✖ " + "(1" * 500)
    for text in (*texts, *more, "SUBFAILED" + "[](" * 300, "FAIL\t" + "a " * 500):
        began = time.monotonic()
        find_failed_tests([text] * 300)
        assert time.monotonic() - began < 2, text[:40]
