"""What the model calls of a run came to, and what may still be spent: for every view. Pure.

1. A price that is not known is said to be unknown; it never counts as nothing.
2. What is reserved and not settled counts as spent, as the budgets count it.
3. A budget that is reached says what to type, which is enough for the call that did not fit; a
   limit of a provider's, until when it lasts.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING

from orchestrator.review.words import count, foreign, listed, moment, money, tokens

if TYPE_CHECKING:
    from ledger.books import Sum
    from ledger.events import BudgetReached
    from ledger.state import RunState

TOKENS_OFFERED = 1_000_000
"""The least that is offered as a budget of tokens where there was none."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a run, a task or an attempt spent."""

    tokens: int = 0
    known_usd: float = 0.0
    unpriced: int = 0
    """Calls whose price is not known."""

    @property
    def cost_usd(self) -> float | None:
        """None where a part of it is not known, which is never zero."""
        return None if self.unpriced else self.known_usd

    def __bool__(self) -> bool:
        return bool(self.tokens or self.known_usd or self.unpriced)

    @property
    def said(self) -> str:
        """`41,200 tokens, $0.12`; empty where nothing was spent."""
        if not self:
            return ""
        return f"{tokens(self.tokens)}, {said_of_cost(self.known_usd, self.unpriced)}"


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may spend, as far as it is limited, and whether that is reached."""

    usd: float | None = None
    tokens: int | None = None
    left_usd: float | None = None
    left_tokens: int | None = None
    reached: str = ""
    """Why a call of the run did not leave."""

    @property
    def said(self) -> str:
        """`$3.80 of $5.00 left`; empty where nothing limits it."""
        parts = []
        if self.usd is not None and self.left_usd is not None:
            parts.append(f"{money(self.left_usd)} of {money(self.usd)}")
        if self.tokens is not None and self.left_tokens is not None:
            parts.append(f"{self.left_tokens:,} of {tokens(self.tokens)}")
        return f"{' and '.join(parts)} left" if parts else ""


def said_of_cost(known_usd: float, unpriced: int) -> str:
    """`$0.12`, `cost unknown`, `$0.12 and 2 calls of unknown cost`."""
    if not unpriced:
        return money(known_usd)
    if not known_usd:
        return "cost unknown"
    return f"{money(known_usd)} and {count(unpriced, 'call')} of unknown cost"


def spending(amount: Sum) -> Spent:
    """A sum of the books, for people."""
    return Spent(amount.tokens, amount.nanos / 1e9, amount.unpriced)


def spent(state: RunState, task: str = "", attempt: int = 0) -> Spent:
    """What the run, a task or one attempt at it spent, what is in flight included."""
    purse = f"{task}/{attempt}" if attempt else task
    return spending(state.books.spent_by(purse) + state.books.held_by(purse))


def budget_of(state: RunState) -> Budget:
    """What the run may spend, and what of it is left."""
    limits, amount = state.limits, spent(state)
    usd, most = limits.budget_usd, limits.budget_tokens
    return Budget(
        usd=usd,
        tokens=most,
        left_usd=None if usd is None else max(0.0, usd - amount.known_usd),
        left_tokens=None if most is None else max(0, most - amount.tokens),
        reached=state.budget_reached.why if state.budget_reached else "",
    )


def to_raise(state: RunState) -> str:
    """The options that raise the run's budget that is reached: `--budget-usd 10`."""
    limits, reached, so_far = state.limits, state.budget_reached, spent(state)
    short = reached.short if reached else ()
    options = {}
    for one in short:
        if one.unit == "tokens":
            most = enough(limits.budget_tokens or one.limit, so_far.tokens, one.needed)
            options["--budget-tokens"] = f"{most:.0f}"
        else:
            usd = enough(limits.budget_usd or one.limit, so_far.known_usd, one.needed)
            options["--budget-usd"] = f"{usd:.10g}"
    if not options:
        options = _to_raise_by_words(state, reached.why if reached else "")
    return " ".join(f"{option} {amount}" for option, amount in options.items())


def to_raise_own(state: RunState, reached: BudgetReached) -> str:
    """The option that raises a budget which is not the run's: `--task-usd 2`."""
    match reached.scope:
        case "task":
            before, so_far = state.limits.task_usd, spent(state, reached.task)
        case "attempt":
            before, so_far = state.limits.attempt_usd, spent(state, reached.task, reached.attempt)
        case _:
            before, so_far = state.limits.call_usd, Spent()
    needed = sum(one.needed for one in reached.short if one.unit == "usd")
    return f"--{reached.scope}-usd {enough(before or 1, so_far.known_usd, needed):.10g}"


def enough(before: float, so_far: float, needed: float) -> float:
    """A budget to offer: twice the old one, and room for two such calls as did not fit.

    Rounded up to two digits: people read it.
    """
    amount = max(2 * before, so_far + 2 * needed)
    step = Decimal(10) ** (Decimal(repr(amount)).adjusted() - 1)
    # What is rounded already stays: 0.3 is not 0.30000000000000004.
    return float((Decimal(repr(round(amount, 9))) / step).to_integral_value(ROUND_CEILING) * step)


def _to_raise_by_words(state: RunState, why: str) -> dict[str, str]:
    """Where no number was recorded: a price is not known, or it was not recorded then."""
    from ledger.books import PRICE_UNKNOWN  # brings in the models: see `review.status`

    limits = state.limits
    # The reason ends with the cap that would not hold the call.
    if why == PRICE_UNKNOWN or (why.endswith(" tokens") and limits.budget_tokens):
        most = limits.budget_tokens or max(spent(state).tokens, TOKENS_OFFERED // 2)
        return {"--budget-tokens": str(2 * most)}
    return {"--budget-usd": f"{2 * (limits.budget_usd or 1):g}"}


def waits(state: RunState, now: float) -> tuple[tuple[str, float], ...]:
    """The providers that calls wait for, and until when."""
    return tuple((name, until) for name, until in state.pauses.items() if until > now)


def said_of_waits(waiting: tuple[tuple[str, float], ...], now: float) -> list[str]:
    """`waits for anthropic until 14:05:00, goes on by itself`."""
    return [
        f"waits for {foreign(name)} until {moment(until, now)}, goes on by itself"
        for name, until in waiting
    ]


def questions(state: RunState) -> tuple[tuple[str, str], ...]:
    """What tasks ask a person now: task and question."""
    held = ((task_id, state.tasks[task_id].question) for task_id in state.with_status("held"))
    return tuple((task_id, asked) for task_id, asked in held if asked is not None)


def said_of_worker(worker: str, model: str) -> str:
    """Who worked: a worker's name, and its model where it is one."""
    return f"{foreign(worker)} ({foreign(model)})" if model else foreign(worker)


def told_questions(asked: tuple[tuple[str, str], ...]) -> list[str]:
    """Each question, and what to type."""
    shown = [
        f'{task} asks: {foreign(what, 400)} (orch answer {task} "...")' for task, what in asked
    ]
    rest = [f"asking too: {listed(task for task, _ in asked[3:])}"] if len(asked) > 3 else []
    return shown[:3] + rest
