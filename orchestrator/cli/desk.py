"""What commands begin with: the ledger for looking, the workplace for acting, a run's state."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from orchestrator.cli.lookup import open_ledger
from orchestrator.cli.options import environ_of

if TYPE_CHECKING:
    from ledger.blobs import Blobs
    from ledger.place import Place
    from ledger.state import RunState
    from ledger.store import Store
    from orchestrator.workplace import Workplace


@dataclass(frozen=True)
class Sight:
    """One run, read."""

    place: Place
    store: Store
    run: str
    state: RunState
    alive: bool
    named: bool
    """It is not the newest: commands must name it."""

    @property
    def blobs(self) -> Blobs:
        """Where its logs are."""
        from ledger.blobs import Blobs

        return Blobs(self.place.blobs)


def look(ctx: typer.Context, wanted: str | None = None) -> Sight:
    """The run that is meant, and where it stands."""
    from orchestrator.runs import engine_alive, load_state, pick_run

    ledger = open_ledger(Path.cwd(), environ_of(ctx))
    run = pick_run(ledger.store, wanted)
    assert ledger.store is not None  # pick_run refuses a ledger that is not there
    newest = ledger.store.runs()[0].run
    state = load_state(ledger.store, run)
    alive = engine_alive(ledger.place, run)
    return Sight(ledger.place, ledger.store, run, state, alive, run != newest)


@dataclass(frozen=True)
class Desk:
    """One run, to act on, or to look at in git."""

    workplace: Workplace
    store: Store
    run: str


def sit_down(ctx: typer.Context, wanted: str | None = None) -> Desk:
    """The workplace, the ledger and the run that is meant."""
    from orchestrator.runs import pick_run

    workplace = open_here(environ_of(ctx))
    workplace.refuse_children()
    with workplace.existing_store() or nullcontext() as looked_at:
        run = pick_run(looked_at, wanted)
    return Desk(workplace, workplace.store(), run)


def stand_by(ctx: typer.Context, wanted: str | None = None) -> Desk:
    """The same to look only, at what git has too: no room is needed, and no right to write."""
    from orchestrator.runs import pick_run

    workplace = open_here(environ_of(ctx))
    store = workplace.existing_store()
    run = pick_run(store, wanted)
    assert store is not None  # pick_run refuses a ledger that is not there
    return Desk(workplace, store, run)


def open_here(environ: Mapping[str, str]) -> Workplace:
    """The workplace of the folder that the command was typed in."""
    from orchestrator.workplace import open_workplace

    return open_workplace(Path.cwd(), environ)
