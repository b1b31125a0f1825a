"""What starts next. Pure.

1. The baseline starts at once, beside the first workers.
2. Ready tasks start as `readiness` says, from the tip as it stands, unless there is too little
   room.
3. A head that was sent back is re-applied first, and what an attempt had done that asked a person;
   a failed attempt is followed by a clean one.
4. Where the run's budget is used up, no model starts to work any more; commands do.
5. A replay starts what its record says is next (`course`), however many are under way: the record
   had room for it.
6. A model's place on its worker's ladder is that which the task's circles have brought it to.
"""

from __future__ import annotations

from ledger.state import AttemptState, RunState, TaskState
from orchestrator.policy.candidates import free_slots
from orchestrator.policy.circles import circle_of, tries_of
from orchestrator.policy.now import Now
from orchestrator.policy.orders import Order, RunBaseline, StartAttempt
from orchestrator.policy.readiness import Guide, startable, under_way_at_most


def start_baseline(state: RunState) -> list[Order]:
    """The order to start the baseline, where it is not known."""
    if state.baseline != "unknown" or free_slots(state) < 0:
        return []  # its slot is kept, unless there are fewer than there were
    return [RunBaseline()]


def _goes_on(last: AttemptState) -> bool:
    """Rule 3."""
    asked = last.finished is not None and last.finished.cause == "question"
    return last.sent_back is not None or asked


def _model(state: RunState, task: TaskState) -> str:
    """Rule 6."""
    ladder = state.ladder_of(task.task)
    return ladder[circle_of(tries_of(task), len(ladder)).rung] if ladder else ""


def start(state: RunState, guide: Guide, now: Now) -> list[Order]:
    """The orders to start the baseline and attempts."""
    orders = start_baseline(state)
    if now.free_gb < state.limits.min_free_gb:
        return orders
    slots = under_way_at_most(state, now.resting) - len(state.by_status.get("working", ()))
    if now.only is not None:
        slots = len(now.only)
    barred = state.by_model() if state.budget_reached else ()
    for task_id in startable(state, guide, slots, barred, now.only):
        task = state.tasks[task_id]
        last = task.last_telling
        change = (last.started.base, last.head) if last and _goes_on(last) and last.head else None
        orders.append(
            StartAttempt(
                task=task_id,
                attempt=len(task.attempts) + 1,
                base=state.tip,
                worker=state.worker_of(task.task),
                model=_model(state, task),
                reapply=change,
            )
        )
    return orders
