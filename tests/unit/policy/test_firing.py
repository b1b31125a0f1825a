"""Which triggers start an automation, and which do not, and why."""

from typing import Any

from ledger import heartbeat as h
from ledger.automations import Automation
from ledger.books import Cap, Sum
from ledger.heartbeat_fold import Heartbeat, evolve
from orchestrator.policy.firing import (
    Moment,
    Replace,
    Skip,
    Start,
    Wait,
    answer,
    left,
    may_start,
    tighter,
)

SCHEDULE = h.Trigger(cause="schedule", due=100.0)
WATCH = h.Trigger(cause="watch", paths=("src/a.py",))
PERSON = h.Trigger()


def told(
    trigger: h.Trigger, now: Moment, state: Heartbeat, going_on: bool = False, **fields: Any
) -> Start | Skip | Wait | Replace:
    automation = Automation(name="a", goal="g", **fields)
    return answer(automation, state, trigger, now, going_on=going_on)


def test_without_conditions_every_trigger_starts_it() -> None:
    for trigger in (SCHEDULE, WATCH, PERSON):
        assert told(trigger, Moment(200.0), Heartbeat("a")) == Start()


def test_a_due_time_is_answered_once() -> None:
    state = Heartbeat("a", answered=100.0)
    assert isinstance(found := told(SCHEDULE, Moment(200.0), state), Skip)
    assert found.reason == "answered"
    later = h.Trigger(cause="schedule", due=160.0)
    assert told(later, Moment(200.0), state) == Start()


def test_what_a_clock_answered_that_was_years_ahead_silences_nothing() -> None:
    year = 366 * 86400.0
    state = evolve(Heartbeat("a"), h.Triggered(trigger=SCHEDULE), 100.0)
    ahead = h.Trigger(cause="schedule", due=year)
    state = evolve(state, h.TriggerSkipped(trigger=ahead, reason="going-on", why=""), year)
    assert isinstance(told(ahead, Moment(year), state), Skip), "as long as the clock says so"
    again = h.Trigger(cause="schedule", due=300.0)
    assert told(again, Moment(301.0), state) == Start()
    state = evolve(state, h.Triggered(trigger=again), 301.0)
    assert state.answered == 300.0
    assert isinstance(told(again, Moment(302.0), state), Skip), "and it is answered once again"


def test_while_a_run_of_its_own_goes_on_the_settings_say_what_becomes_of_a_trigger() -> None:
    state, now = Heartbeat("a"), Moment(200.0)
    assert isinstance(told(PERSON, now, state, going_on=True), Skip)
    assert told(WATCH, now, state, True, while_running="queue") == Wait(
        None, "its last run goes on"
    )
    assert told(WATCH, now, state, True, while_running="replace") == Replace()


def test_within_quiet_hours_a_schedule_is_skipped_others_wait_and_a_person_is_not_held_up() -> None:
    now, state = Moment(200.0, quiet_until=900.0), Heartbeat("a")
    assert isinstance(found := told(SCHEDULE, now, state), Skip) and found.reason == "quiet"
    assert isinstance(found := told(WATCH, now, state), Wait) and found.not_before == 900.0
    assert told(PERSON, now, state) == Start()


def test_after_a_start_it_pauses() -> None:
    state = Heartbeat("a", starts=(50.0, 150.0))
    for at, waits in ((151.0, True), (209.0, True), (210.0, False)):
        found = told(WATCH, Moment(at), state, pause_s=60.0)
        assert isinstance(found, Wait) is waits
        assert not waits or found == Wait(210.0, "its last start was too short a time ago")
    assert isinstance(found := told(SCHEDULE, Moment(151.0), state, pause_s=60.0), Skip)
    assert found.reason == "pause"
    # A clock that was set back makes no pause of a year.
    assert told(WATCH, Moment(100.0), state, pause_s=60.0) == Start()


def test_what_a_day_may_cost_holds_up_everybody() -> None:
    automation, state = Automation(name="a", goal="g"), Heartbeat("a")
    for spent, cap, starts in (
        (Sum(10, 10**9), Cap(usd=1.0), False),
        (Sum(10, 10**9 - 1), Cap(usd=1.0), True),
        (Sum(2000, 0), Cap(tokens=1000), False),
        (Sum(1000, 0), Cap(tokens=1000), False),
        (Sum(999, 10**12), Cap(tokens=1000), True),
        (Sum(10**9, 10**12), Cap(), True),
    ):
        now = Moment(1.0, spent=spent, cap=cap)
        found = may_start(automation, state, now, by_person=True)
        assert isinstance(found, Start) is starts, (spent, cap)
        if isinstance(found, Skip):
            assert found.reason == "budget" and "spent" in found.why


def test_what_runs_that_go_on_may_still_spend_is_held() -> None:
    automation, state = Automation(name="a", goal="g"), Heartbeat("a")
    some, rest = Sum(0, 10**9), Sum(0, 10**9 // 2)
    now = Moment(1.0, spent=some, held=rest, cap=Cap(usd=1.5))
    found = may_start(automation, state, now, by_person=True)
    assert isinstance(found, Skip) and found.why.endswith(
        "$1.00 and $0.50 held by runs that go on, of $1.50"
    )
    now = Moment(1.0, spent=some, held=rest, cap=Cap(usd=1.6))
    assert may_start(automation, state, now, by_person=True) == Start()


def test_what_is_left_of_two_budgets_is_the_smaller_of_each_part() -> None:
    own = left(Cap(usd=3.0, tokens=500), Sum(200, 10**9))
    assert own == Cap(usd=2.0, tokens=300)
    assert tighter(own, left(Cap(usd=1.0), Sum(0, 2 * 10**9))) == Cap(usd=0.0, tokens=300)
