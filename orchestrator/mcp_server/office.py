"""What the tools work with: the repository, a run in it, who speaks, what must be hidden.

1. Everything is opened anew for each call, and closed after it: a server lives for days, while the
   repository, its settings and other clients go on.
2. What is hidden is what a run here would hide, and what looks like a secret in our environment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.state import RunState
from ledger.store import Store
from orchestrator.config import SourcedSettings
from orchestrator.errors import OrchError
from orchestrator.planned import sourced_of
from orchestrator.runs import engine_alive, load_state, pick_run
from orchestrator.trust import look
from orchestrator.workplace import Workplace, open_workplace

if TYPE_CHECKING:
    from workers.redact import Redactor

PERSON_NEEDED = 5
MARKS = ("ORCH_MARK", "ORCH_RUN")


def refuse_attempts(environ: Mapping[str, str]) -> None:
    """OrchError where an attempt or a gate is what asks: no run is begun from within a run."""
    for name in MARKS:
        if name in environ:
            raise OrchError(
                f"this is within a run ({name} is set): its workers and gates drive no runs",
                hint="serve from a terminal or a client of your own, not from a worker",
                exit_code=PERSON_NEEDED,
            )


@dataclass(frozen=True)
class Sight:
    """One run, as it stands."""

    workplace: Workplace
    store: Store
    run: str
    state: RunState
    alive: bool
    branches: tuple[str, ...]
    """Those that agents may accept into."""


@dataclass(frozen=True)
class Office:
    """Where orch is asked, and with which environment."""

    folder: Path
    environ: Mapping[str, str]

    def workplace(self) -> Workplace:
        """The repository; OrchError where there is none, or where it is a run's workspace."""
        workplace = open_workplace(self.folder, self.environ)
        workplace.refuse_nested()
        workplace.refuse_children()
        return workplace

    @contextmanager
    def looking(self, wanted: str | None) -> Iterator[Sight]:
        """The run of that id or of that beginning, the newest where none is named; to read."""
        workplace = self.workplace()
        store = workplace.existing_store()
        if store is None:
            pick_run(None, wanted)  # says that there is none
            raise AssertionError
        with store:
            yield _sight(workplace, store, wanted)

    @contextmanager
    def acting(self, wanted: str | None) -> Iterator[Sight]:
        """The same, to say something to it."""
        workplace = self.workplace()
        with self.looking(wanted) as found:
            run = found.run  # nothing is made where no run is meant
        with workplace.store() as store:
            yield _sight(workplace, store, run)

    def redactor(self) -> Redactor:
        """Hides what must not leave."""
        from orchestrator.hiding import known_values
        from workers.redact import Redactor
        from workers.secrets import telling

        known = dict(self.environ)
        with suppress(Exception):  # no repository, or settings that cannot be read
            workplace = open_workplace(self.folder, self.environ)
            known |= known_values(workplace, sourced_of(workplace).settings)
        return Redactor(telling(known))


def _sight(workplace: Workplace, store: Store, wanted: str | None) -> Sight:
    run = pick_run(store, wanted)
    alive = engine_alive(workplace.place, run)
    return Sight(workplace, store, run, load_state(store, run), alive, branches_of(workplace))


def branches_of(workplace: Workplace) -> tuple[str, ...]:
    """The branches that agents may accept into, where a person trusts the settings that say so."""
    try:
        sourced = sourced_of(workplace)
        return trusted_branches(workplace, sourced)
    except OrchError:
        return ()


def trusted_branches(workplace: Workplace, sourced: SourcedSettings) -> tuple[str, ...]:
    """The same, of these settings."""
    named = sourced.settings.mcp_server.accept
    return named if named and look(workplace, sourced).standing == "same" else ()
