"""A run's ledger and its state, kept in step: facts are folded, then written, then shown.

1. A fact is folded before it is written: an illegal one never reaches the ledger.
2. When somebody else wrote meanwhile (a person's command), what they wrote is folded first and
   ours is tried again on top.
3. Observers are told after the ledger has it, and cannot stop it.
4. What is folded, written and shown has its secrets hidden (see `hiding`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from ledger.events import (
    AcceptGateJudged,
    BaselineGateJudged,
    CandidateGateJudged,
    Event,
    NewerFact,
    RoundGateJudged,
    TipGateJudged,
    parse_event,
    render_event,
)
from ledger.model import RunId
from ledger.snapshot import EVERY, restore_snapshot, take_snapshot
from ledger.state import IllegalEvent, RunState, begin, evolve, fold
from ledger.store import Moved, Store, Stored, VerdictRow
from orchestrator.errors import OrchError

if TYPE_CHECKING:
    from orchestrator.hiding import Hiding

TRIES = 20


class Observer(Protocol):
    """Somebody who follows a run."""

    def on_facts(self, state: RunState, facts: Sequence[tuple[Event, float]]) -> None:
        """These facts were recorded; `state` is what stands after them."""

    def on_line(self, where: str, text: str) -> None:
        """A worker or a gate printed this line, cleaned; without `where`, orch does this now."""


class Journal:
    """The facts of one run, and the state that they make."""

    def __init__(self, store: Store, run: RunId, state: RunState) -> None:
        self.store, self.run, self.state = store, run, state
        self.observers: list[Observer] = []
        self.foreign = 0
        """How many facts somebody else wrote meanwhile."""
        self._hiding: Hiding | None = None

    @classmethod
    def load(cls, store: Store, run: RunId) -> Journal:
        """The journal of a recorded run."""
        return cls(store, run, load_state(store, run))

    @property
    def hiding(self) -> Hiding:
        """What hides secrets; of keys of known kinds alone until it is told of more."""
        if self._hiding is None:
            from orchestrator.hiding import Hiding

            self._hiding = Hiding()
        return self._hiding

    @hiding.setter
    def hiding(self, hiding: Hiding) -> None:
        self._hiding = hiding

    @classmethod
    def begin(cls, store: Store, started: Event, hiding: Hiding) -> Journal:
        """Record the start of a new run; Moved when one of that id exists."""
        started = hiding.fact(started)
        assert started.kind == "RunStarted"
        at = time.time()
        store.append(started.run, 0, [render_event(started)], at, goal=started.plan.goal)
        journal = cls(store, started.run, begin(started, at))
        journal.hiding = hiding
        return journal

    def append(self, *facts: Event) -> None:
        """Fold and record facts that hold whatever somebody else wrote; all of them or none."""
        for _ in range(TRIES):
            if self.append_decided(*facts):
                return
        raise OrchError(
            f"run {self.run}: somebody else writes to it all the time",
            hint="see who with `orch ledger events`",
        )

    def append_decided(self, *facts: Event) -> bool:
        """The same for what was decided on the state as it stands.

        False, and nothing recorded, where somebody else wrote meanwhile; that is folded then.
        """
        if not facts:
            return True
        facts = tuple(map(self.hiding.fact, facts))
        expected, at = self.state.seq, time.time()
        if self.store.newest(self.run) != expected:
            self.catch_up()
            return False
        rows = [render_event(fact) for fact in facts]
        verdicts = [row for fact in facts if (row := _verdict_row(fact))]
        try:
            for fact in facts:
                evolve(self.state, fact, at)
            self.store.append(self.run, expected, rows, at, verdicts)
        except Moved:
            # Folded too early: the state is made anew from what the ledger holds.
            self._reload(expected)
            return False
        except BaseException:
            self.state = load_state(self.store, self.run)
            raise
        self._snapshot(len(facts))
        self._show([(fact, at) for fact in facts])
        return True

    def catch_up(self) -> bool:
        """Fold what others have written since; whether there was anything."""
        new = [(fact, at) for _, at, fact in read_facts(self.store, self.run, self.state.seq)]
        for fact, at in new:
            evolve(self.state, fact, at)
        self.foreign += len(new)
        if new:
            self._show(new)
        return bool(new)

    def _reload(self, known: int) -> None:
        self.state = load_state(self.store, self.run)
        new = [(fact, at) for _, at, fact in read_facts(self.store, self.run, known)]
        self.foreign += len(new)
        self._show(new)

    def _snapshot(self, count: int) -> None:
        """Keep the state now and then: fewer facts are folded as soon as a state is read."""
        seq = self.state.seq
        if seq // EVERY != (seq - count) // EVERY:
            self.store.save_snapshot(self.run, take_snapshot(self.state))

    def _show(self, facts: Sequence[tuple[Event, float]]) -> None:
        for observer in self.observers:
            observer.on_facts(self.state, facts)


def read_facts(store: Store, run: RunId, after: int = 0) -> Iterator[tuple[int, float, Event]]:
    """The run's facts after that number: number, seconds since the epoch, fact."""
    for row in store.read(run, after):
        yield row.seq, row.at, parse_row(row)


def parse_row(row: Stored) -> Event:
    """The fact that a row of the ledger holds; OrchError where this version cannot read it."""
    try:
        return parse_event(row.kind, row.version, row.body)
    except NewerFact as error:
        raise OrchError(
            f"run {row.run}, event {row.seq}: {error}",
            hint="use the version of orch that wrote it, or a newer one",
        ) from error
    except ValueError as error:
        raise OrchError(
            f"run {row.run}, event {row.seq}: {error}",
            hint=f"orch ledger verify {row.run} says whether the file is whole",
        ) from error


def load_state(store: Store, run: RunId) -> RunState:
    """The state that a recorded run stands in, from its newest snapshot where there is one."""
    snapshot = store.load_snapshot(run)
    state = restore_snapshot(snapshot) if snapshot else None
    for seq, at, fact in read_facts(store, run, state.seq if state else 0):
        try:
            state = evolve(state, fact, at) if state else fold([(fact, at)])
        except IllegalEvent as error:
            raise OrchError(
                f"the ledger of run {run} does not add up at event {seq}: {error}",
                hint="orch ledger events shows what led there",
            ) from error
    if state is None:
        raise OrchError(f"the ledger has no facts of run {run}", hint="orch doctor")
    return state


def _verdict_row(fact: Event) -> VerdictRow | None:
    judged = (
        *(BaselineGateJudged, RoundGateJudged, CandidateGateJudged),
        *(TipGateJudged, AcceptGateJudged),
    )
    if not isinstance(fact, judged):
        return None
    verdict = fact.verdict
    if verdict.reused or verdict.outcome == "could-not-run":
        return None
    body = verdict.model_dump_json(exclude_defaults=True)
    return VerdictRow(verdict.key, verdict.tree, verdict.gate, verdict.outcome, body)
