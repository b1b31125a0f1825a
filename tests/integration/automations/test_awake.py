"""Holding off sleep: by a child that lives as long as we do, and not a moment longer."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.automations.awake import Awake, held_by, kept_awake
from tests.support.cli import User, ended_with, wait_for

INHIBIT = """#!/bin/sh
# Does what systemd-inhibit does: runs the command that follows its options.
while [ "${1#--}" != "$1" ]; do echo "$1" >> "$HELD.asked"; shift; done
echo $$ > "$HELD"
exec "$@"
"""


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine where sleep can be held off."""
    program = tmp_path / "bin" / "systemd-inhibit"
    program.parent.mkdir()
    program.write_text(INHIBIT)
    program.chmod(0o755)
    return {"PATH": f"{program.parent}:/usr/bin:/bin", "HELD": str(tmp_path / "held")}


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_sleep_is_held_off_within_the_block_and_not_after(machine):
    said: list[str] = []
    with kept_awake(machine, "runs in a project go on", said.append):
        pid = int(Path(machine["HELD"]).read_text())
        assert is_there(pid)
        asked = Path(machine["HELD"] + ".asked").read_text().splitlines()
        assert "--what=sleep:idle" in asked and "--why=runs in a project go on" in asked
    assert not is_there(pid) and said == []


def test_it_is_let_go_when_we_are_killed(machine):
    code = (
        "import os, time\n"
        "from orchestrator.automations.awake import Awake\n"
        "awake = Awake(dict(os.environ), 'a test', print)\n"
        "awake.hold()\n"
        "print('holds', flush=True)\n"
        "time.sleep(60)\n"
    )
    child = subprocess.Popen(
        (sys.executable, "-c", code), env=machine, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None and child.stdout.readline() == "holds\n"
    pid = int(Path(machine["HELD"]).read_text())
    assert is_there(pid)
    child.send_signal(signal.SIGKILL)
    child.wait(10)
    child.stdout.close()
    wait_for(lambda: not is_there(pid))


def test_where_it_is_not_possible_that_is_said_once(machine, tmp_path: Path):
    said: list[str] = []
    refuses = tmp_path / "bin" / "systemd-inhibit"
    refuses.write_text("#!/bin/sh\necho 'Failed to inhibit: Access denied' >&2\nexit 1\n")
    awake = Awake(machine, "why", said.append)
    awake.hold()
    awake.hold()
    assert not awake.holds
    assert said == ["sleep is not held off: systemd-inhibit said: Failed to inhibit: Access denied"]
    refuses.unlink()
    bare = {"PATH": str(tmp_path / "bin")}
    with kept_awake(bare, "why", said.append):
        pass
    assert "neither systemd-inhibit nor caffeinate" in said[-1]
    with kept_awake(bare, "why", said.append, wanted=False):
        assert len(said) == 2


def test_on_macos_caffeinate_does_it(machine, tmp_path: Path):
    shutil.copy(tmp_path / "bin" / "systemd-inhibit", tmp_path / "bin" / "caffeinate")
    words = held_by(machine, "why", "darwin")
    assert words[:3] == (str(tmp_path / "bin" / "caffeinate"), "-i", "-s")
    assert os.access(words[0], os.X_OK)


def test_a_run_holds_off_sleep_and_says_where_it_cannot(tmp_path: Path):
    user = User(tmp_path / "home")
    user.plan("a")
    program = tmp_path / "bin" / "systemd-inhibit"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho no >&2\nexit 1\n")
    program.chmod(0o755)
    user.environ["PATH"] = f"{program.parent}:{user.environ['PATH']}"
    ended_with(user.orch("run", "--keep-awake"), 0, "sleep is not held off: systemd-inhibit said")
    program.write_text(INHIBIT)
    user.environ["HELD"] = str(tmp_path / "held")
    user.plan("b")
    said = user.orch("run", "--keep-awake")
    ended_with(said, 0)
    assert "sleep is not held off" not in said.words
    assert not is_there(int((tmp_path / "held").read_text()))
