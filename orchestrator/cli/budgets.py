"""What a person may say about budgets, and what a run says whose budget is reached.

1. An amount is a plain number, perhaps with `$` or `_` in it; tokens may end in `k` or `M`. `none`
   takes a budget away.
2. A run whose budget is reached, and which has nothing to do but call models, is not driven on
   before the budget is larger than what is spent: it would end at once, having cost time.
"""

from __future__ import annotations

import re
from typing import Annotated

import typer

from ledger.model import Limits
from ledger.state import RunState
from orchestrator.errors import OrchError
from orchestrator.policy.ending import under_way
from orchestrator.review.spent import spent, to_raise
from orchestrator.review.words import money, tokens

BudgetUsdOption = Annotated[
    str | None,
    typer.Option(
        "--budget-usd", metavar="USD", help="What all model calls may cost: 5, or none for no end."
    ),
]
BudgetTokensOption = Annotated[
    str | None,
    typer.Option(
        "--budget-tokens", metavar="N", help="How many tokens they may use: 2000000, 2M, or none."
    ),
]
TaskUsdOption = Annotated[
    str | None, typer.Option("--task-usd", metavar="USD", help="What each task may cost.")
]
AttemptUsdOption = Annotated[
    str | None, typer.Option("--attempt-usd", metavar="USD", help="What each attempt may cost.")
]
CallUsdOption = Annotated[
    str | None, typer.Option("--call-usd", metavar="USD", help="What each model call may cost.")
]
NONE = "none"
_UNITS = {"": 1, "k": 1_000, "m": 1_000_000}


def parse_usd(text: str, option: str) -> float | None:
    """Dollars: `5`, `0.50`, `$5`; None for `none`."""
    words = text.strip().lower()
    if words == NONE:
        return None
    number = re.fullmatch(r"\$?(\d+(?:\.\d+)?|\.\d+)", words.replace("_", "").replace(",", ""))
    if not number or float(number[1]) <= 0 or len(words) > 20:
        raise OrchError(
            f"{option}: '{text}' is no sum of dollars", hint=f"write for example {option} 5"
        )
    return float(number[1])


def parse_tokens(text: str, option: str) -> int | None:
    """Tokens: `2000000`, `2_000_000`, `500k`, `2M`; None for `none`."""
    words = text.strip().lower()
    if words == NONE:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([km]?)", words.replace("_", "").replace(",", ""))
    number = round(float(found[1]) * _UNITS[found[2]]) if found and len(words) <= 20 else 0
    if number < 1:
        raise OrchError(
            f"{option}: '{text}' is no number of tokens", hint=f"write for example {option} 2M"
        )
    return number


def budgets_typed(
    *,
    budget_usd: str | None,
    budget_tokens: str | None,
    task_usd: str | None,
    attempt_usd: str | None,
    call_usd: str | None = None,
) -> dict[str, float | None]:
    """The limits that a person named, by their names; None takes one away."""
    typed: dict[str, float | None] = {}
    for name, text in (
        ("budget_usd", budget_usd),
        ("task_usd", task_usd),
        ("attempt_usd", attempt_usd),
        ("call_usd", call_usd),
    ):
        if text is not None:
            typed[name] = parse_usd(text, f"--{name.replace('_', '-')}")
    if budget_tokens is not None:
        typed["budget_tokens"] = parse_tokens(budget_tokens, "--budget-tokens")
    return typed


def refuse_reached_budget(state: RunState, limits: Limits) -> None:
    """OrchError with exit code 4 where a run would end at once, for want of a larger budget."""
    reached = state.budget_reached
    if reached is None or not waits_for_budget(state):
        return
    before, now = state.limits, limits
    hint = f"orch resume {state.run} {to_raise(state)}"
    if (now.budget_usd, now.budget_tokens) == (before.budget_usd, before.budget_tokens):
        raise OrchError(f"the run's budget is reached: {reached.why}", hint=hint, exit_code=4)
    so_far = spent(state)
    if now.budget_usd is not None and now.budget_usd <= so_far.known_usd:
        raise OrchError(
            f"{money(so_far.known_usd)} are spent already: a budget of {money(now.budget_usd)}"
            " is reached",
            hint=hint,
            exit_code=4,
        )
    if now.budget_tokens is not None and now.budget_tokens <= so_far.tokens:
        raise OrchError(
            f"{tokens(so_far.tokens)} are spent already: a budget of {now.budget_tokens:,} is"
            " reached",
            hint=hint,
            exit_code=4,
        )


def waits_for_budget(state: RunState) -> bool:
    """Whether its budget is reached, and all that is left to do is a model's or comes after."""
    from orchestrator.cli.going_on import waits_for_nothing

    if state.budget_reached is None:
        return False
    models = state.by_model()
    ready = [state.tasks[task_id].task for task_id in state.with_status("ready")]
    if not ready or any(state.worker_of(task) not in models for task in ready):
        return False
    held = (state.tasks[task_id] for task_id in state.with_status("held"))
    allowed = any(waits_for_nothing(state, task) for task in held)
    return not (under_way(state) or state.queue or state.rejections or allowed)
