"""What a plan's model calls may come to, by the ledger, the files' sizes and the prices."""

from __future__ import annotations

from contextlib import nullcontext

from ledger.model import Plan, Settings, Tokens
from orchestrator.base import newest_of
from orchestrator.policy.models import model_workers, split_model
from orchestrator.policy.spending import Spending, spending
from orchestrator.workplace import Workplace

MOST_LOOKS = 5_000_000
"""Files times tasks; above it sizes would take too long, and are not known."""


def spending_of(workplace: Workplace, plan: Plan, settings: Settings) -> Spending | None:
    """What its tasks may come to; None where no task of it is a model's."""
    names = {task.worker or settings.worker for task in plan.tasks}
    if not names & model_workers(settings).keys():
        return None
    from orchestrator.history import done_by_worker
    from workers.gateway.prices import Prices

    prices = Prices(settings.prices)

    def cost_of(model: str, tokens: Tokens) -> float | None:
        provider, name = split_model(model)
        return prices.cost_usd(provider, settings.providers[provider].url, name, tokens)

    with workplace.existing_store() or nullcontext() as store:
        done = done_by_worker(store) if store else {}
    return spending(plan, settings, _sizes(workplace, plan), done, cost_of)


def _sizes(workplace: Workplace, plan: Plan) -> dict[str, int]:
    """Bytes of the files that each task with paths may change."""
    from orchestrator.policy.paths import covered
    from worktree.contents import list_sizes

    git = workplace.git
    files = list_sizes(git, git.resolve(newest_of(plan.base)))
    if len(files) * len(plan.tasks) > MOST_LOOKS:
        return {}
    sizes = {file.path: file.size_bytes for file in files}
    return {
        task.id: sum(sizes[path] for path in covered(task.paths, sizes))
        for task in plan.tasks
        if task.paths
    }
