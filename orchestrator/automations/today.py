"""What the day has cost so far, over all runs of the repository and their planning.

1. What runs that go on may still spend, by their budgets, is held: who starts beside them may spend
   what is left then. Else two that start at two would each spend the whole day's.
2. A run that has no budget holds nothing; an automation gives its runs one where a day has.
"""

from __future__ import annotations

from collections.abc import Collection

from ledger.books import Cap, Sum
from ledger.model import RunId, Settings
from ledger.state import RunState
from ledger.store import Store
from orchestrator.automations.times import last_due
from orchestrator.costs import load_costs
from orchestrator.journal import parse_row
from orchestrator.policy.firing import left
from orchestrator.runs import engine_alive, load_state
from orchestrator.workplace import Workplace

TWO_DAYS_S = 2 * 86400.0
RUNS_LOOKED_AT = 50


def cap_of_day(settings: Settings) -> Cap:
    """What a day may cost."""
    return Cap(tokens=settings.daily_tokens, usd=settings.daily_usd)


def spent_today(workplace: Workplace, store: Store, zone: str | None, now: float) -> Sum:
    """What was spent since midnight in that zone."""
    return load_costs(workplace.place, store, "day", None, midnight(zone, now)).whole.bill.amount


def held_now(workplace: Workplace, store: Store, own: Collection[RunId] = ()) -> Sum:
    """What runs that go on may still spend, but for one's own."""
    from orchestrator.automations.firing import is_fired

    held, place = Sum(), workplace.place
    for row in store.recent("RunStarted", RUNS_LOOKED_AT):
        started = parse_row(row)
        assert started.kind == "RunStarted"
        by = started.automation
        # One that has only just been recorded has no engine yet, but somebody who will drive it.
        if row.run not in own and (engine_alive(place, row.run) or (by and is_fired(place, by))):
            held += _may_spend(load_state(store, row.run))
    return held


def _may_spend(state: RunState) -> Sum:
    if state.finished or state.cleaned:
        return Sum()
    limits = state.limits
    cap = Cap(tokens=limits.budget_tokens, usd=limits.budget_usd)
    more = left(cap, state.books.spent_by() + state.books.held_by())
    return Sum(more.tokens or 0, more.nanos or 0)


def midnight(zone: str | None, now: float) -> float:
    """When the day began."""
    began = last_due("0 0 * * *", zone, now - TWO_DAYS_S, now)
    return now if began is None else began
