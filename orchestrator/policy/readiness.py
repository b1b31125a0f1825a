"""Which ready tasks may start now.

1. The longest remaining path first (`RunState.ready` is kept in that order).
2. Never two whose declared paths overlap side by side; a queued head counts as under way,
   since a task that started beside it would be written against a tree that is about to change.
3. A task without paths declares no boundary and is fenced from nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ledger.model import TaskId
from ledger.state import RunState

Neighbours = Callable[[TaskId], frozenset[TaskId]]
"""The tasks whose declared paths overlap with those of a task, itself left out."""


@dataclass(frozen=True, slots=True)
class Guide:
    """What never changes while a run goes on, worked out once from its plan."""

    neighbours: Neighbours


def startable(state: RunState, guide: Guide, slots: int) -> tuple[TaskId, ...]:
    """At most `slots` ready tasks that may start beside all that is under way."""
    if slots < 1 or not state.ready:
        return ()
    busy: dict[TaskId, None] = {}
    for status in ("working", "queued"):
        busy.update(state.by_status.get(status, {}))
    chosen: list[TaskId] = []
    for _, _, task_id in state.ready:
        if len(chosen) == slots:
            break
        if state.tasks[task_id].task.paths:
            fenced = guide.neighbours(task_id)
            if fenced and any(other in fenced for other in busy):
                continue
        chosen.append(task_id)
        busy[task_id] = None
    return tuple(chosen)
