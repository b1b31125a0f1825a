"""What the ledger tells of model calls, over one run or all of them, and what planning came to.

1. Only the facts that matter are read, by their kind: not the runs that they are in.
2. Planning belongs to no run: it counts where all runs are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ledger.place import Place
from ledger.store import Store
from orchestrator.journal import parse_row
from orchestrator.planning.till import load_planning
from orchestrator.review.cost import NEEDED, By, Call, Costs, Told, calls_of, fates_of, share_out

CALLS = ("CallReserved", "CallSettled")


def load_costs(
    place: Place, store: Store | None, by: By, run: str | None = None, since: float = 0.0
) -> Costs:
    """The calls since then, of a run or of all, shared out."""
    calls = calls_of(_facts(store, CALLS, run))
    # What became of attempts is of no interest where no model was called in any.
    kinds = tuple(kind.model_fields["kind"].default for kind in NEEDED) if calls else ()
    fates = fates_of(_facts(store, kinds, run))
    planned = [] if run else list(_planning(place))
    return share_out([*calls, *planned], fates, by, since)


def _planning(place: Place) -> Iterator[Call]:
    for call in calls_of(load_planning(place)):
        yield replace(call, run="", task="", attempt=0, planning=True)


def _facts(store: Store | None, kinds: tuple[str, ...], run: str | None) -> Iterator[Told]:
    if store is None or not kinds:
        return
    for row in store.of_kinds(kinds, run):
        yield row.run, row.at, parse_row(row)
