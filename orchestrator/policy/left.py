"""Whether a run has anything left that an engine would do. Pure."""

from __future__ import annotations

from ledger.state import RunState, TaskState


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
