"""What a day may still cost, for who starts runs without a person.

1. What the settings let a day cost (`daily_usd`, `daily_tokens`), over all runs and planning, holds
   for an agent as it does for automations: else each run would come with a whole budget of its own.
2. Where nothing is left nothing is started, and nothing goes on. A run that is started gets no more
   than what is left.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from ledger.books import Cap
from ledger.model import Limits, Settings
from orchestrator.automations.today import cap_of_day, spent_today
from orchestrator.errors import OrchError
from orchestrator.policy.firing import is_empty, left, tighter
from orchestrator.workplace import Workplace

PERSON_NEEDED = 5


def left_today(workplace: Workplace, settings: Settings, typed: str) -> Cap:
    """What is left of the day's; OrchError where that is nothing. `typed`: a person's way."""
    cap = cap_of_day(settings)
    store = None if cap == Cap() else workplace.existing_store()
    if store is None:
        return cap
    with store:
        rest = left(cap, spent_today(workplace, store, None, time.time()))
    if is_empty(rest):
        raise OrchError(
            "what a day may cost is spent (daily_usd, daily_tokens of the settings)",
            hint=f"go on tomorrow, or a person types: {typed}",
            exit_code=PERSON_NEEDED,
        )
    return rest


def within(limits: Limits, rest: Cap) -> Mapping[str, float | None]:
    """The run's budgets, no larger than that."""
    both = tighter(Cap(tokens=limits.budget_tokens, usd=limits.budget_usd), rest)
    return {"budget_usd": both.usd, "budget_tokens": both.tokens}
