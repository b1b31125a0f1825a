"""A red run of tests beside the one on the base: which failures are new. Pure.

1. A test that failed on the base may fail; any other, and any new one, may not.
2. That is known only where every failed test is named, by a name that is no other test's, where
   the runner did not stop early, and where nothing else can have made the gate red: the exit
   code is that of the base, or the number of failures.
3. On the base itself such a run is a pass, and what it names is what may fail. Where the names
   are not known there it is none: the gate could not run, with what to type.
4. What is told of a red tree is about the new failures, not about those that everybody knows.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence

from ledger.model import TestCount, Verdict
from orchestrator.verification.names import FailedTests

NAMES_KEPT = 200
"""How many failed tests a verdict names."""

_STOPPED = re.compile(
    r"!{3,} (?:[\w.]*Interrupted|[\w.]*Exit|KeyboardInterrupt|stopping after)\b.* !{3,}|Bail out!.*"
)
_CARGO_FAILED = re.compile(r"error: (?:doc)?test failed, to rerun pass .*")
_CARGO_WENT_ON = re.compile(r"error: \d+ targets? failed:")
_PYTEST_HEAD = re.compile(r"_{3,} (?:ERROR at \w+ of |ERROR collecting )?(\S.*) _{3,}")
_UNITTEST_HEAD = re.compile(r"(?:FAIL|ERROR): (\w+) \(.*")
_END = re.compile(r"={3,} .* ={3,}|Ran \d+ tests? in .*")


def why_stopped(lines: Sequence[str]) -> str | None:
    """What a runner says that did not run all tests."""
    for line in lines:
        if len(line) <= 400 and _STOPPED.fullmatch(line.rstrip()):
            return line.strip(" !")
    cargo = next((line for line in lines if _CARGO_FAILED.fullmatch(line)), None)
    if cargo and not any(_CARGO_WENT_ON.fullmatch(line) for line in lines):
        return "cargo does without --no-fail-fast"
    return None


def why_not_known(tests: TestCount | None, failed: FailedTests) -> str | None:
    """Why it cannot be told which tests failed."""
    if tests is None:
        return "no test was counted"
    if tests.bad == 0:
        return "no test failed, something else did"
    if failed.told < tests.bad:
        return f"{tests.bad} tests failed, {failed.told} of them are named"
    if not failed.exact:
        return "the names of the failed tests may be those of others too"
    return None


def new_failures(names: Iterable[str], base: Verdict | None) -> tuple[str, ...] | None:
    """Those that did not fail on the base; None where it is not known what failed there."""
    if base is None or base.failed_more or (base.outcome != "passed" and not base.failed_tests):
        return None
    known = frozenset(base.failed_tests)
    return tuple(name for name in names if name not in known)


def exit_is_known(exit_code: int | None, tests: TestCount, base: Verdict) -> bool:
    """Whether failed tests explain how the gate ended."""
    return exit_code in (0, tests.bad, min(tests.bad, 255), base.exit_code)


def signature_of(names: Collection[str]) -> str:
    """Equal for the same failed tests, in whatever order."""
    ordered = sorted(names)
    digest = hashlib.sha256("\n".join(ordered).encode("utf-8", "replace")).hexdigest()[:12]
    return re.sub(r"[^\w./:\[\]-]+", "-", ordered[0]).strip("-")[:48] + f"~{digest}"


def about(lines: Sequence[str], names: Collection[str]) -> list[str]:
    """The lines without the sections, and the lines of the summary, of failures not named here."""
    short = {_short(name) for name in names}
    methods = {name.partition(" ")[0].rpartition(".")[2] for name in names}
    kept: list[str] = []
    wanted = True
    for line in lines:
        if len(line) <= 400:
            if match := _PYTEST_HEAD.fullmatch(line):
                wanted = bool(short & set(_ends(match[1])))
            elif match := _UNITTEST_HEAD.fullmatch(line):
                wanted = match[1] in methods
            elif _END.fullmatch(line):
                wanted = True
            elif line.startswith(("FAILED ", "ERROR ")) and not any(n in line for n in short):
                continue
        if wanted:
            kept.append(line)
    return kept


def _short(name: str) -> str:
    """The name without its file and class, but with its parameters."""
    test, bracket, parameters = name.partition("[")
    return test.rpartition("::")[2] + bracket + parameters


def _ends(name: str) -> list[str]:
    """`A.b[c.d]`: that, and `b[c.d]`."""
    test, bracket, parameters = name.partition("[")
    parts = test.split(".")
    return [".".join(parts[at:]) + bracket + parameters for at in range(len(parts))]
