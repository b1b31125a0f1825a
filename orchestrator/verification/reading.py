"""What a gate's output says of the tree that it judged. Pure.

1. Passed is exit 0, unless no test was collected, all were skipped, or fewer ran than on the
   base: a gate that looked at less is not a pass.
2. Could not run: it was not found or not executable (126, 127, also below make), never
   started, ran out of time, was killed from outside, or its runner says that it had nothing
   to run or no way to. That is neither a pass nor anybody's fault.
3. A runner that could not start because of the tree's own code (pytest and a conftest.py that
   raises) failed: the tree is to blame.
4. A crash of what was judged (a segmentation fault, an abort) failed as well.
5. What used more than its limits (memory, processes) failed where the same gate passed on the base
   within them: the tree made the difference. Where it did not, it could not run.
6. All else failed.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ledger.model import Outcome
from orchestrator.verification.counts import TestCount, count_tests
from orchestrator.verification.telling import find_telling, steady
from workers.text import printable

LINE_READ_CHARS = 1200
"""Of a longer line only the start is looked at."""

Reason = Literal["exited", "timeout", "limit", "killed", "not-started"]
"""How the command ended: by itself, at its deadline, over a limit, by our hand, or never begun."""

_ENDED_FROM_OUTSIDE = {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_BELOW_MAKE = re.compile(r"g?make(?:\[\d+\])?: \*\*\* .*\bError (126|127)$")
_NOT_FOUND = re.compile(
    r".*\b(?:command not found|[Nn]o such file or directory|not found|[Pp]ermission denied)\b.*"
)
_NO_MODULE = re.compile(r"\S*python[\d.]*(?:\.exe)?: No module named ['\"]?([\w.]+)['\"]?")
_PYTEST = re.compile(r"\bpy\.?test\b")
_CONFTEST = re.compile(r"ImportError while loading conftest |.*\bconftest\.py['\":]")
_PYTEST_SAYS = re.compile(r"(?:ERROR|INTERNALERROR)\S*:? .*|.*: error: .*")


@dataclass(frozen=True, slots=True)
class Reading:
    """What an output says; `tests` is None where no runner closed with a count."""

    outcome: Outcome
    why: str
    lines: tuple[str, ...] = ()
    signature: str = ""
    tests: TestCount | None = None


def read_output(
    exit_code: int | None,
    reason: Reason,
    text: str,
    *,
    command: str,
    baseline_tests: int | None = None,
    over: str = "",
    passed_on_base: bool = False,
    timeout_s: float | None = None,
    roots: Sequence[str] = (),
) -> Reading:
    """The reading of one run of a gate.

    `exit_code` is negative for a signal, None where it did not end by itself. `text` is the
    bounded output, `baseline_tests` how many tests the base had, `over` which limit it went
    over, `roots` are folders whose
    names are taken off paths.
    """
    lines = [line[:LINE_READ_CHARS] for line in printable(text).split("\n")]
    tests = count_tests(lines)
    why = _why_not_passed(exit_code, tests, baseline_tests) if exit_code == 0 else None
    if exit_code == 0 and reason == "exited" and why is None:
        return Reading("passed", tests.render() if tests else "", tests=tests)
    telling = find_telling(lines, roots, fallback=f"exit code {exit_code}, nothing printed")
    if reason == "limit" and passed_on_base:
        why = f"{over}; on the base it did not"
        return Reading("failed", why, telling.lines, f"limit: {steady(over)}"[:80], tests)
    why = why or _why_not_run(exit_code, reason, lines, command, timeout_s, over)
    if why is not None:
        return Reading(
            "could-not-run", why, telling.lines, f"could-not-run: {steady(why)}"[:80], tests
        )
    why = _why_crashed(exit_code) or telling.why
    return Reading("failed", why, telling.lines, telling.signature, tests)


def _why_not_passed(
    exit_code: int, tests: TestCount | None, baseline_tests: int | None
) -> str | None:
    if tests is None:
        return None
    if tests.total == 0:
        return "no test was collected"
    if tests.skipped == tests.total:
        return (
            "its only test was skipped"
            if tests.total == 1
            else f"all {tests.total} tests were skipped"
        )
    if baseline_tests is not None and tests.total < baseline_tests:
        ran = f"{tests.total} test{'s' * (tests.total != 1)}"
        return f"only {ran} ran, the base had {baseline_tests}"
    return None


def _why_not_run(
    exit_code: int | None,
    reason: Reason,
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
    if (ended := _signal_of(exit_code)) in _ENDED_FROM_OUTSIDE:
        memory = " (out of memory?)" if ended == signal.SIGKILL else ""
        return f"something ended it by {signal.Signals(ended).name}{memory}"
    tail = [line.strip() for line in lines[-50:] if line.strip()]
    below_make = next((match for line in tail if (match := _BELOW_MAKE.match(line))), None)
    if exit_code in (126, 127) or below_make:
        said = next((line for line in reversed(tail) if _NOT_FOUND.fullmatch(line)), "")
        code = exit_code if below_make is None else int(below_make[1])
        what = "a command was not found" if code == 127 else "a command may not be executed"
        return f"{what}: {said}" if said else f"{what} (exit code {code})"
    if tail and (missing := _NO_MODULE.fullmatch(tail[-1])):
        module = re.escape(missing[1])
        if re.search(rf"\s-m\s*{module}\b", command):
            return f"the module {missing[1]} that it runs is not installed"
    return _why_runner_not_run(exit_code, tail, command)


def _why_runner_not_run(exit_code: int, tail: Sequence[str], command: str) -> str | None:
    """Pytest's own exit codes, and unittest's for an empty suite."""
    if exit_code == 5 and any(line == "NO TESTS RAN" for line in tail):
        return "no test was collected"
    nothing_ran = any(re.match(r"=*\s*no tests ran in ", line) for line in tail)
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


def _why_crashed(exit_code: int | None) -> str | None:
    ended = _signal_of(exit_code) if exit_code is not None else None
    return f"it crashed ({signal.Signals(ended).name})" if ended else None


def _signal_of(exit_code: int) -> int | None:
    """The signal that ended it: -N for a child of ours, 128 + N for a child of its shell."""
    number = -exit_code if exit_code < 0 else exit_code - 128
    return number if number in {int(known) for known in signal.Signals} else None


def _last(lines: Sequence[str]) -> str:
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
