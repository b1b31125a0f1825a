"""What a verdict says of its tests, for a person: how many, which failures are new. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from orchestrator.review.words import count, foreign, listed

if TYPE_CHECKING:
    from ledger.model import Verdict
    from ledger.state import RunState

NAMES_SHOWN = 8


def counts_of(verdict: Verdict) -> str:
    """`118 passed, 3 failed, 1 of them new`; empty where no test was counted."""
    if verdict.tests is None:
        return ""
    parts = [verdict.tests.render()]
    failed, new = len(verdict.failed_tests) + verdict.failed_more, verdict.new_failures
    if failed and new is None and verdict.outcome == "passed":
        parts.append("excused as known")
    elif failed and new is not None and verdict.outcome != "could-not-run":
        parts.append(_share(len(new) + verdict.failed_more, failed))
    if verdict.outcome == "passed" and verdict.needed_tests is not None:
        fewer = verdict.needed_tests - verdict.tests.ran
        parts.append(f"{fewer} fewer than before, by leave")
    return ", ".join(parts)


def _share(new: int, failed: int) -> str:
    if new == 0:
        return "not new" if failed == 1 else "none of them new"
    if new == failed:
        return "new" if failed == 1 else "all of them new"
    return f"{new} of them new"


def tests_on_result(state: RunState) -> tuple[tuple[str, str], ...]:
    """Each gate that counts tests, and what it counted on the result as it is, or on the base."""
    verdicts = dict(state.baseline_verdicts)
    if state.landings and state.landings[-1].commit == state.tip:
        judged = state.candidates[state.landings[-1].candidate].verdicts
        verdicts |= {verdict.gate: verdict for verdict in judged}
    return tuple(
        (gate, counts_of(verdict))
        for gate, verdict in verdicts.items()
        if verdict.tests is not None
    )


def told_of_failures(verdict: Verdict, flaky: Collection[str] = ()) -> list[str]:
    """Lines on the failed tests: which are new, which are known to be flaky."""
    lines = []
    new = verdict.new_failures
    if new and verdict.outcome == "failed":
        known = len(verdict.failed_tests) - len(new)
        also = f" ({count(known, 'other')} failed there too)" if known else ""
        lines.append(f"new against the base: {names_of(new)}{also}")
    if seen := [name for name in verdict.failed_tests if name in flaky]:
        lines.append(f"seen to be flaky in this run: {names_of(seen)}")
    return lines


def names_of(names: Collection[str]) -> str:
    """Names of tests, the first few."""
    return listed((foreign(name, 120) for name in names), NAMES_SHOWN)
