"""What model calls were reserved and settled, and which budgets are used up.

1. A call that is reserved counts as its worst until it is settled; what an engine left unsettled
   is spent when the next one starts.
2. A budget that would not hold a call is reached until the limits change; a task's, until a person
   asks for another try, too.
3. Nothing is refused here: a call that left has left.
"""

from __future__ import annotations

from ledger import events as e
from ledger.books import Held, sum_of
from ledger.standing import RunState, require
from ledger.task_fold import find_task

CALL_FACTS = e.CallReserved | e.CallSettled | e.BudgetReached | e.ProviderPaused


def evolve_calls(state: RunState, event: CALL_FACTS) -> None:
    """Fold one fact of a model call."""
    match event:
        case e.CallReserved():
            require(event.call == state.calls + 1, f"call {event.call} out of turn")
            find_task(state, event.task)
            state.calls = event.call
            worst = sum_of(event.tokens, event.cost_usd)
            state.books = state.books.hold(str(event.call), Held(event.task, event.attempt, worst))
        case e.CallSettled():
            require(str(event.call) in state.books.held, f"call {event.call} is not under way")
            tokens = event.tokens
            came_to = None if tokens is None else sum_of(tokens.total, event.cost_usd)
            state.books = state.books.settle(str(event.call), came_to)
        case e.BudgetReached():
            task = find_task(state, event.task)
            if event.scope == "run":
                state.budget_reached = event
            elif event.scope == "task":
                task.budget_reached = event
        case e.ProviderPaused():
            state.pauses.pop(event.provider, None)
            if event.until is not None:
                state.pauses[event.provider] = event.until


def abandon_calls(state: RunState) -> None:
    """Nobody is left to settle what the last engine reserved."""
    state.books = state.books.abandoned()
    state.pauses.clear()


def forget_budgets(state: RunState) -> None:
    """The limits changed: whether they hold is seen at the next call."""
    state.budget_reached = None
    for task in state.tasks.values():
        task.budget_reached = None
