"""Tasks that cannot go on. Pure.

1. A task whose attempts are used up is given up.
2. A task whose worker was lost five times by trouble of its own is held for a person: it is
   not its fault, nor can it go on.
3. A queued head whose need was taken out of the result goes back, and uses up no attempt.
"""

from __future__ import annotations

from ledger import events as e
from ledger.state import STUCK, RunState
from orchestrator.policy.orders import Order, Record

LOST_AT_MOST = 5
"""Attempts lost one after the other before a person is asked."""


def settle_tasks(state: RunState) -> tuple[Order, ...]:
    """What is to be recorded of tasks that cannot go on."""
    orders: list[Order] = []
    for task_id in state.again:
        task = state.tasks[task_id]
        if task.charged >= state.limits.attempts:
            tries = "1 attempt" if task.charged == 1 else f"{task.charged} attempts"
            why = f"given up after {tries}: {task.note}" if task.note else f"gave up after {tries}"
            orders.append(Record(e.TaskGivenUp(task=task_id, why=why)))
        elif task.lost >= LOST_AT_MOST:
            why = f"its worker was lost {task.lost} times: {task.note}"
            orders.append(Record(e.TaskHeld(task=task_id, why=why)))
    if any(landing.removes for landing in state.landings):
        orders += _without_needs(state)
    return tuple(orders)


def _without_needs(state: RunState) -> list[Order]:
    orders: list[Order] = []
    for head in state.queue:
        needs = state.tasks[head.task].task.needs
        gone = [need for need in needs if state.tasks[need].status in STUCK]
        if gone:
            fact = e.HeadSentBack(
                task=head.task,
                attempt=head.attempt,
                cause="need",
                why=f"what it needs was taken out of the result: {', '.join(gone)}",
                charged=False,
            )
            orders.append(Record(fact))
    return orders
