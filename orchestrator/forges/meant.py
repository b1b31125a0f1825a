"""Which forge is asked when a plan is looked at.

The one that the settings name; where they name none, the remote's, if a run in this clone has
opened a pull request before.
"""

from __future__ import annotations

from ledger.connectors import ForgeSettings
from ledger.model import Settings
from orchestrator.workplace import Workplace


def forge_meant(workplace: Workplace, settings: Settings) -> ForgeSettings | None:
    """The forge to ask; None: none."""
    if settings.forge is not None:
        return settings.forge
    store = workplace.existing_store()
    if store is None:
        return None
    with store:
        return ForgeSettings() if store.has_kind("PullRequestOpened") else None
