"""What to type next, from where a run stands. Pure.

1. What a person must decide comes before what they may do.
2. One command for each kind of thing, for the first task that it fits; the rest is in `orch show`.
3. Where the run is not the newest, the commands name it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.model import BLOCKING_FINDINGS, FEWER_TESTS
from orchestrator.policy.accepted import accepted_elsewhere, unaccepted, withdrawn
from orchestrator.policy.flaky import too_flaky
from orchestrator.policy.tip import red_tip
from orchestrator.review.spent import questions, to_raise, to_raise_own
from orchestrator.review.words import listed, short

if TYPE_CHECKING:
    from ledger.events import BudgetReached
    from ledger.state import RunState


_LET = {
    FEWER_TESTS: "let it lose tests",
    BLOCKING_FINDINGS: "let it land although a checker blocks it",
}


@dataclass(frozen=True, slots=True)
class Step:
    """A command, and what it is for."""

    command: str
    why: str


def next_steps(
    state: RunState, alive: bool, named: bool = False, *, held: bool = False
) -> tuple[Step, ...]:
    """The commands that make sense now; `named`: they must say which run they mean.

    `held`: another run's result has all of this one's, and is what to read and accept.
    """
    of_run = f" {state.run}" if named else ""
    run = f" --run {state.run}" if named else ""
    if alive and state.finished is None:
        return (
            *_questions(state, run),
            Step(f"orch status{of_run} --watch", "follow it"),
            Step(f"orch stop{of_run}", "end it in order"),
        )
    if state.cleaned:
        return ()
    if state.finished is None:
        return (Step(f"orch resume{of_run}", "no engine drives it: go on where it stopped"),)
    steps = [*_ended(state, of_run, run), *_tasks(state, run)]
    waiting = unaccepted(state)
    if held:
        return tuple(steps)
    if waiting:
        steps.append(Step(f"orch diff{run}", "read what landed"))
        if state.started.target or state.accepted:
            steps.append(Step(f"orch accept{of_run}", f"bring it into {state.started.target}"))
        else:
            steps.append(Step(f"orch accept{of_run} --to BRANCH", "bring it into a branch"))
    elif others := accepted_elsewhere(state):
        # Meant so, as far as anybody can tell: what comes first is still a person's choice.
        target = state.started.target
        what = f"bring it into {target} too: it is in {listed(others, 3)}"
        steps.append(Step(f"orch accept{of_run}", what))
        steps.append(Step(f"orch clean{of_run}", "give back its refs and workspaces"))
    elif gone := withdrawn(state):
        what = f"take {listed(gone, 3)} out of {state.started.target} too"
        steps.append(Step(f"orch accept{of_run}", what))
    elif not steps:
        steps.append(Step(f"orch clean{of_run}", "give back its refs and workspaces"))
    return tuple(steps)


def _ended(state: RunState, of_run: str, run: str) -> list[Step]:
    assert state.finished is not None
    match state.finished.outcome:
        case "stopped":
            return [Step(f"orch resume{of_run}", "go on where it stopped")]
        case "deadline":
            return [Step(f"orch resume{of_run} --deadline 2h", "go on for two hours")]
        case "budget":
            more = f"orch resume{of_run} {to_raise(state)}"
            return [
                Step(f"orch cost {state.run}", "what it spent, and on what"),
                Step(more, "go on"),
            ]
        case "no-space":
            return [
                Step("orch clean", "give back workspaces of earlier runs"),
                Step(f"orch resume{of_run}", "go on when there is room"),
            ]
        case "red-base":
            red = next(
                (v.gate for v in state.baseline_verdicts.values() if v.outcome != "passed"), ""
            )
            return [
                Step(f"orch log --gate {red}{run}", "what the gate printed on the base"),
                Step(f"orch resume{of_run}", "judge the base once more"),
                Step("orch run --allow-red-base", "go on without that gate's word"),
            ]
        case "person-needed" if found := red_tip(state):
            move, gate = found
            back = f"git update-ref refs/orch/{state.run}/tip"
            return [
                Step(f"orch log --gate {gate}{run}", f"what it printed on {short(move.tip)}"),
                Step(f"{back} {state.result} {move.tip}", "put the tip back to what landed last"),
                Step(f"orch resume{of_run}", "go on from the tip as it is then"),
            ]
        case "person-needed" if too_flaky(state):
            return [
                Step(f"orch report{of_run}", "which tests are flaky, and what landed by them"),
                Step(f"orch resume{of_run}", "go on; they are counted anew"),
            ]
        case _:
            return []


def _questions(state: RunState, run: str) -> list[Step]:
    return [
        Step(f'orch answer {task_id} "..."{run}', "answer what it asks")
        for task_id, _ in questions(state)[:1]
    ]


def _tasks(state: RunState, run: str) -> list[Step]:
    steps = _questions(state, run)
    asking = {task_id for task_id, _ in questions(state)}
    for task_id in [held for held in state.with_status("held") if held not in asking][:1]:
        task = state.tasks[task_id]
        missing = [path for path in state.to_allow(task) if path not in task.allowed]
        if missing:
            what = _LET.get(missing[0], "let it change that")
            if BLOCKING_FINDINGS in missing:
                steps.append(Step(f"orch show {task_id}{run}", "what the checker found"))
            steps.append(Step(f"orch diff {task_id}{run}", "what it changes"))
            steps.append(Step(f"orch allow {task_id} {quoted(missing[0])}{run}", what))
        else:
            steps.append(Step(f"orch show {task_id} --log{run}", "why it waits for you"))
        steps.append(Step(f'orch retry {task_id} --note "..."{run}', "try again, with your advice"))
        if not missing and any(attempt.head for attempt in task.attempts):
            steps.append(Step(f"orch take {task_id}{run}", "finish it by hand, from its last head"))
        steps.append(Step(f"orch reject {task_id}{run}", "a final no: it is not tried again"))
    for task_id in state.with_status("failed")[:1]:
        steps.append(Step(f"orch show {task_id} --log{run}", "what failed, and why"))
        if reached := state.tasks[task_id].budget_reached:
            steps += _raised(state, reached, run)
            continue
        steps.append(Step(f'orch retry {task_id} --note "..."{run}', "try again, with your advice"))
        if any(attempt.head for attempt in state.tasks[task_id].attempts):
            steps.append(Step(f"orch take {task_id}{run}", "finish it by hand, from its last head"))
    return steps


def _raised(state: RunState, reached: BudgetReached, run: str) -> list[Step]:
    """Another try of a task whose own budget is used up: nothing but a larger one would help."""
    more = to_raise_own(state, reached)
    of_run = run.replace(" --run", "")
    return [
        Step(f"orch retry {reached.task} --later{run}", "let it be tried again"),
        Step(f"orch resume{of_run} {more}", "go on with a larger budget for each task"),
    ]


def quoted(path: str) -> str:
    """A path as a shell takes it."""
    import shlex

    return shlex.quote(path)
