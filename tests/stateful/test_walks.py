"""Seeded walks through whole runs; every fact is watched. `ORCH_SEEDS` sets how many."""

from __future__ import annotations

import os
import random
from collections import Counter

import pytest

from ledger.events import Event, parse_event, render_event
from ledger.snapshot import restore_snapshot, take_snapshot
from ledger.state import evolve, fold
from orchestrator.policy.simulate import Happening, Simulation, simulate
from tests.stateful.chaos import Chaos, Meddlers, random_run
from tests.stateful.watcher import Watcher
from tests.support.builders import guide_for
from tests.support.examples import examples

SEEDS = int(os.environ.get("ORCH_SEEDS") or examples(400))
FIRST_SEED = int(os.environ.get("ORCH_FIRST_SEED", "0"))
PARTS = 10
FACTS_AT_MOST = 6000


def walk(seed: int) -> tuple[Simulation, Watcher]:
    """One run, watched to its end."""
    rng = random.Random(seed)
    start = random_run(rng)
    guide = guide_for(start)
    world = Chaos(rng, tuple(task.id for task in start.plan.tasks))
    meddlers = Meddlers(rng, people=rng.random() < 0.5)
    watcher = Watcher(world, guide)

    def interruption(simulation: Simulation) -> Happening:
        watcher.look(simulation)
        return meddlers.next(simulation)

    simulation = simulate(start, world, guide, interruption, FACTS_AT_MOST)
    watcher.look(simulation)
    return simulation, watcher


def stored(fact: Event) -> Event:
    """The fact as the ledger gives it back."""
    return parse_event(*render_event(fact))


def check_replay(simulation: Simulation) -> None:
    """The facts alone make the same state, twice, and after a trip through JSON (L9)."""
    facts = simulation.facts
    assert fold(facts) == simulation.state
    assert fold((stored(fact), at) for fact, at in facts) == simulation.state
    assert restore_snapshot(take_snapshot(simulation.state)) == simulation.state


def check_shortcut(facts: list[tuple[Event, float]], place: int) -> None:
    """A state that went through a snapshot half-way goes on as if it had not."""
    middle = restore_snapshot(take_snapshot(fold(facts[:place])))
    assert middle is not None
    for fact, at in facts[place:]:
        evolve(middle, fact, at)
    assert middle == fold(facts)


@pytest.mark.parametrize("part", range(PARTS))
def test_every_walk_keeps_the_laws_and_ends(part: int) -> None:
    if part == 0:
        print(f"walks: {SEEDS} cases")
    for seed in range(FIRST_SEED + part, FIRST_SEED + SEEDS, PARTS):
        try:
            simulation, _ = walk(seed)
            check_replay(simulation)
            check_shortcut(simulation.facts, 1 + seed % len(simulation.facts))
        except Exception as error:
            error.add_note(f"seed {seed}: ORCH_FIRST_SEED={seed} ORCH_SEEDS=1 tells it again")
            raise


def test_the_walks_see_much_of_what_can_happen() -> None:
    told: Counter[str] = Counter()
    crashes = pushes = 0
    for seed in range(60):
        simulation, watcher = walk(seed)
        told += watcher.told
        crashes += simulation.crashes
        pushes += watcher.told["CandidateStale"]
    seldom = {"CandidateStale", "FlakeSeen", "PrefixCut", "RejectRequested", "TaskHeld", "Accepted"}
    seldom |= {"TaskRejected", "TipMoved", "TipJudgingStarted", "TipGateJudged"}
    for kind in ("Landed", "HeadSentBack", "TaskGivenUp", "HeadSubmitted", *sorted(seldom)):
        assert told[kind], f"no walk of the first 60 tells of {kind}"
    assert crashes > 10
    assert pushes > 3


def test_a_walk_is_the_same_when_it_is_walked_again() -> None:
    first, _ = walk(7)
    again, _ = walk(7)
    assert first.facts == again.facts
