"""Tasks that cannot go on. Pure.

1. A task whose attempts are used up is given up, unless it is in question whether the last one
   failed by its own fault (`tip`).
2. A task whose worker was lost five times by trouble of its own is held for a person: it is
   not its fault, nor can it go on.
3. A task that goes in circles is held for a person when another try would be the same once more
   (`circles`). Where its attempts are used up anyway it is given up, unless it failed in the same
   way three times: then a person should look. So should one where nothing but a checker stands in
   the way: it has passed every gate that it was asked for.
4. A queued head whose need, or whose base, was taken out of the result goes back, and uses up no
   attempt: it would bring along what was taken out. What a person submitted stays as it is.
5. A task whose own budget holds no further model call is given up.
"""

from __future__ import annotations

from collections.abc import Iterator

from ledger import events as e
from ledger.books import used_up
from ledger.state import STUCK, RunState
from orchestrator.policy.checking import against
from orchestrator.policy.circles import circle_of, told_of, tries_of
from orchestrator.policy.orders import Order, Record
from orchestrator.policy.tip import accused_by

LOST_AT_MOST = 5
"""Attempts lost one after the other before a person is asked."""


def settle_tasks(state: RunState) -> tuple[Order, ...]:
    """What is to be recorded of tasks that cannot go on."""
    orders: list[Order] = []
    for task_id in state.again:
        task = state.tasks[task_id]
        if accused_by(state, task):
            continue
        circle = circle_of(tries_of(task), len(state.ladder_of(task.task)) or 1)
        no_more = task.charged >= state.limits.attempts
        blocked = task.last_telling is not None and bool(against(task.last_telling))
        if task.budget_reached:
            why = used_up("its budget", task.budget_reached.why)
            orders.append(Record(e.TaskGivenUp(task=task_id, why=why)))
        elif circle.turn == "person" and (not no_more or blocked or len(circle.same) > 2):
            why = f"{told_of(circle)}: {task.note}" if task.note else told_of(circle)
            orders.append(Record(e.TaskHeld(task=task_id, why=why)))
        elif no_more:
            tries = "1 attempt" if task.charged == 1 else f"{task.charged} attempts"
            if blocked:
                why = f"its attempts are used up ({task.charged}): {task.note}"
                orders.append(Record(e.TaskHeld(task=task_id, why=why)))
                continue
            why = f"given up after {tries}: {task.note}" if task.note else f"gave up after {tries}"
            orders.append(Record(e.TaskGivenUp(task=task_id, why=why)))
        elif task.lost >= LOST_AT_MOST:
            why = f"its worker was lost {task.lost} times: {task.note}"
            orders.append(Record(e.TaskHeld(task=task_id, why=why)))
    return (*orders, *_send_back(state))


def _send_back(state: RunState) -> Iterator[Order]:
    """Rule 4."""
    taken_out = any(landing.removes for landing in state.landings)
    lost = state.moves[-1].without if state.moves else ()
    for head in state.queue if taken_out or lost else ():
        needs, attempt = state.tasks[head.task].task.needs, state.attempt(head)
        cause: e.Cause
        if taken_out and (gone := [n for n in needs if state.tasks[n].status in STUCK]):
            cause, what = "need", f"what it needs was taken out of the result: {', '.join(gone)}"
        elif attempt.started.base in lost and not attempt.submitted:
            base = attempt.started.base[:10]
            cause, what = "base", f"it was made on {base}, which was taken out of the result"
        else:
            continue
        fact = e.HeadSentBack(
            task=head.task, attempt=head.attempt, cause=cause, why=what, charged=False
        )
        yield Record(fact)
