"""Missed once, never twice: what is due at each look, whatever the clock did in between."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from ledger.automations import Automation
from orchestrator.automations.children import PATHS_TOLD, Firing, told, words_of
from orchestrator.automations.due import Reading, jumped, look_at_schedules
from orchestrator.automations.memory import Memory, Seen, change_memory, load_memory

BERLIN = "Europe/Berlin"
NIGHTLY = Automation(name="nightly", goal="x", schedule="0 2 * * *", time_zone=BERLIN)


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(BERLIN)).timestamp()


class Looks:
    """Looks at one automation again and again, with what it remembers."""

    def __init__(self, automation: Automation = NIGHTLY) -> None:
        self.automation, self.memory = automation, Memory()

    def at(self, text: str) -> list[float]:
        dues, self.memory = look_at_schedules([self.automation], self.memory, at(text))
        return [due.at for due in dues]


def test_what_was_due_before_it_was_ever_looked_at_is_not_caught_up():
    looks = Looks()
    assert looks.at("2026-11-26 09:00") == []
    assert looks.at("2026-11-27 01:59") == []
    assert looks.at("2026-11-27 02:00") == [at("2026-11-27 02:00")]
    assert looks.at("2026-11-27 02:00") == []


def test_a_machine_that_slept_for_a_week_catches_up_once():
    looks = Looks()
    looks.at("2026-11-20 09:00")
    assert looks.at("2026-11-27 08:00") == [at("2026-11-27 02:00")]
    assert looks.at("2026-11-27 08:01") == []


def test_a_clock_that_is_set_back_fires_nothing_twice():
    looks = Looks()
    looks.at("2026-11-26 09:00")
    assert looks.at("2026-11-27 02:00")
    assert looks.at("2026-11-27 01:30") == []
    assert looks.at("2026-11-27 02:00") == []
    assert looks.at("2026-11-28 02:00") == [at("2026-11-28 02:00")]


def test_a_clock_that_was_years_ahead_does_not_silence_it_for_years():
    looks = Looks()
    looks.at("2030-01-01 09:00")
    assert looks.at("2026-11-26 09:00") == []
    assert looks.at("2026-11-27 02:30") == [at("2026-11-27 02:00")]


def test_a_schedule_that_is_changed_is_looked_at_from_now_on():
    looks = Looks()
    looks.at("2026-11-26 00:30")
    looks.automation = NIGHTLY.model_copy(update={"schedule": "0 1 * * *"})
    assert looks.at("2026-11-26 09:00") == []
    assert looks.at("2026-11-27 01:00") == [at("2026-11-27 01:00")]


def test_memory_is_a_file_that_may_be_broken_or_gone(tmp_path: Path):
    path = tmp_path / "watch.json"
    seen = {"nightly": Seen(schedule="0 2 * * *", since=7.0)}
    change_memory(path, lambda memory: memory.with_seen(seen))
    assert load_memory(path).of("nightly").since == 7.0
    assert load_memory(path).of("other") == Seen()
    for broken in (b"", b"{", b'{"version": 2, "seen": {}}', b'{"seen": 3}', b"\xff"):
        path.write_bytes(broken)
        assert load_memory(path) == Memory()
    assert load_memory(tmp_path / "nowhere") == Memory()


def test_clocks_that_drift_apart_are_told_from_a_busy_machine():
    before = Reading(1000.0, 50.0)
    assert jumped(before, Reading(1031.0, 81.0)) == 0
    assert jumped(before, Reading(1004.0, 51.0)) == 0
    assert jumped(before, Reading(1000.0 + 3600, 51.0)) == 3599
    assert jumped(before, Reading(1000.0 - 3600, 51.0)) == -3601


def test_a_command_line_holds_what_it_can():
    many = tuple(f"src/{number}.py" for number in range(10_000))
    assert told(many) == many[:PATHS_TOLD]
    assert len(told(["x" * 1000] * 500)) < 100
    assert told(["good.py", "bad\udcff.py", "better.py"]) == ("good.py", "better.py")


def test_firings_that_are_held_become_one():
    first = Firing("cover", "watch", "a.py was added", paths=("a.py", "b.py"))
    joined = first.joined(Firing("cover", "schedule", "its time has come", 7.5, ("b.py", "c.py")))
    assert words_of(joined) == (
        *("schedule", "run", "cover", "--because", "its time has come", "--due", "7.5"),
        *("--path", "a.py", "--path", "b.py", "--path", "c.py"),
    )
    assert words_of(Firing("x", "resume", "")) == ("schedule", "run", "x", "--waiting")
