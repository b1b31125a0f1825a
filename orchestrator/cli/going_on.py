"""After a person's word to a run: say it back, and go on with the run where nobody drives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.state import RunState, TaskState
from orchestrator.cli import output
from orchestrator.cli.desk import Desk
from orchestrator.persons import Said
from orchestrator.review.spent import to_raise
from orchestrator.runs import engine_alive, load_state

if TYPE_CHECKING:
    from ledger.store import Store
    from orchestrator.automations.standing import Series


def series_of_run(store: Store, state: RunState) -> Series | None:
    """What the automation that started a run measures; None where a person started it."""
    if not state.started.automation:
        return None
    from orchestrator.automations.standing import firing_of, series_of

    return series_of(firing_of(store, state.started.automation, state.run))


def is_anything_left(state: RunState) -> bool:
    """Whether an engine would find something to do, whatever the run's end said."""
    if state.cleaned:
        return False
    if state.finished is None or state.finished.outcome not in ("complete", "person-needed"):
        return True
    if state.queue or state.rejections:
        return True
    if any(state.with_status(status) for status in ("ready", "working", "queued")):
        return True
    held = (state.tasks[task_id] for task_id in state.with_status("held"))
    return any(waits_for_nothing(state, task) for task in held)


def waits_for_nothing(state: RunState, task: TaskState) -> bool:
    """Whether what a held task waits for is all allowed."""
    held = state.to_allow(task)
    return bool(held) and all(path in task.allowed for path in held)


def answer_said(desk: Desk, said: Said, as_json: bool) -> None:
    """Say what was recorded."""
    if as_json:
        body = {"run": desk.run, "what": said.what, "hint": said.hint, "tasks": said.tasks}
        output.answer_json(body)
        return
    output.answer(said.what)
    if said.hint:
        output.narrate(f"  hint: {said.hint}")


def go_on(desk: Desk, said: Said, *, later: bool, as_json: bool) -> int:
    """Say what was recorded and drive the run on; the exit code.

    A run whose budget is reached would end at once: that is said instead (OrchError, exit 4).
    """
    answer_said(desk, said, as_json)
    if engine_alive(desk.workplace.place, desk.run):
        output.narrate("the engine that drives the run has seen it")
        return 0
    from orchestrator.cli.budgets import refuse_reached_budget, waits_for_budget

    state = load_state(desk.store, desk.run)
    if later:
        more = f" {to_raise(state)}" if waits_for_budget(state) else ""
        output.narrate(f"to go on: orch resume {desk.run}{more}")
        return 0
    refuse_reached_budget(state, state.limits)
    from orchestrator.cli.driving import drive_shown

    return drive_shown(desk.workplace, desk.store, desk.run, as_json=as_json)
