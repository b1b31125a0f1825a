"""Tell a person of a run's end, and say what came of it; the run stays as it ended."""

from __future__ import annotations

from ledger.schema import LedgerError
from ledger.store import Store
from orchestrator.cli import output
from orchestrator.errors import OrchError
from orchestrator.review.words import foreign, listed
from orchestrator.workplace import Workplace
from worktree.values import GitError


def tell_end(workplace: Workplace, store: Store, run: str, broke: str = "") -> None:
    """Send the message of the run's end where its settings name a way; what fails is said.

    `broke`: why its engine broke off.
    """
    from orchestrator.notify import notify_end

    try:
        told = notify_end(workplace, store, run, broke=broke, ring=output.ring)
    except (OSError, OrchError, LedgerError, GitError) as error:
        output.narrate(output.colour_narration(f"you were not told: {foreign(str(error))}", "ask"))
        return
    except KeyboardInterrupt:
        output.narrate("you were not told: interrupted")
        return
    if told and told.ways:
        output.narrate(f"you were told ({listed(told.ways)})")
    for why in told.failed if told else ():
        output.narrate(output.colour_narration(f"you were not told by {foreign(why, 300)}", "ask"))
