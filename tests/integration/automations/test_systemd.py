"""A real systemd of a user's: what is installed fires, and catches up once after a pause.

It runs in namespaces of its own (mounts, processes) with a home of the test's, so nothing of it
reaches the machine of whoever tests, and all of it ends with the test.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.cli import ORCH, USUAL, User

SYSTEMD = Path("/lib/systemd/systemd")
NEEDED = ("systemctl", "dbus-daemon", "unshare")
MANAGER = """
mount -t tmpfs none /run && mkdir -p /run/systemd/system /run/user/0
export XDG_RUNTIME_DIR=/run/user/0 DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/0/bus
dbus-daemon --session --address="$DBUS_SESSION_BUS_ADDRESS" --nofork --nopidfile 2> /dev/null &
begin() {
    /lib/systemd/systemd --user --log-target=console > "$HOME/manager.log" 2>&1 &
    manager=$!
    within 20 'systemctl --user is-system-running'
}
within() {
    for _ in $(seq $(($1 * 5))); do eval "$2" > /dev/null 2>&1 && return; sleep 0.2; done
    echo "not within $1 s: $2"; exit 1
}
begin
"""
SETTINGS = """
[[automation]]
name = "minutely"
schedule = "* * * * *"
plan = "work"
"""

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(
        os.geteuid() != 0 or not SYSTEMD.exists() or not all(map(shutil.which, NEEDED)),
        reason="needs root, systemd and dbus",
    ),
]


@pytest.fixture
def user(tmp_path: Path) -> User:
    user = User(tmp_path / "home", name='50% "of" it\'s $HOME')
    user.settings(more=SETTINGS)
    settings = user.root / ".agent/orch.toml"
    settings.write_text(settings.read_text().replace('sandbox = "none"', 'sandbox = "external"'))
    user.plan("t0")
    user.git("add", "-A")
    user.git("commit", "-q", "-m", "settings")
    return user


def within_systemd(user: User, script: str) -> str:
    """What a shell says in which the user's systemd runs."""
    environ = {name: text for name, text in user.environ.items() if name in USUAL}
    done = subprocess.run(
        ("unshare", "-m", "-p", "-f", "--mount-proc", "--kill-child", "sh", "-c", MANAGER + script),
        cwd=user.root,
        env={**environ, "ORCH": str(ORCH)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_a_timer_fires_and_the_run_comes_to_its_end(user: User):
    said = within_systemd(
        user,
        """
        "$ORCH" schedule install
        systemctl --user list-timers --all
        within 90 '"$ORCH" status | grep -q ^complete'
        "$ORCH" schedule status
        "$ORCH" schedule remove
        systemctl --user list-timers --all
        """,
    )
    assert "by a systemd user timer" in said and "1 timers listed" in said, said
    assert "(its time has come): done" in said and "0 timers listed" in said, said
    result = user.git("for-each-ref", "--format=%(refname)", "refs/heads/orch/")
    assert user.git("show", f"{result}:t0.txt") == "by t0"


def test_what_was_missed_is_looked_at_once_when_the_manager_is_back(user: User):
    settings = user.root / ".agent/orch.toml"
    # A time that does not come while the test runs.
    settings.write_text(settings.read_text().replace("* * * * *", "0 0 1 1 *"))
    said = within_systemd(
        user,
        """
        looks() { systemctl --user show -P ExecMainExitTimestampMonotonic "$service"; }
        "$ORCH" schedule install
        service=$(systemctl --user list-timers --all | grep -o 'orch-[^ ]*[.]service')
        echo "before: $(looks)"
        kill $manager; wait $manager
        touch -d '2 years ago' "$HOME"/.local/share/systemd/timers/stamp-orch-*
        begin
        within 30 'test "$(looks)" != 0'
        echo "result: $(systemctl --user show -P Result "$service")"
        first=$(looks); sleep 3
        test "$(looks)" = "$first" && echo once
        "$ORCH" schedule remove
        """,
    )
    assert "before: 0" in said and "result: success" in said and "once" in said, said
