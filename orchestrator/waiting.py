"""Wait for a run that another process drives: what is written to its ledger is heard as it comes.

1. The ledger is only read when somebody has written to it.
2. Whether an engine drives the run is asked first: what it wrote before it went is then heard.
3. A wait ends when the run does, when no engine drives it, at what the waiter listens for, or when
   the time is up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ledger.events import Event
from ledger.place import Place
from ledger.state import RunState, evolve
from ledger.store import Store
from orchestrator.journal import Observer
from orchestrator.runs import engine_alive, read_facts

LOOK_EVERY_S = 0.1


class Heard:
    """Collects what a person would want to know, and when it was recorded."""

    def __init__(self) -> None:
        self.said: list[tuple[float, str]] = []

    def on_facts(self, state: RunState, facts: Sequence[tuple[Event, float]]) -> None:
        """Facts were recorded."""
        from orchestrator.review.narrate import narrate_all

        self.said += [(at, text) for at, (text, _) in narrate_all(facts, state)]

    def on_line(self, where: str, text: str) -> None:
        """Something printed a line: no change of the run."""


@dataclass(frozen=True, slots=True)
class Waited:
    """How a wait ended."""

    alive: bool
    """An engine drives the run."""
    stirred: bool
    """What the waiter listened for came about."""


def catch_up(store: Store, state: RunState, observer: Observer | None = None) -> int:
    """Fold and show what was written since; how many facts."""
    facts = [(fact, at) for _, at, fact in read_facts(store, state.run, state.seq)]
    for fact, at in facts:
        evolve(state, fact, at)
    if facts and observer:
        observer.on_facts(state, facts)
    return len(facts)


def hear_since(store: Store, state: RunState, after: int, observer: Observer) -> None:
    """Show what was written after a fact, up to where the state stands."""
    if after < state.seq:
        facts = [(fact, at) for _, at, fact in read_facts(store, state.run, after)]
        observer.on_facts(state, facts)


def wait_for_run(
    place: Place,
    store: Store,
    state: RunState,
    observer: Observer,
    *,
    timeout_s: float,
    stirs: Callable[[], bool],
    pause: Callable[[float], None] = time.sleep,
) -> Waited:
    """Fold what is written until there is nothing more to wait for.

    `stirs`: whether what was heard so far is what the waiter listens for. `pause` lets time pass.
    """
    deadline = time.monotonic() + timeout_s
    stamp = None
    while True:
        alive = engine_alive(place, state.run)
        if stamp != (now := store.stamp()):
            stamp = now
            catch_up(store, state, observer)
        stirred = stirs()
        if state.finished or stirred or not alive or time.monotonic() >= deadline:
            return Waited(alive, stirred)
        pause(min(LOOK_EVERY_S, max(0.0, deadline - time.monotonic())))
