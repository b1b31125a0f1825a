"""The names of the tests that failed, from what their runner printed. Pure.

1. Known: pytest, unittest, go, cargo, jest, vitest, ctest, node's own runner, mocha.
2. A name tells one test from every other of its gate: go's and cargo's come with their package
   or target, jest's and vitest's with their file. Node's and mocha's do not, and are said not to.
3. In a name is nothing that differs from run to run: no duration, address or number of a line.
4. All failures are named where there are as many lines that name one as the runner counted.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

NAME_CHARS = 240
LINE_CHARS = 1200
"""A longer line names nothing."""

_PYTEST = re.compile(r"(?:FAILED|ERROR) (\S+::.+|\S+\.\w+)")
_PYTEST_SUB = re.compile(r"SUBFAIL(?:ED)?((?:\[[^\]]*\])? ?(?:\([^()]*\))?) (\S+::.+)")
_UNITTEST = re.compile(r"(?:FAIL|ERROR): (\w+) \(([\w.<>]+)\)(?: (.*))?")
_GO_TEST = re.compile(r"\s*--- FAIL: (\S+)")
_GO_PACKAGE = re.compile(r"(ok|FAIL)\s*\t\s*(\S+)(?:\s+(.*))?")
_CARGO_TARGET = re.compile(
    r"\s+Running (?:unittests )?(\S+) \(.*/([\w-]+)-[0-9a-f]{16}(?:\.exe)?\)"
)
_CARGO_DOC = re.compile(r"\s+Doc-tests (\S+)")
_CARGO_TEST = re.compile(r"test (\S.*?) \.\.\. FAILED")
_CARGO_LINE = re.compile(r" \(line \d+\)")
_JEST_FILE = re.compile(r"\s?(?:FAIL|PASS)\s+(?:\|?[\w-]+\|?\s+)?(\S+\.\w+)(?: \([\d.]+ m?s\))?")
_JEST_TEST = re.compile(r"  ● (.+)")
_JEST_NOTES = re.compile(
    r"Console|Cannot log after tests are done.*|.*(?:Warning|Error):|.*[Dd]eprecat.*|Validation .*"
)
_VITEST = re.compile(r"\s?FAIL\s+(?:\|[^|]*\|\s+)?(\S+\.\w+)(?: > (.+))?")
_CTEST = re.compile(
    r"\s+\d+ - (.+?) \((?:Failed|Timeout|SEGFAULT|Not Run|Subprocess .*|.* Exc.*)\).*"
)
_NODE = re.compile(r"\s*(?:not ok \d+ - ((?!.*# TODO).+)|✖ (.+) \([\d.]+m?s\))")
_MOCHA_COUNT = re.compile(r"  \d+ failing$")
_MOCHA_TEST = re.compile(r"  \d+\) (.+)")
_ADDRESS = re.compile(r"\b0x[0-9A-Fa-f]+\b")


@dataclass(frozen=True, slots=True)
class FailedTests:
    """Which tests failed."""

    names: tuple[str, ...] = ()
    told: int = 0
    """How many lines named one; a test that failed twice is named twice."""
    exact: bool = True
    """Whether a name tells one test from every other."""


def find_failed_tests(lines: Sequence[str]) -> FailedTests:
    """The failed tests that the runners in this output name, each once, in its order."""
    found: dict[str, None] = {}
    told, exact = 0, True
    for runner, is_exact in _RUNNERS:
        for name in runner(lines):
            told += 1
            exact = exact and is_exact
            found[settled(name)] = None
    return FailedTests(tuple(found), told, exact)


def settled(name: str) -> str:
    """A name as it is kept: without addresses, one line, bounded and then still its own."""
    name = " ".join(_ADDRESS.sub("0xADDRESS", name).split())
    if len(name) <= NAME_CHARS:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:8]
    return f"{name[: NAME_CHARS - 9]}~{digest}"


# --- the runners ------------------------------------------------------------------------------


def _pytest(lines: Sequence[str]) -> Iterator[str]:
    """The lines of the summary: FAILED, ERROR or SUBFAILED, the test's id, ` - ` and why."""
    for line in lines:
        if not line.startswith(("FAILED ", "ERROR ", "SUBFAIL")) or len(line) > LINE_CHARS:
            continue
        line = _without_reason(line)
        if match := _PYTEST.fullmatch(line):
            yield match[1]
        elif match := _PYTEST_SUB.fullmatch(line):
            yield f"{match[2]} {match[1].strip()}".strip()


def _without_reason(line: str) -> str:
    """The line up to the ` - ` that no bracket of a parameter holds."""
    depth = 0
    for at, char in enumerate(line):
        depth += (char == "[") - (char == "]" and depth > 0)
        if depth == 0 and line.startswith(" - ", at):
            return line[:at]
    if depth and (at := line.find(" - ", line.rfind("]"))) >= 0:
        return line[:at]
    return line.rstrip()


def _unittest(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        if len(line) <= LINE_CHARS and (match := _UNITTEST.fullmatch(line)):
            method, where, sub = match.groups()
            # Before Python 3.11 the method is not in the brackets.
            whole = where if where.endswith(f".{method}") else f"{where}.{method}"
            yield f"{whole} {sub}" if sub else whole


def _go(lines: Sequence[str]) -> Iterator[str]:
    """A package closes with its name after its tests; one without is named itself."""
    tests: list[str] = []
    for line in lines:
        if match := _GO_TEST.match(line):
            tests.append(match[1])
        elif (match := _GO_PACKAGE.fullmatch(line)) and len(line) <= LINE_CHARS:
            if match[1] == "FAIL":
                yield from (f"{match[2]}.{test}" for test in tests)
                if not tests:
                    yield match[2]
            tests = []
    yield from tests


def _cargo(lines: Sequence[str]) -> Iterator[str]:
    target = ""
    for line in lines:
        if len(line) > LINE_CHARS:
            continue
        if match := _CARGO_TARGET.match(line):
            target = f"{match[2]} ({match[1]}) "
        elif match := _CARGO_DOC.match(line):
            target = f"{match[1]} (doc) "
        elif match := _CARGO_TEST.fullmatch(line):
            yield target + _CARGO_LINE.sub("", match[1])


def _jest(lines: Sequence[str]) -> Iterator[str]:
    """A file that failed, then its tests, each behind a dot; vitest says both in one line."""
    file, seen = "", set()
    for line in lines:
        if len(line) > LINE_CHARS:
            continue
        if match := _JEST_FILE.fullmatch(line):
            file = match[1]
        elif (match := _JEST_TEST.fullmatch(line)) and not _JEST_NOTES.fullmatch(match[1]):
            name = match[1].strip()
            whole = file if name == "Test suite failed to run" else f"{file} › {name}"
            # Many failures are told once more at the end.
            if whole not in seen:
                seen.add(whole)
                yield whole


def _vitest(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        if (match := _VITEST.fullmatch(line)) and match[2] and len(line) <= LINE_CHARS:
            yield f"{match[1]} > {match[2].strip()}"


def _ctest(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        if len(line) <= LINE_CHARS and (match := _CTEST.fullmatch(line)):
            yield match[1]


def _node(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        if len(line) <= LINE_CHARS and (match := _NODE.fullmatch(line)):
            yield match[1] or match[2]


def _mocha(lines: Sequence[str]) -> Iterator[str]:
    """After the count: a number, the suite, and deeper titles up to one that ends in a colon."""
    start = next((at for at, line in enumerate(lines) if _MOCHA_COUNT.fullmatch(line)), len(lines))
    for at in range(start, len(lines)):
        if match := _MOCHA_TEST.fullmatch(lines[at]):
            titles = [match[1].strip()]
            for below in lines[at + 1 : at + 12]:
                if titles[-1].endswith(":") or not below.strip():
                    break
                titles.append(below.strip())
            yield " › ".join(titles).removesuffix(":")


_RUNNERS: tuple[tuple[Callable[[Sequence[str]], Iterator[str]], bool], ...] = (
    (_pytest, True),
    (_unittest, True),
    (_go, True),
    (_cargo, True),
    (_jest, True),
    (_vitest, True),
    (_ctest, True),
    (_node, False),
    (_mocha, False),
)
