"""A selection goes to a remote: judged as an accept judges it, pushed instead of moved."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from ledger.connectors import ForgeSettings
from orchestrator.accept import AcceptResult, Delivery
from orchestrator.forges.pull_request import Opened, open_for
from orchestrator.forges.push import Load, push_load
from orchestrator.offer import Offer
from orchestrator.policy.selection import Difference
from orchestrator.review.markdown import code
from orchestrator.review.words import listed
from orchestrator.scene import Scene


def delivery(
    settings: ForgeSettings | None, *, pull_request: bool, to: str | None = None
) -> Delivery:
    """What pushes a judged commit, and opens a pull request of it."""

    async def deliver(
        scene: Scene, change: Difference, offer: Offer, plain: AcceptResult
    ) -> AcceptResult:
        made = await scene.git(partial(_deliver, scene, change, offer, settings, pull_request, to))
        url = made.pull.url if made.pull else made.pushed.where
        return replace(
            plain,
            outcome="delivered",
            commit=offer.commit,
            branch=made.pushed.branch,
            url=url,
        )

    return deliver


def _deliver(
    scene: Scene,
    change: Difference,
    offer: Offer,
    settings: ForgeSettings | None,
    pull_request: bool,
    to: str | None,
) -> Opened:
    workplace, journal = scene.workplace, scene.journal
    load = Load(offer.commit, offer.tree, change.holds)
    pushed = push_load(workplace, journal, load, settings)
    if not pull_request:
        return Opened(pushed)
    holds = {ref.task for ref in change.holds}
    rest = [task for task in journal.state.landed_heads() if task not in holds]
    note = f"**A part of the run: {', '.join(code(task) for task in sorted(holds))}.**"
    note += f" Left out: {listed(map(code, rest), 20)}." if rest else ""
    return open_for(workplace, journal, pushed, settings, to=to, note=note)
