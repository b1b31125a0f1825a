"""The facts of automations survive the ledger, and add up to where each stands."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import heartbeat as h
from ledger.automations import Automation
from ledger.events import NewerFact
from ledger.heartbeat_fold import STARTS_KEPT, Heartbeat, IllegalBeat, evolve, fold
from tests.unit.ledger.test_events import models

AUTOMATION = Automation(name="a", goal="Do it", until="x >= 3", measure={"x": "count"})
STARTED = h.FiringStarted(automation=AUTOMATION, base="b" * 40)
SETTLED = h.FiringSettled(outcome="done", exit_code=0)


def triggered(not_before: float | None = None, **fields: object) -> h.Triggered:
    return h.Triggered(trigger=h.Trigger.model_validate(fields), not_before=not_before)


@pytest.mark.parametrize("kind", sorted(set(h.BEAT_TYPES) - {"FiringStarted"}))
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_every_fact_is_the_same_after_a_trip_through_json(kind, data) -> None:
    fact = data.draw(models(h.BEAT_TYPES[kind]))
    assert h.parse_beat(*h.render_beat(fact)) == fact


def test_a_start_keeps_the_automation_as_it_was() -> None:
    assert h.parse_beat(*h.render_beat(STARTED)) == STARTED


def test_a_fact_of_a_newer_orch_is_refused() -> None:
    for kind, version in (("Teleported", 1), ("Measured", 2)):
        with pytest.raises(NewerFact):
            h.parse_beat(kind, version, "{}")


def test_triggers_that_wait_are_one() -> None:
    state = fold(
        "a",
        [
            (triggered(900.0, cause="watch", because="first", paths=["src/a.py"]), 1.0),
            (triggered(800.0, cause="watch", because="more", paths=["src/b.py", "src/a.py"]), 2.0),
        ],
    )
    waiting = state.waiting
    assert waiting is not None and waiting.since == 1.0 and waiting.not_before == 800.0
    assert waiting.trigger.paths == ("src/a.py", "src/b.py")
    assert waiting.trigger.because == "more" and not waiting.by_person
    state = evolve(state, triggered(cause="person"), 3.0)
    assert state.waiting is not None
    assert state.waiting.not_before is None and state.waiting.by_person
    assert state.waiting.trigger.paths == ("src/a.py", "src/b.py")
    assert evolve(state, STARTED, 4.0).waiting is None
    assert evolve(state, h.TriggersDropped(reason="budget", why="spent"), 4.0).waiting is None


def test_a_skipped_trigger_takes_nothing_from_those_that_wait() -> None:
    state = fold("a", [(triggered(cause="watch", paths=["a"]), 1.0)])
    trigger = h.Trigger(cause="schedule", due=50.0)
    state = evolve(state, h.TriggerSkipped(trigger=trigger, reason="quiet", why="night"), 2.0)
    assert state.waiting is not None and state.answered == 50.0
    assert state.skipped is not None and state.skipped_at == 2.0
    older = h.TriggerSkipped(
        trigger=h.Trigger(cause="schedule", due=20.0), reason="quiet", why="night"
    )
    assert evolve(state, older, 3.0).answered == 50.0


def test_a_firing_is_open_until_it_is_settled() -> None:
    state = fold("a", [(triggered(), 1.0), (STARTED, 2.0)])
    assert state.open is not None and state.last_start == 2.0
    round_1 = h.RoundStarted(round=1, base="b" * 40)
    for beat in (
        h.Measured(round=0, measure="x", value=1.0, commit="b" * 40),
        round_1,
        h.RoundRunStarted(round=1, run="r"),
        h.RoundEnded(round=1, run="r", outcome="complete", exit_code=0, landed=1, result="c" * 40),
        h.Measured(round=1, measure="x", value=3.0, commit="c" * 40),
    ):
        state = evolve(state, beat, 3.0)
    firing = state.open
    assert firing is not None
    assert [(point.round, point.value) for point in firing.series] == [(0, 1.0), (1, 3.0)]
    assert firing.runs == ("r",) and firing.result == "c" * 40
    state = evolve(state, SETTLED, 5.0)
    assert state.open is None and state.firing is not None and state.firing.settled_at == 5.0
    assert evolve(state, STARTED, 6.0).starts_since(6.0) == 1


@pytest.mark.parametrize(
    "beats",
    [
        [SETTLED],
        [STARTED, STARTED],
        [STARTED, SETTLED, SETTLED],
        [STARTED, h.RoundStarted(round=2, base="b")],
        [STARTED, h.RoundRunStarted(round=1, run="r")],
        [STARTED, h.RoundStarted(round=1, base="b"), h.RoundStarted(round=2, base="b")],
        [
            STARTED,
            h.RoundStarted(round=1, base="b"),
            h.RoundEnded(round=1, run="r", outcome="complete", exit_code=0, landed=0, result="b"),
        ],
    ],
)
def test_what_makes_no_sense_is_refused(beats: list[h.Beat]) -> None:
    state = Heartbeat("a")
    for beat in beats[:-1]:
        state = evolve(state, beat, 1.0)
    with pytest.raises(IllegalBeat):
        evolve(state, beats[-1], 1.0)


def test_years_of_starts_do_not_grow_without_end() -> None:
    beats = [beat for _ in range(STARTS_KEPT + 10) for beat in ((STARTED, 1.0), (SETTLED, 1.0))]
    state = fold("a", beats)
    assert len(state.starts) == STARTS_KEPT and state.firings == STARTS_KEPT + 10
