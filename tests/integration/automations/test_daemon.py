"""Sleep, clocks that are set and files that break: under a daemon that goes on all the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.automations.daemon import Daemon, Sources, memory_file
from orchestrator.automations.left import LeftOver
from orchestrator.automations.memory import load_memory
from orchestrator.config import load_sourced
from orchestrator.errors import OrchError
from orchestrator.workplace import open_workplace
from tests.support.away import Away
from tests.support.cli import User, wait_for

NIGHTLY = (
    '\n[[automation]]\nname = "nightly"\nschedule = "0 2 * * *"\ntime_zone = "UTC"\ngoal = "x"\n'
)
EVENING = datetime(2026, 11, 26, 22, tzinfo=UTC).timestamp()
HOUR = 3600.0


@dataclass
class Machine:
    """A daemon on a machine whose clocks can be set."""

    user: User
    wall: float = EVENING
    monotonic: float = 100.0
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        workplace = open_workplace(self.user.root, self.user.environ)
        workplace.place.make()
        sources = Sources(
            automations=lambda: load_sourced(self.user.root).automations,
            settings_files=(self.user.root / ".agent/orch.toml",),
            left=LeftOver(workplace).look,
            wall=lambda: self.wall,
            monotonic=lambda: self.monotonic,
        )
        self.daemon = Daemon(workplace, sources, self.said.append)

    def passes(self, seconds: float, *, asleep_s: float = 0.0) -> list[str]:
        """Time passes, and the daemon looks once; what it says."""
        self.monotonic += seconds
        self.wall += seconds + asleep_s
        before = len(self.said)
        self.daemon.look()
        return self.said[before:]

    def ended(self) -> None:
        """Wait for the end of what it has started."""
        under_way = self.daemon.children.under_way
        for child in under_way:
            wait_for(lambda child=child: child.process.poll() is not None, 60)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    user = Away(tmp_path)
    user.settings(more=NIGHTLY)
    return Machine(user)


def test_a_night_asleep_fires_once_and_a_clock_that_is_set_back_nothing(machine):
    assert machine.passes(1) == []
    assert machine.passes(1) == []
    said = machine.passes(1, asleep_s=9 * HOUR)
    assert said[0] == "9 h 00 min have passed unseen: what was due since is fired once"
    assert said[1].startswith("nightly: its time has come, 5 h 00 min late (process")
    assert machine.passes(1) == []
    said = machine.passes(1, asleep_s=-6 * HOUR)
    assert said == ["the clock was set back by 6 h 00 min: nothing is fired twice"]
    said = machine.passes(1, asleep_s=6 * HOUR)
    assert len(said) == 1 and "have passed unseen" in said[0]
    machine.ended()
    assert "nightly: ended" in machine.passes(1)


@pytest.mark.thorough
def test_a_time_that_came_to_nothing_comes_again_and_is_told_why(machine):
    settings = machine.user.root / ".agent/orch.toml"
    right = settings.read_text()
    machine.passes(1)
    settings.write_text("[[automation]]\nname = 3\n")
    said = machine.passes(5 * HOUR)
    assert "those before go on" in said[0] and said[1].startswith("nightly: its time has come")
    machine.ended()
    said = machine.passes(1)
    assert said[0].startswith("nightly: ended with exit code 2: .agent/orch.toml:1: it says")
    assert "(hint: " in said[0] and said[0].endswith("watch/nightly.log")
    assert said[1] == "nightly: the ledger has nothing of it: once more in 1 min 00 s"
    seen = load_memory(memory_file(machine.daemon.workplace)).of("nightly").since
    assert seen < EVENING + 4 * HOUR, "whoever looks after a crash finds it due, too"
    assert machine.passes(1) == [] and machine.passes(1) == []
    settings.write_text(right)
    machine.passes(60)
    said = machine.passes(1)
    assert len(said) == 1 and said[0].startswith("nightly: its time has come")
    machine.ended()
    assert machine.passes(1) == ["nightly: ended"]
    assert machine.passes(1) == [] and not machine.daemon.children.again.waiting


@pytest.mark.thorough
def test_where_nothing_can_be_remembered_it_is_fired_once_all_the_same(machine):
    machine.passes(1)
    memory = memory_file(machine.daemon.workplace)
    new = memory.with_name(f"{memory.name}.orch-new")
    new.mkdir()  # so the file cannot be replaced, as on a full disk
    said = machine.passes(5 * HOUR)
    assert [line for line in said if line.startswith("nightly: its time has come")]
    assert any("it goes on, and tries again" in line for line in said)
    assert machine.passes(1) == [] and machine.passes(1) == []  # told once
    new.rmdir()
    assert machine.passes(1) == []
    machine.ended()


@pytest.mark.thorough
def test_new_commits_fire_once_where_nothing_can_be_remembered(machine):
    follows = '\n[[automation]]\nname = "follows"\nbranch = "main"\ngoal = "x"\n'
    machine.user.settings(more=follows)
    machine = Machine(machine.user)
    machine.passes(1)
    memory = memory_file(machine.daemon.workplace)
    new = memory.with_name(f"{memory.name}.orch-new")
    new.mkdir()
    machine.user.commit({"a.txt": "x"})
    said = machine.passes(61)
    assert said[0].startswith("follows: new commits on main: ") and "tries again" in said[1]
    machine.ended()
    assert machine.passes(61) == ["follows: ended"] and machine.passes(61) == []


def test_what_breaks_under_it_is_told_and_does_not_end_it(machine):
    machine.passes(1)
    settings = machine.user.root / ".agent/orch.toml"
    kept = settings.read_text()
    settings.write_text("[[automation]]\nname = 3\n")
    said = machine.passes(1)
    assert len(said) == 1 and "those before go on" in said[0]
    settings.unlink()
    assert len(machine.passes(1)) == 1
    assert machine.passes(1) == []
    settings.write_text(kept.replace("nightly", "later"))
    assert machine.passes(1) == ["the settings have changed; automations now: later"]
    ledger = machine.daemon.workplace.place.ledger
    ledger.write_bytes(b"no database " * 1000)
    said = machine.passes(1)
    assert len(said) == 1 and "tries again" in said[0]
    assert machine.passes(1) == []
    ledger.unlink()
    assert machine.passes(1) == []


def test_a_webhook_without_a_secret_is_refused_at_the_start_and_told_later(machine):
    hooked = '\n[[automation]]\nname = "hooked"\nwebhook = "HOOK_SECRET"\ngoal = "x"\n'
    machine.passes(1)
    machine.user.settings(more=NIGHTLY + hooked)
    assert "HOOK_SECRET is not set" in machine.passes(1)[0]
    with pytest.raises(OrchError, match="HOOK_SECRET is not set"):
        Machine(machine.user)


def test_the_secret_of_a_webhook_that_is_new_goes_to_no_child_either(machine):
    machine.user.environ["HOOK_SECRET"] = "0123456789abcdef0123"
    machine = Machine(machine.user)
    machine.passes(1)
    assert "HOOK_SECRET" in machine.daemon.children.environ, "nothing says yet that it is one"
    hooked = '\n[[automation]]\nname = "hooked"\nwebhook = "HOOK_SECRET"\ngoal = "x"\n'
    for more in (NIGHTLY + hooked, NIGHTLY):
        machine.user.settings(more=more)
        assert len(machine.passes(1)) == 1
        assert "HOOK_SECRET" not in machine.daemon.children.environ
