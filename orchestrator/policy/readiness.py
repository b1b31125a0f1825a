"""Which ready tasks may start now.

1. The longest remaining path first (`RunState.ready` is kept in that order).
2. Never two whose declared paths overlap side by side; a queued head counts as under way,
   since a task that started beside it would be written against a tree that is about to change.
3. A task without paths declares no boundary and is fenced from nobody.
4. A worker does not stand idle while what another one made is committed and checked: up to half
   as many more attempts are under way as workers may work. Of attempts of a few seconds, which
   spend much of them in git, as many more are at once. The engine lets no more work.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from ledger.model import TaskId
from ledger.state import RunState

Neighbours = Callable[[TaskId], frozenset[TaskId]]
"""The tasks whose declared paths overlap with those of a task. The task itself may be among
them: one that is ready is not under way. It is asked often: best one shared set, never a copy.
"""


@dataclass(frozen=True, slots=True)
class Guide:
    """What never changes while a run goes on, worked out once from its plan."""

    neighbours: Neighbours


BRISK_S = 5.0
"""An attempt that takes less is brisk."""


def under_way_at_most(state: RunState, resting: int = 0) -> int:
    """How many attempts may be under way at once; `limits.parallel` of them may work.

    `resting` is how many there are whose worker is done for now.
    """
    brisk = state.attempt_s is not None and state.attempt_s < BRISK_S
    parallel = state.limits.parallel
    return parallel + max(parallel // 2 if brisk else 0, min(resting, parallel - 1))


def startable(
    state: RunState,
    guide: Guide,
    slots: int,
    barred: Collection[str] = (),
    only: Collection[TaskId] | None = None,
) -> tuple[TaskId, ...]:
    """At most `slots` ready tasks that may start beside all that is under way.

    None of a worker that is barred; `only` these, where it is given.
    """
    if slots < 1 or not state.ready:
        return ()
    chosen: dict[TaskId, None] = {}
    working, queued = (state.by_status.get(status, {}) for status in ("working", "queued"))
    # views of dicts walk the smaller side, however long the queue or the fence is
    busy = (working.keys(), queued.keys(), chosen.keys())
    blocked: set[tuple[str, ...]] = set()
    for _, _, task_id in state.ready:
        if len(chosen) == slots or len(blocked) == len(state.ready_paths):
            break
        if only is not None and task_id not in only:
            continue
        task = state.tasks[task_id].task
        paths = task.paths
        if barred and state.worker_of(task) in barred:
            continue
        if paths:
            if paths in blocked:
                continue
            fence = guide.neighbours(task_id)
            if not all(under_way.isdisjoint(fence) for under_way in busy):
                blocked.add(paths)
                continue
            blocked.add(paths)  # by this one
        chosen[task_id] = None
    return tuple(chosen)
