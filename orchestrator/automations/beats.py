"""The facts of one automation, and the state that they make.

Several processes may write: a trigger that came while a firing goes on, a daemon, a person. What
was decided on a state is recorded only where that state still stands.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from ledger.events import NewerFact
from ledger.heartbeat import Beat, parse_beat, render_beat
from ledger.heartbeat_fold import Heartbeat, IllegalBeat, evolve
from ledger.store import Moved, Store
from orchestrator.errors import OrchError

if TYPE_CHECKING:
    from orchestrator.hiding import Hiding

TRIES = 20


class Beats:
    """The stream of one automation."""

    def __init__(self, store: Store, name: str, hiding: Hiding | None = None) -> None:
        self.store, self.name = store, name
        self._hiding = hiding
        self.state = load_heartbeat(store, name)

    def catch_up(self) -> Heartbeat:
        """Fold what others have written since; the state then."""
        for beat, at in read_beats(self.store, self.name, self.state.seq):
            self.state = evolve(self.state, beat, at)
        return self.state

    def append(self, *beats: Beat) -> Heartbeat:
        """Record facts that hold whatever somebody else wrote; all of them or none."""
        return self.decide(lambda state: beats)

    def decide(self, made: Callable[[Heartbeat], Sequence[Beat]]) -> Heartbeat:
        """Record what follows from the state; asked anew where somebody else wrote meanwhile."""
        for _ in range(TRIES):
            at, expected = time.time(), self.state.seq
            beats = tuple(self._hidden(beat) for beat in made(self.state))
            state = self.state
            for beat in beats:
                state = evolve(state, beat, at)
            try:
                rows = [render_beat(beat) for beat in beats]
                self.store.append_beats(self.name, expected, rows, at)
            except Moved:
                self.catch_up()
                continue
            self.state = state
            return state
        raise OrchError(
            f"automation {self.name}: somebody else writes to it all the time",
            hint=f"orch schedule status {self.name}",
        )

    def _hidden(self, beat: Beat) -> Beat:
        return self._hiding.value(beat) if self._hiding else beat


def load_heartbeat(store: Store | None, name: str) -> Heartbeat:
    """Where an automation stands; OrchError where its facts make no sense to this version."""
    state = Heartbeat(name)
    if store is None:
        return state
    for beat, at in read_beats(store, name):
        try:
            state = evolve(state, beat, at)
        except IllegalBeat as error:
            raise OrchError(
                f"the ledger of automation {name} does not add up at {state.seq + 1}: {error}",
                hint="orch ledger verify says whether the file is whole",
            ) from error
    return state


def read_beats(store: Store, name: str, after: int = 0) -> Iterator[tuple[Beat, float]]:
    """Its facts after that number, and when they were recorded."""
    for row in store.beats(name, after):
        try:
            yield parse_beat(row.kind, row.version, row.body), row.at
        except NewerFact as error:
            raise OrchError(
                f"automation {name}, fact {row.seq}: {error}",
                hint="use the version of orch that wrote it, or a newer one",
            ) from error
        except ValueError as error:
            raise OrchError(
                f"automation {name}, fact {row.seq} makes no sense: {row.body[:200]}",
                hint="orch ledger verify says whether the file is whole",
            ) from error
