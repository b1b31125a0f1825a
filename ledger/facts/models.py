"""What model calls cost, and what kept them from being made."""

from __future__ import annotations

from typing import Literal

from ledger.facts.base import Fact
from ledger.model import CallPurpose, Shortage, TaskId, Tokens

# --- models -----------------------------------------------------------------------------------


class CallReserved(Fact):
    """A model call was about to leave; until it is settled, the worst that it may cost is spent."""

    kind: Literal["CallReserved"] = "CallReserved"
    call: int
    task: TaskId
    attempt: int
    worker: str
    """Who calls: the task's worker, or the checker."""
    provider: str
    model: str
    tokens: int
    cost_usd: float | None = None
    """None: the price is not known."""
    purpose: CallPurpose = "work"
    """Before this was recorded, a checker's calls were told from others by who called."""


class CallSettled(Fact):
    """A model call came to this."""

    kind: Literal["CallSettled"] = "CallSettled"
    call: int
    tokens: Tokens | None = None
    """None: nobody knows, and the worst counts."""
    cost_usd: float | None = None


class BudgetReached(Fact):
    """A model call did not leave, since a budget would not hold it."""

    kind: Literal["BudgetReached"] = "BudgetReached"
    task: TaskId
    attempt: int
    scope: Literal["call", "attempt", "task", "run"]
    why: str
    short: tuple[Shortage, ...] = ()
    """By how much, in each unit that was too little; none where a price is not known."""


class ProviderPaused(Fact):
    """A provider's limit lasts: calls to it wait until then."""

    kind: Literal["ProviderPaused"] = "ProviderPaused"
    provider: str
    until: float | None = None
    """Seconds since the epoch; None: it is over."""
