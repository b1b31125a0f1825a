"""The sandbox: what the settings want of it, and what this machine gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from orchestrator.doctor.findings import Finding, Visit
from orchestrator.review.words import unconfined

WITHOUT = 'or go on without, with all your rights: sandbox = "none" in .agent/orch.local.toml'


def sandbox(visit: Visit) -> Iterator[Finding]:
    """What keeps workers and gates from what is not theirs."""
    from workers.sandbox_offer import limits_offer, sandbox_offer

    if visit.settings is None:
        return
    offer = sandbox_offer()
    if said := unconfined(visit.settings.sandbox.mode):
        hint = 'take sandbox = "..." out of the settings' if offer.works else offer.hint
        yield Finding("sandbox", "odd", said, hint)
    elif not offer.works:
        yield Finding("sandbox", "bad", f"no sandbox: {offer.what}", f"{offer.hint}; {WITHOUT}")
    elif not offer.complete:
        yield Finding("sandbox", "odd", offer.what, offer.hint)
    else:
        yield Finding("sandbox", "good", offer.what)
    if offer.works and visit.settings.sandbox.mode == "bubblewrap":
        limits = limits_offer()
        level: Literal["good", "odd"] = "good" if limits.complete else "odd"
        yield Finding("limits", level, limits.what, limits.hint)
