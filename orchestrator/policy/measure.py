"""What a tree is measured against: what a gate said before, how many tests must run. Pure.

1. A gate that counts tests must have run as many on a tree as on the tree that it is built on:
   those of the newest landing, else those of the base. Skipped tests did not run.
2. A head may lose tests by leave: it is a person's own, or a person has allowed, or the plan's
   `may_change` covers, something protected that it changes; or `fewer-tests` is allowed by name.
   A tree that carries such a head is bound by no number; what is built on it is bound by its.
3. Taking landed work out may lose as many tests as the landings that brought it in added.
4. A branch that somebody else moved is bound by no number: what its tests are is theirs to say.
5. Where a gate counted nothing before, nothing is required.
6. Which failures are new is told by the base alone, whatever has landed since.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ledger.events import CandidateBuilt, HeadRef
from ledger.model import BLOCKING_FINDINGS, FEWER_TESTS, Sha, TaskId, Verdict
from ledger.state import Landing, RunState, TaskState


@dataclass(frozen=True, slots=True)
class Measure:
    """What a gate's word on one tree is held against."""

    base: Verdict | None = None
    """What the gate said of the base; None: this is the base, or nothing is known of it."""
    tests: int | None = None
    """How many tests must have run; None: any number will do."""
    may_lose: bool = False
    """Fewer may have run, by leave."""


UNMEASURED = Measure()
"""Against nothing: the base itself, or a tree outside any run."""


def measure_of_round(
    state: RunState, gate: str, task_id: TaskId, base: Sha, leave: tuple[str, ...]
) -> Measure:
    """For what an attempt made of a commit; `leave`: what it changes that it may."""
    may_lose = bool(leave) or may_lose_any(state.tasks[task_id])
    return Measure(state.baseline_verdicts.get(gate), _ran_on(state, gate, base), may_lose)


def measure_of_candidate(state: RunState, gate: str, built: CandidateBuilt) -> Measure:
    """For queued heads on the tip, or for the tip without some of what has landed."""
    tests = _ran_on(state, gate, built.base)
    if built.removes and tests is not None:
        tests -= sum(
            _added(state, gate, landing)
            for landing in state.landings
            if {head.task for head in landing.heads} & set(built.removes)
        )
    may_lose = any(may_lose_tests(state, head) for head in built.heads)
    return Measure(state.baseline_verdicts.get(gate), tests, may_lose)


def measure_of_accept(state: RunState, gate: str, heads: Iterable[HeadRef], target: Sha) -> Measure:
    """For landed heads on a branch that is at `target`."""
    base = state.baseline_verdicts.get(gate)
    tests = _ran(base) if target == state.started.base else None
    return Measure(base, tests, any(may_lose_tests(state, head) for head in heads))


def measure_of_moved_tip(state: RunState, gate: str) -> Measure:
    """For a tip that somebody else made: how many tests it has is theirs to say."""
    return Measure(state.baseline_verdicts.get(gate))


# --- 1 and 3. how many ------------------------------------------------------------------------


def _ran(verdict: Verdict | None) -> int | None:
    """How many tests ran, where the gate passed and counted them."""
    if verdict is None or verdict.outcome != "passed" or verdict.tests is None:
        return None
    return verdict.tests.ran


def _ran_on(state: RunState, gate: str, commit: Sha) -> int | None:
    """How many ran on a commit that is the base or a landing; not judged: on what was before."""
    for landing in reversed(state.landings):
        if landing.commit != commit:
            continue
        for verdict in reversed(state.candidates[landing.candidate].verdicts):
            if verdict.gate == gate and (ran := _ran(verdict)) is not None:
                return ran
        if landing.removes or any(may_lose_tests(state, head) for head in landing.heads):
            return None
        commit = landing.before
    return _ran(state.baseline_verdicts.get(gate)) if commit == state.started.base else None


def _added(state: RunState, gate: str, landing: Landing) -> int:
    """How many tests a landing added."""
    after, before = (_ran_on(state, gate, one) for one in (landing.commit, landing.before))
    return max(0, after - before) if after is not None and before is not None else 0


# --- 2. leave ---------------------------------------------------------------------------------


def may_lose_any(task: TaskState) -> bool:
    """Whether the plan or a person lets the task lose tests, whatever it changes."""
    return FEWER_TESTS in (*task.allowed, *task.task.may_change)


def may_lose_tests(state: RunState, head: HeadRef) -> bool:
    """Whether fewer tests may run where this head is in."""
    task, attempt = state.tasks[head.task], state.attempt(head)
    finished = attempt.finished
    held = finished.held_paths if finished else ()
    # That a checker's opinion does not count says nothing of tests.
    allowed = any(path in task.allowed and path != BLOCKING_FINDINGS for path in held)
    by_plan = finished is not None and bool(finished.leave)
    return attempt.submitted or allowed or by_plan or may_lose_any(task)
