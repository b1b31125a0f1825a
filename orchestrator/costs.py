"""What the ledger tells of model calls, over one run or all of them.

Only the facts that matter are read, by their kind: not the runs that they are in.
"""

from __future__ import annotations

from collections.abc import Iterator

from ledger.store import Store
from orchestrator.journal import parse_row
from orchestrator.review.cost import NEEDED, By, Costs, Told, calls_of, fates_of, share_out

CALLS = ("CallReserved", "CallSettled")


def load_costs(store: Store, by: By, run: str | None = None, since: float = 0.0) -> Costs:
    """The calls since then, of a run or of all, shared out."""
    calls = calls_of(_facts(store, CALLS, run))
    if not calls:
        return share_out((), fates_of(()), by)
    kinds = tuple(kind.model_fields["kind"].default for kind in NEEDED)
    return share_out(calls, fates_of(_facts(store, kinds, run)), by, since)


def _facts(store: Store, kinds: tuple[str, ...], run: str | None) -> Iterator[Told]:
    for row in store.of_kinds(kinds, run):
        yield row.run, row.at, parse_row(row)
