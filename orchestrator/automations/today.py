"""What the day has cost so far, over all runs of the repository and their planning."""

from __future__ import annotations

from ledger.books import Cap, Sum
from ledger.model import Settings
from ledger.store import Store
from orchestrator.automations.times import last_due
from orchestrator.costs import load_costs
from orchestrator.workplace import Workplace

TWO_DAYS_S = 2 * 86400.0


def cap_of_day(settings: Settings) -> Cap:
    """What a day may cost."""
    return Cap(tokens=settings.daily_tokens, usd=settings.daily_usd)


def spent_today(workplace: Workplace, store: Store, zone: str | None, now: float) -> Sum:
    """What was spent since midnight in that zone."""
    return load_costs(workplace.place, store, "day", None, midnight(zone, now)).whole.bill.amount


def midnight(zone: str | None, now: float) -> float:
    """When the day began."""
    began = last_due("0 0 * * *", zone, now - TWO_DAYS_S, now)
    return now if began is None else began
