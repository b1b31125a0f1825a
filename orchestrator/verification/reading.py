"""What a gate's output says of the tree that it judged. Pure.

1. Passed is exit 0, unless no test was collected, all were skipped, fewer ran than had to, or
   none were counted where some had to run: a gate that looked at less is not a pass. Nor is exit
   0 where its tests failed: something between them and the gate hid that.
2. Could not run: it was not found or not executable (126, 127), never started, ran out of time,
   was killed from outside, or its runner says that it had nothing to run or no way to; also
   below make. That is neither a pass nor anybody's fault.
3. A runner that could not start because of the tree's own code (pytest and a conftest.py that
   raises) failed: the tree is to blame.
4. A crash of what was judged (a segmentation fault, an abort) failed as well.
5. What used more than its limits (memory, processes) failed where the same gate passed on the base
   within them: the tree made the difference. Where it did not, it could not run.
6. Tests are counted and named by the report that the settings name, else by what the runner
   prints. A gate that ended with 0 and wrote no report that can be read could not run.
7. With `no-new-failures` a red run is a pass where every failed test failed on the base too (see
   `comparing`).
8. All else failed.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ledger.model import Outcome, PassIf, TestCount
from orchestrator.policy.measure import UNMEASURED, Measure
from orchestrator.verification.comparing import (
    NAMES_KEPT,
    about,
    exit_is_known,
    new_failures,
    signature_of,
    why_not_known,
    why_stopped,
)
from orchestrator.verification.counts import count_tests
from orchestrator.verification.junit import Report
from orchestrator.verification.names import FailedTests, find_failed_tests
from orchestrator.verification.telling import find_telling, steady
from workers.text import printable

LINE_READ_CHARS = 1200
"""Of a longer line only the start is looked at."""

Reason = Literal["exited", "timeout", "limit", "killed", "not-started"]
"""How the command ended: by itself, at its deadline, over a limit, by our hand, or never begun."""

_ENDED_FROM_OUTSIDE = {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_BELOW_MAKE = re.compile(r"g?make(?:\[\d+\])?: \*\*\* .*(?:\bError (\d+)|\] (Killed|Terminated))$")
_NOT_FOUND = re.compile(
    r".*\b(?:command not found|[Nn]o such file or directory|not found|[Pp]ermission denied)\b.*"
)
_NO_MODULE = re.compile(r"\S*python[\d.]*(?:\.exe)?: No module named ['\"]?([\w.]+)['\"]?")
_PYTEST = re.compile(r"\bpy\.?test\b")
_CONFTEST = re.compile(r"ImportError while loading conftest |.*\bconftest\.py['\":]")
_NO_TESTS = re.compile(
    r"No tests found, exiting with code 1|No test files found.*|Error: No test files found:? .*"
)
_PYTEST_SAYS = re.compile(r"(?:ERROR|INTERNALERROR)\S*:? .*|.*: error: .*")


@dataclass(frozen=True, slots=True)
class Reading:
    """What an output says; `tests` is None where no runner closed with a count."""

    outcome: Outcome
    why: str
    lines: tuple[str, ...] = ()
    signature: str = ""
    tests: TestCount | None = None
    needed_tests: int | None = None
    failed_tests: tuple[str, ...] = ()
    new_failures: tuple[str, ...] | None = None

    def could_not_run(self, why: str) -> Reading:
        """The same output, where something else says that it is worth nothing."""
        return Reading("could-not-run", why, self.lines, _signature_of(why), self.tests)


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of a gate, looked at."""

    exit_code: int | None
    lines: Sequence[str]
    roots: Sequence[str]
    tests: TestCount | None
    failed: FailedTests
    measure: Measure
    unreported: str | None = None
    """Why the report that the settings name cannot be read."""

    def reading(self, outcome: Outcome, why: str, **more: Any) -> Reading:
        """With all that is known of the tests."""
        if outcome == "could-not-run":
            telling = find_telling(self.lines, self.roots)
            return Reading(outcome, why, telling.lines, _signature_of(why), self.tests, **more)
        names = self.failed.names
        new = None if self.unreported else new_failures(names, self.measure.base)
        return Reading(outcome, why, tests=self.tests, failed_tests=names, new_failures=new, **more)


def read_output(
    exit_code: int | None,
    reason: Reason,
    text: str,
    *,
    command: str,
    measure: Measure = UNMEASURED,
    pass_if: PassIf = "exit-0",
    report: Report | str | None = None,
    over: str = "",
    timeout_s: float | None = None,
    roots: Sequence[str] = (),
) -> Reading:
    """The reading of one run of a gate.

    `exit_code` is negative for a signal, None where it did not end by itself. `text` is the
    bounded output; `over` which limit it went over; `report` what the settings name, or why it
    cannot be read; `roots` are folders whose names are taken off paths.
    """
    lines = [line[:LINE_READ_CHARS] for line in printable(text).split("\n")]
    written = report if isinstance(report, Report) else None
    tests = written.tests if written else count_tests(lines)
    red = exit_code != 0 or (tests is not None and tests.bad > 0)
    failed = FailedTests()
    if red:
        failed = written.failed if written else find_failed_tests(lines)
    unreported = report if isinstance(report, str) else None
    run = _Run(exit_code, lines, roots, tests, failed, measure, unreported)
    base = measure.base
    if reason == "limit" and base is not None and base.outcome == "passed":
        larger = f"{over}; on the base it did not"
        telling, signature = find_telling(lines, roots), f"limit: {steady(over)}"[:80]
        return run.reading("failed", larger, lines=telling.lines, signature=signature)
    if reason != "exited" or exit_code != 0:
        if why := _why_not_run(exit_code, reason, tests, lines, command, timeout_s, over):
            return run.reading("could-not-run", why)
    elif unreported:
        return run.reading("could-not-run", unreported)
    if red:
        return _compared(run) if pass_if == "no-new-failures" else _failed(run)
    return run.reading("could-not-run", why) if (why := _why_empty(tests)) else _passed(run)


def _passed(run: _Run, why: str = "") -> Reading:
    """A pass, unless fewer tests ran than had to."""
    needed, ran = run.measure.tests, run.tests.ran if run.tests else None
    if needed is None or (ran is not None and ran >= needed):
        return run.reading("passed", why)
    if run.measure.may_lose:
        return run.reading("passed", why, needed_tests=needed)
    short = (
        f"it told of no tests, where {needed} ran before"
        if ran is None
        else f"only {ran} test{'s' * (ran != 1)} ran, where {needed} did before"
    )
    return run.reading("could-not-run", short, needed_tests=needed)


def _failed(run: _Run, because: str = "") -> Reading:
    fallback = f"exit code {run.exit_code}, nothing printed"
    telling = find_telling(run.lines, run.roots, fallback=fallback)
    why = _why_crashed(run.exit_code) or telling.why
    if run.exit_code == 0 and run.tests:
        why = f"it ended with 0 although {_tests(run.tests.bad)} failed: {telling.why}"
    if because:
        why = f"{because}: {why}"
    said = (f"({run.unreported})",) if run.unreported else ()
    return run.reading("failed", why, lines=(*telling.lines, *said), signature=telling.signature)


def _compared(run: _Run) -> Reading:
    """A red run where known failures do not count."""
    base, tests, failed = run.measure.base, run.tests, run.failed
    crashed, stopped = _why_crashed(run.exit_code), why_stopped(run.lines)
    # Names that are printed are others than those in a report.
    unknown = run.unreported or why_not_known(tests, failed)
    if base is None:
        why = crashed or stopped or unknown
        if why is None and len(failed.names) > NAMES_KEPT:
            why = f"{len(failed.names)} tests fail, more than the {NAMES_KEPT} that are kept"
        if why is None:
            return run.reading("passed", "")
        hint = f" (hint: {_HINT_STOPPED if stopped else _HINT_REPORT})"
        what = f"which tests fail on the base is not known: {why}"
        return run.reading("could-not-run", what + hint * ("(hint: " not in why))
    if run.unreported:
        return _failed(run)
    if new := new_failures(failed.names, base):
        telling = find_telling(about(run.lines, new), run.roots)
        of = f" of {len(failed.names)}" if len(new) < len(failed.names) else ""
        why = f"{_tests(len(new))}{of} failed newly: {telling.why or new[0]}"
        return run.reading("failed", why, lines=telling.lines, signature=signature_of(new))
    if crashed or unknown or base.outcome != "passed" or tests is None:
        return _failed(run)
    if stopped:
        return run.reading("could-not-run", f"it stopped early: {stopped}")
    if not exit_is_known(run.exit_code, tests, base):
        why = f"its exit code is {run.exit_code}, on the base it was {base.exit_code}"
        return _failed(run, why)
    return _passed(run)


_HINT_REPORT = (
    'name a report in its [[gate]], junit = "report.xml", and have the command write it: '
    "pytest --junitxml=report.xml"
)
_HINT_STOPPED = (
    "let it run all tests: without -x, --maxfail or --bail; pytest with "
    "--continue-on-collection-errors, cargo test with --no-fail-fast"
)


def _tests(count: int) -> str:
    return f"{count} test{'s' * (count != 1)}"


def _why_empty(tests: TestCount | None) -> str | None:
    if tests is None:
        return None
    if tests.total == 0:
        return "no test was collected"
    if tests.skipped < tests.total:
        return None
    if tests.total == 1:
        return "its only test was skipped"
    return f"all {tests.total} tests were skipped"


def _why_not_run(
    exit_code: int | None,
    reason: Reason,
    tests: TestCount | None,
    lines: Sequence[str],
    command: str,
    timeout_s: float | None,
    over: str,
) -> str | None:
    match reason:
        case "timeout":
            return f"it did not end within {timeout_s:g} s" if timeout_s else "it ran out of time"
        case "limit":
            return over
        case "killed":
            return "it was ended before it was done"
        case "not-started":
            return _last(lines) or "it could not be started"
        case "exited":
            pass
    if exit_code is None:
        return "it did not end by itself"
    tail = [line.strip() for line in lines[-50:] if line.strip()]
    exit_code = _below_make(exit_code, tail)
    if (ended := _signal_of(exit_code)) in _ENDED_FROM_OUTSIDE:
        memory = " (out of memory?)" if ended == signal.SIGKILL else ""
        return f"something ended it by {signal.Signals(ended).name}{memory}"
    if exit_code in (126, 127):
        said = next((line for line in reversed(tail) if _NOT_FOUND.fullmatch(line)), "")
        what = "a command was not found" if exit_code == 127 else "a command may not be executed"
        return f"{what}: {said}" if said else f"{what} (exit code {exit_code})"
    if exit_code == 124 and re.search(r"\btimeout\b", command):
        return "the time limit in its command ran out"
    if tail and (missing := _NO_MODULE.fullmatch(tail[-1])):
        module = re.escape(missing[1])
        if re.search(rf"\s-m\s*{module}\b", command):
            return f"the module {missing[1]} that it runs is not installed"
    return _why_runner_not_run(exit_code, tests, tail, command)


def _below_make(exit_code: int, tail: Sequence[str]) -> int:
    """The code of what make ran; make itself says 2 whatever it was."""
    for line in tail:
        if match := _BELOW_MAKE.match(line):
            by_signal = {"Killed": signal.SIGKILL, "Terminated": signal.SIGTERM}
            return int(match[1]) if match[1] else 128 + by_signal[match[2]]
    return exit_code


def _why_runner_not_run(
    exit_code: int, tests: TestCount | None, tail: Sequence[str], command: str
) -> str | None:
    """Pytest's own exit codes, and what others say of an empty suite."""
    if exit_code == 5 and any(line == "NO TESTS RAN" for line in tail):
        return "no test was collected"
    if any(_NO_TESTS.fullmatch(line) for line in tail):
        return "no test was collected"
    nothing_ran = tests is not None and tests.total == 0
    if not (_PYTEST.search(command) or nothing_ran):
        return None
    match exit_code:
        case 5:
            return "no test was collected"
        case 4 if not any(_CONFTEST.match(line) for line in tail):
            said = next((line for line in tail if _PYTEST_SAYS.fullmatch(line)), "")
            return f"pytest was called wrongly: {said}" if said else "pytest was called wrongly"
        case 3:
            said = next((line for line in reversed(tail) if line.startswith("INTERNALERROR")), "")
            return f"pytest itself broke: {said}" if said else "pytest itself broke"
        case _:
            return None


def _signature_of(why: str) -> str:
    return f"could-not-run: {steady(why)}"[:80]


def _why_crashed(exit_code: int | None) -> str | None:
    ended = _signal_of(exit_code) if exit_code is not None else None
    return f"it crashed ({signal.Signals(ended).name})" if ended else None


def _signal_of(exit_code: int) -> int | None:
    """The signal that ended it: -N for a child of ours, 128 + N for a child of its shell."""
    number = -exit_code if exit_code < 0 else exit_code - 128
    return number if number in {int(known) for known in signal.Signals} else None


def _last(lines: Sequence[str]) -> str:
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
