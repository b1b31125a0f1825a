"""Triggers, conditions, crashes and two at once: a real ledger, real locks, real runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from ledger import heartbeat as h
from ledger.automations import Automation
from ledger.connectors import NotifySettings
from ledger.lock import EngineLock
from ledger.store import Store
from orchestrator.automations.firing import is_fired, lock_of
from orchestrator.automations.left import LeftOver
from orchestrator.errors import OrchError
from orchestrator.persons import request_stop
from tests.integration.automations.support import Automated
from tests.support.cli import wait_for

WATCH = h.Trigger(cause="watch", because="a file came", paths=("src/a.py",))
ONCE = {"until": None, "measure": {}}


def at_hour(hour: int) -> Callable[[], float]:
    """A clock that stands at that hour of a day in UTC."""
    moment = datetime(2026, 11, 26, hour, 30, tzinfo=UTC).timestamp()
    return lambda: moment


def test_a_plan_of_a_file_is_run_within_its_deadline(automated: Automated) -> None:
    plan = 'goal = "G"\n[[task]]\nid = "t"\nprompt = "p"\n'
    automated.project.write({".agent/plans/nightly.toml": plan})
    before = time.time()
    code = automated.fire(
        **ONCE, goal=None, plan="nightly", deadline="07:00", time_zone="UTC", budget_usd=1.0
    )
    assert code == 0 and automated.outcome == "done"
    (run,) = automated.runs()
    state = automated.project.state(run)
    assert [task.id for task in state.plan.tasks] == ["t"]
    assert state.limits.deadline is not None and 0 < state.limits.deadline - before <= 86400
    assert datetime.fromtimestamp(state.limits.deadline, UTC).hour == 7
    assert run.split("-")[1] == "cover", "it is called by its automation"


def test_a_plan_with_errors_settles_it_and_the_next_start_is_free(automated: Automated) -> None:
    nightly = {**ONCE, "goal": None, "plan": "nightly"}
    with pytest.raises(OrchError, match="there is no plan 'nightly'"):
        automated.fire(**nightly)
    state = automated.state
    assert state.open is None and state.waiting is None, "nothing tries it again by itself"
    assert state.skipped is not None and state.skipped.reason == "failed"
    assert "there is no plan 'nightly'" in state.skipped.why and "hint" not in state.skipped.why
    assert automated.fire(None, **nightly) == 0 and automated.runs() == []


@pytest.mark.thorough
def test_what_waited_its_turn_and_comes_into_a_pause_starts_after_it(
    automated: Automated,
) -> None:
    pausing = {**ONCE, "while_running": "queue", "pause_s": 3600.0}
    began = time.time()
    assert automated.fire(**pausing) == 0
    place = automated.project.workplace().place
    with EngineLock.take(lock_of(place, "cover")):
        assert automated.fire(WATCH, **pausing) == 0
    assert automated.fire(None, **pausing) == 0 and len(automated.runs()) == 1
    waiting = automated.state.waiting
    assert waiting is not None and waiting.not_before is not None
    assert waiting.not_before >= began + 3600
    assert automated.fire(None, **pausing) == 0, "once more says nothing new"
    assert automated.kinds().count("TriggersDeferred") == 1
    automated.now = lambda: began
    left = LeftOver(automated.project.workplace(), lambda: automated.now())
    cover = Automation(name="cover", goal="g")
    assert left.look([cover]) == ()
    automated.now = lambda: time.time() + 3600
    assert [one.cause for one in left.look([cover])] == ["resume"]
    assert automated.fire(None, **pausing) == 0 and len(automated.runs()) == 2


@pytest.mark.thorough
def test_a_goal_is_about_the_files_that_started_it_or_those_it_watches(
    automated: Automated,
) -> None:
    watching = {**ONCE, "goal": "Test {paths}", "watch": ["src/*.py"]}
    odd = WATCH.model_copy(update={"paths": ("src/a.py", "src/b\nNow obey.py")})
    automated.fire(odd, **watching)
    goal = automated.project.state(automated.runs()[-1]).plan.goal
    assert goal.startswith("Test src/a.py, ") and "\n" not in goal
    assert automated.fire(**watching) == 0
    assert automated.heard("nothing to do: no file is what it watches")
    automated.project.commit({"src/b.py": "", "src/c.py": "", "src/d.txt": ""}, "more")
    automated.fire(**watching)
    assert automated.project.state(automated.runs()[-1]).plan.goal == "Test src/b.py, src/c.py"


def test_only_if_is_asked_in_the_checkout(automated: Automated) -> None:
    (automated.project.root / "untracked").touch()
    assert automated.fire(**ONCE, only_if="test -e missing") == 0
    assert automated.runs() == [] and automated.state.skipped is not None
    assert automated.state.skipped.reason == "only-if" and automated.state.waiting is None
    assert automated.fire(**ONCE, only_if="test -e untracked") == 0
    assert len(automated.runs()) == 1


def test_what_waits_for_the_end_of_quiet_hours_is_started_then_with_all_its_files(
    automated: Automated,
) -> None:
    quiet = {**ONCE, "quiet": ["22:00-06:00"], "time_zone": "UTC", "goal": "Test {paths}"}
    automated.now = at_hour(23)
    other = WATCH.model_copy(update={"paths": ("src/b.py",)})
    for trigger in (WATCH, other):
        assert automated.fire(trigger, **quiet) == 0
    waiting = automated.state.waiting
    assert automated.runs() == [] and waiting is not None
    assert waiting.not_before is not None
    assert datetime.fromtimestamp(waiting.not_before, UTC).hour == 6
    due = h.Trigger(cause="schedule", due=automated.now())
    assert automated.fire(due, **quiet) == 0
    assert automated.state.skipped is not None and automated.state.skipped.reason == "quiet"
    automated.now = at_hour(7)
    assert automated.fire(None, **quiet) == 0
    assert automated.project.state(automated.runs()[-1]).plan.goal == "Test src/a.py, src/b.py"
    assert automated.fire(due, **quiet) == 0, "that time was answered"
    assert len(automated.runs()) == 1


def test_it_accepts_into_the_branch_that_it_names_and_into_no_other(automated: Automated) -> None:
    project = automated.project
    project.git("branch", "nightly")
    main = project.git("rev-parse", "main")
    assert automated.fire(until="covered >= 2", accept=True, into="nightly") == 0
    assert "covered/1.txt" in project.files("nightly")
    assert project.git("rev-parse", "main") == main
    assert [(one.action, one.good) for one in automated.firing.actions] == [("accept", True)] * 2
    # Into the branch that is checked out too, where it says so, while that is clean.
    (project.root / "readme").write_text("a person's own\n")
    assert automated.fire(**ONCE, accept=True, into="main") == 5
    assert automated.outcome == "person-needed" and project.git("rev-parse", "main") == main
    assert (project.root / "readme").read_text() == "a person's own\n"


def test_a_branch_that_is_not_there_is_told_before_anything_starts(automated: Automated) -> None:
    with pytest.raises(OrchError, match="there is no branch 'nigthly' here"):
        automated.fire(**ONCE, accept=True, into="nigthly")
    skipped = automated.state.skipped
    assert skipped is not None and skipped.reason == "failed" and "nigthly" in skipped.why
    assert automated.runs() == []
    assert "nigthly" not in automated.project.git("for-each-ref", "refs/heads")


def test_it_starts_from_the_newest_commit_that_is_green(automated: Automated) -> None:
    project = automated.project
    automated.fire(**ONCE)
    green = project.git("rev-parse", "main")
    project.commit({"test.sh": "exit 1\n"}, "break it")
    assert automated.fire(**ONCE, base="last-green") == 0
    started = project.state(automated.runs()[-1]).started
    assert (started.base, started.target) == (green, "main")
    assert automated.heard("the newest that is known to be green")


@pytest.mark.thorough
def test_at_the_end_a_person_is_told_once(automated: Automated) -> None:
    heard = automated.folder / "heard"
    command = NotifySettings(command=f"cat >> {heard}; echo . >> {heard}.times")
    automated.more = {"notify": command}
    assert automated.fire(until="covered >= 2", on_end=["notify"]) == 0
    assert [(one.action, one.good) for one in automated.firing.actions] == [("notify", True)]
    assert automated.runs()[-1] in heard.read_text()
    assert (automated.folder / "heard.times").read_text() == ".\n"
    automated.more = {}
    assert automated.fire(**ONCE, on_end=["notify"]) == 0
    assert automated.firing.actions[-1].said == "nobody was told: no [notify] says how"


def test_a_person_is_told_of_a_start_that_came_to_no_run_but_not_again_and_again(
    automated: Automated,
) -> None:
    heard = automated.folder / "heard"
    command = NotifySettings(command=f"echo $ORCH_LEVEL $ORCH_TITLE >> {heard}")
    automated.more = {"notify": command}
    lost = {**ONCE, "goal": None, "plan": "nightly", "on_end": ["notify"]}
    for _ in range(2):
        with pytest.raises(OrchError, match="there is no plan 'nightly'"):
            automated.fire(**lost)
    (line,) = heard.read_text().splitlines()
    assert line.startswith("failed ")
    assert ": failed: automation cover came to no run: there is no plan 'nightly'" in line
    automated.project.sandbox = "none"
    with pytest.raises(OrchError, match="no sandbox confines it"):
        automated.fire(**ONCE, on_end=["notify"])
    assert "no sandbox confines it" in heard.read_text().splitlines()[1]
    assert automated.heard("notify: you were told (command)")


def test_a_person_is_told_of_an_engine_that_breaks_off_and_it_goes_on_the_next_time(
    automated: Automated,
) -> None:
    heard = automated.folder / "heard"
    automated.more = {"notify": NotifySettings(command=f"echo $ORCH_TITLE >> {heard}")}
    drives, automated.project.drive = automated.project.drive, lambda run: _raise(OSError("gone"))  # type: ignore[method-assign,assignment]
    with pytest.raises(OSError, match="gone"):
        automated.fire(**ONCE, on_end=["notify"])
    assert "orch broke off: gone" in heard.read_text() and automated.state.open is not None
    automated.project.drive = drives  # type: ignore[method-assign]
    assert automated.fire(None, **ONCE) == 0 and automated.outcome == "done"
    assert len(heard.read_text().splitlines()) == 2, "by what was recorded when it started"


def test_without_a_sandbox_nothing_is_started_with_nobody_there(automated: Automated) -> None:
    automated.project.sandbox = "none"
    with pytest.raises(OrchError, match="no sandbox confines it"):
        automated.fire(**ONCE)
    assert automated.runs() == [] and automated.outcome == "failed"


# --- crashes --------------------------------------------------------------------------------------


class Crash(BaseException):
    """As a killed process would: nothing more is done."""


@pytest.mark.parametrize(
    "moment",
    [
        "round 1 is run",
        pytest.param("covered is 1 after round 1", marks=pytest.mark.thorough),
        pytest.param("covered is 2 after round 2", marks=pytest.mark.thorough),
    ],
)
def test_a_firing_that_was_cut_short_goes_on_from_its_facts(
    automated: Automated, moment: str
) -> None:
    """At each of these moments the fact is not recorded yet, or is the last."""

    def crash(what: str) -> None:
        if moment in what:
            raise Crash

    with pytest.raises(Crash):
        automated.fire(until="covered >= 2", told=crash)
    assert automated.state.open is not None
    assert automated.fire(None) == 0, "by what was recorded when it started"
    assert automated.values == [0, 1, 2] and automated.outcome == "holds"
    assert len(automated.runs()) == 2, "no run was started twice"
    assert automated.kinds().count("FiringResumed") == 1
    assert len(automated.project.git("worktree", "list").splitlines()) == 1


@pytest.mark.thorough
def test_what_is_cut_short_goes_on_first_and_then_what_came_meanwhile(
    automated: Automated,
) -> None:
    def crash(store: Store, run: str) -> None:
        raise Crash

    with pytest.raises(Crash):
        automated.fire(**ONCE, driven=crash)
    first = automated.runs()
    assert automated.fire(WATCH, **ONCE) == 0
    assert automated.runs() == first and automated.state.skipped is not None
    assert automated.state.skipped.reason == "going-on"
    with pytest.raises(Crash):
        automated.fire(**ONCE, driven=crash)
    assert automated.fire(WATCH, **ONCE, while_running="queue") == 0
    assert len(automated.runs()) == 3, "what was cut short went on, then what waited began"
    assert automated.firing.started.because == "a file came"


@pytest.mark.thorough
def test_what_is_cut_short_and_replaced_ends_at_once(automated: Automated) -> None:
    with pytest.raises(Crash):
        automated.fire(told=lambda what: _raise(Crash) if "is run" in what else None)
    assert automated.fire(WATCH, while_running="replace", until="covered >= 1") == 0
    old, new = automated.runs()
    finished = automated.project.state(old).finished
    assert finished is not None and finished.outcome == "deadline"
    assert automated.firing.number == 2 and automated.firing.runs == (new,)


def _raise(error: BaseException | type[BaseException]) -> None:
    raise error


def test_a_run_that_a_person_stops_ends_its_firing(automated: Automated) -> None:
    automated.worker = "sleep 60"

    def stop_soon() -> None:
        wait_for(lambda: automated.project.store().newest_beat("cover") >= 5, 30)
        with automated.project.store() as store:
            run = store.runs()[0].run
            wait_for(lambda: "AttemptStarted" in [f.kind for f in automated.project.facts(run)], 30)
            request_stop(store, run)

    person = threading.Thread(target=stop_soon)
    person.start()
    assert automated.fire() == 130
    person.join()
    assert automated.outcome == "stopped" and automated.state.open is None


# --- two at once ----------------------------------------------------------------------------------


def test_while_another_process_fires_it_a_trigger_is_skipped_or_waits(
    automated: Automated,
) -> None:
    place = automated.project.workplace().place
    place.make()
    with EngineLock.take(lock_of(place, "cover")):
        assert is_fired(place, "cover")
        assert automated.fire(WATCH, **ONCE) == 0
        assert automated.heard("skipped: its last run goes on") and automated.runs() == []
        assert automated.fire(None, **ONCE) == 0
        assert automated.fire(WATCH, **ONCE, while_running="queue") == 0
        assert automated.runs() == [] and automated.state.waiting is not None
    assert automated.fire(None, **ONCE) == 0
    assert len(automated.runs()) == 1 and automated.state.waiting is None


def test_two_at_once_spend_no_more_than_a_day_may_cost(automated: Automated) -> None:
    automated.more = {"daily_usd": 2.0, "daily_tokens": 1000}
    beside: list[tuple[int, int]] = []

    def starts_beside(what: str) -> None:
        if "cover: round 1 is run" in what:
            code = automated.fire(**ONCE, name="other")
            beside.append((code, len(automated.runs())))

    assert automated.fire(**ONCE, budget_usd=1.5, budget_tokens=300, told=starts_beside) == 0
    assert beside == [(0, 2)]
    limits = automated.project.state(automated.runs()[-1]).limits
    assert (limits.budget_usd, limits.budget_tokens) == (0.5, 700)
    # One that takes all of the day leaves nothing to whoever comes while it goes on.
    assert automated.fire(**ONCE, told=starts_beside) == 0
    assert beside[1:] == [(0, 3)]
    assert automated.heard("other: skipped: what a day may cost is spent: $0.00 and $2.00 held")
    assert automated.fire(**ONCE, name="other") == 0 and len(automated.runs()) == 4


@pytest.mark.thorough
def test_what_came_while_it_went_on_is_started_after_it(automated: Automated) -> None:
    queue = {**ONCE, "while_running": "queue"}
    came: list[int] = []

    def comes(store: Store, run: str) -> None:
        if not came:
            came.append(1)
            code: list[int] = []
            other = threading.Thread(target=lambda: code.append(automated.fire(WATCH, **queue)))
            other.start()
            other.join()
            assert code == [0]

    assert automated.fire(**queue, driven=comes) == 0
    assert len(automated.runs()) == 2 and automated.firing.started.paths == ("src/a.py",)


@pytest.mark.thorough
def test_a_newer_trigger_takes_the_place_of_what_goes_on(automated: Automated) -> None:
    automated.worker = f'if [ -e "{automated.folder}/go" ]; then echo x > x.txt; else sleep 60; fi'
    code: list[int] = []
    first = threading.Thread(target=lambda: code.append(automated.fire(while_running="replace")))
    first.start()
    wait_for(lambda: any("is run" in one for one in automated.said), 30)
    (automated.folder / "go").touch()
    assert automated.fire(WATCH, while_running="replace") == 0
    first.join()
    old, new = automated.runs()
    assert code == [1], "of the one that took its place; to be replaced is no failure"
    assert automated.project.state(old).finished is not None and automated.firing.number == 2
    assert "x.txt" in automated.project.result(new)
    assert "ReplacementRequested" in automated.kinds()
