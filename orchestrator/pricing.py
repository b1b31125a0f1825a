"""Whether the models that are to be asked could be paid for, before anything is asked.

1. Where money is limited and tokens are not, no call leaves for a model whose price is not known:
   nothing would ever stop it. Such a model is refused before a run, not in the middle of it.
2. There are two ways out, and both are said: what it costs, or how many tokens it may take.
"""

from __future__ import annotations

from collections.abc import Iterable

from ledger.books import PRICE_UNKNOWN, Cap, Caps
from ledger.model import Settings, Tokens
from orchestrator.errors import Problem, Problems
from orchestrator.policy.models import model_workers, split_model


def unpaid(settings: Settings, workers: Iterable[str]) -> tuple[Problem, ...]:
    """The models of these workers that no call could leave for in a run."""
    from orchestrator.till import caps_of

    models = model_workers(settings)
    asked = (model for name in workers if name in models for model in models[name].models)
    return _unpaid(settings, asked, caps_of(settings.limits))


def unpaid_planner(settings: Settings, name: str | None) -> tuple[Problem, ...]:
    """The same of the worker that plans, by the budget for planning."""
    planner = model_workers(settings).get(name or "")
    models = planner.models[:1] if planner else ()
    return _unpaid(settings, models, caps_of_planning(settings))


def caps_of_planning(settings: Settings) -> Caps:
    """What one planning may spend."""
    limits = settings.limits
    usd = settings.plan_budget_usd or limits.budget_usd
    return Caps(call=Cap(usd=limits.call_usd), run=Cap(tokens=limits.budget_tokens, usd=usd))


def _unpaid(settings: Settings, models: Iterable[str], caps: Caps) -> tuple[Problem, ...]:
    if caps.of_tokens or not caps.of_money:
        return ()
    return tuple(
        Problem("", None, f"model '{model}' could not be asked: {PRICE_UNKNOWN}", ways_out(model))
        for model in dict.fromkeys(models)
        if not is_priced(settings, model)
    )


def refuse_unpaid(settings: Settings, workers: Iterable[str]) -> None:
    """Before a run is recorded: Problems where a model of its could never be asked."""
    if problems := unpaid(settings, workers):
        raise Problems(problems)


def is_priced(settings: Settings, model: str) -> bool:
    """Whether it is known what the model costs."""
    from workers.gateway.prices import Prices

    provider, name = split_model(model)
    url = settings.providers[provider].url
    return Prices(settings.prices).cost_usd(provider, url, name, Tokens(input=1)) is not None


def ways_out(model: str) -> str:
    """What to write into the settings for a model whose price is not known (rule 2)."""
    return (
        f'say what a million tokens cost: [[price]] model = "{model}", input = 0.0, output = 0.0, '
        "each on a line of its own; or limit tokens: budget_tokens = 2_000_000 below [run], or "
        "--budget-tokens 2M"
    )
