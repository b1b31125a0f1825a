"""How many tests a runner says that it ran, from its closing lines. Pure.

1. Known: pytest, unittest, jest, vitest, mocha, node's own runner, go test, cargo test, ctest.
2. A gate may call several runners, or one several times: what they say is added up.
3. An expected failure counts as skipped, a test that failed to start as an error. What was
   deselected did not run and is not counted.
4. Go names the tests that passed with -v only: without it, packages are counted.
5. Where no runner closed with a count, there is none (None): that is not the same as zero.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ledger.model import TestCount

_PYTEST = re.compile(r"^=*\s*((?:\d+ [a-z ]+?(?:, )?)+|no tests ran) in \d[\d.]*s\b")
_PYTEST_PART = re.compile(r"(\d+) (passed|failed|skipped|errors?|xfailed|xpassed)\b")
_UNITTEST_RAN = re.compile(r"^Ran (\d+) tests? in \d[\d.]*s$")
_UNITTEST_END = re.compile(r"^(?:OK|FAILED|PASSED|NO TESTS RAN)(?: \((.*)\))?$")
_UNITTEST_PART = re.compile(
    r"(failures|errors|skipped|skips|expected failures|expectedFailures|"
    r"unexpected successes|unexpectedSuccesses)=(\d+)"
)
_JEST = re.compile(r"^\s*Tests:\s+(.*\b\d+ total)\b")
_VITEST = re.compile(r"^\s*Tests\s+(.*)\(\d+\)\s*$")
_SCRIPT_PART = re.compile(r"(\d+) (passed|failed|skipped|todo|pending)\b")
_MOCHA = re.compile(r"^\s{2}(\d+) (passing \([\d.]+\w+\)|failing|pending)$")
_NODE = re.compile(r"^(?:#|ℹ) (pass|fail|cancelled|skipped|todo) (\d+)$")
_GO_TEST = re.compile(r"^(?:--- (PASS|FAIL|SKIP): |=== (RUN) )")
_GO_PACKAGE = re.compile(r"^(ok|FAIL|\?)\s*\t\s*\S+\s*\t?\s*(.*)$")
_CARGO = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;")
_CTEST = re.compile(r"^\d+% tests passed, (\d+) tests? failed out of (\d+)$")
_CTEST_NONE = re.compile(r"^No tests were found!+$")


def count_tests(lines: Iterable[str]) -> TestCount | None:
    """What the runners' closing lines say together; None where no runner closed."""
    found: list[TestCount] = []
    ran: int | None = None
    go_tests: list[str] = []
    go_packages: list[tuple[str, str]] = []
    for line in lines:
        if not line or len(line) > 400:
            continue
        if match := _PYTEST.match(line):
            if parts := _named(_PYTEST_PART.findall(match[1])):
                found.append(parts)
            elif match[1] == "no tests ran" or "deselected" in match[1]:
                found.append(TestCount())
        elif match := _UNITTEST_RAN.match(line):
            ran = int(match[1])
        elif ran is not None and (match := _UNITTEST_END.match(line)):
            found.append(_unittest(ran, match[1] or ""))
            ran = None
        elif match := _JEST.match(line) or _VITEST.match(line):
            found.append(_named(_SCRIPT_PART.findall(match[1])) or TestCount())
        elif match := _MOCHA.match(line):
            found.append(_one(match[2].split(" ")[0], int(match[1])))
        elif match := _NODE.match(line):
            found.append(_one(match[1], int(match[2])))
        elif match := _CARGO.match(line):
            found.append(_count(int(match[1]), int(match[2]), int(match[3])))
        elif match := _CTEST.match(line):
            failed, total = int(match[1]), int(match[2])
            found.append(TestCount(passed=total - failed, failed=failed))
        elif _CTEST_NONE.match(line):
            found.append(TestCount())
        elif match := _GO_TEST.match(line):
            go_tests.append(match[1] or match[2])
        elif match := _GO_PACKAGE.match(line):
            go_packages.append((match[1], match[2]))
    if go := _go(go_tests, go_packages):
        found.append(go)
    return sum(found[1:], found[0]) if found else None


def _one(word: str, count: int) -> TestCount:
    match word:
        case "passed" | "pass" | "passing" | "xpassed":
            return TestCount(passed=count)
        case "failed" | "fail" | "failing" | "cancelled":
            return TestCount(failed=count)
        case "error" | "errors":
            return TestCount(errors=count)
        case _:
            return TestCount(skipped=count)


def _named(parts: list[tuple[str, str]]) -> TestCount | None:
    counts = [_one(word, int(count)) for count, word in parts]
    return sum(counts[1:], counts[0]) if counts else None


def _unittest(ran: int, parts: str) -> TestCount:
    said = {name: int(count) for name, count in _UNITTEST_PART.findall(parts)}
    failed = said.get("failures", 0) + said.get("unexpected successes", 0)
    failed += said.get("unexpectedSuccesses", 0)
    skipped = said.get("skipped", 0) + said.get("skips", 0) + said.get("expected failures", 0)
    skipped += said.get("expectedFailures", 0)
    errors = said.get("errors", 0)
    # An error in setUpClass is no test that ran, but is counted among the errors.
    return _count(max(0, ran - failed - skipped - errors), failed, skipped, errors)


def _go(tests: list[str], packages: list[tuple[str, str]]) -> TestCount | None:
    """The tests of a run with -v, which tells of more than those that failed; else the packages."""
    if set(tests) - {"FAIL"}:
        return _count(tests.count("PASS"), tests.count("FAIL"), tests.count("SKIP"))
    if not packages:
        return None
    empty = ("[no test files]", "[no tests to run]")
    passed = sum(1 for how, rest in packages if how == "ok" and not rest.endswith(empty))
    failed = sum(1 for how, _ in packages if how == "FAIL")
    return _count(passed, failed)


def _count(passed: int, failed: int, skipped: int = 0, errors: int = 0) -> TestCount:
    return TestCount(passed=passed, failed=failed, skipped=skipped, errors=errors)
