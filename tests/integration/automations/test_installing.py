"""Schedules in systemd and in a crontab: put there, twice as once, and exactly ours away again.

The keepers of times are small programs that record what they are told, where a real one would
change the machine of whoever tests.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from orchestrator.automations.memory import load_memory
from tests.support.cli import User, ended_with, refused

CRONTAB = """#!/bin/sh
# Keeps one user's crontab in a file, as crontab(1) does.
case "$1" in
-l) [ -e "$HOME/kept" ] || { echo "no crontab for someone" >&2; exit 1; }; cat "$HOME/kept" ;;
-r) rm "$HOME/kept" ;;
-) cat > "$HOME/kept.new" && mv "$HOME/kept.new" "$HOME/kept" ;;
esac
"""
SYSTEMCTL = """#!/bin/sh
echo "$@" >> "$HOME/kept.systemctl"
[ -e "$HOME/answers" ]
"""
MORE = """
[[automation]]
name = "nightly"
schedule = "0 2 * * *"
goal = "x"

[[automation]]
name = "weekly"
schedule = "30 3 * * mon"
goal = "x"

[[automation]]
name = "cover"
watch = ["src/**/*.py"]
goal = "x"
"""
OTHERS = b"# mine\nMAILTO=\"\"\n5 4 * * * echo '100\\%' $HOME\n\n"


class Keeping(User):
    """A user whose system keeps times."""

    kept: Path

    @property
    def crontab(self) -> bytes:
        return self.kept.read_bytes()

    @property
    def units(self) -> dict[str, str]:
        folder = self.home / ".config" / "systemd" / "user"
        return {path.name: path.read_text() for path in folder.glob("*")}

    @property
    def told(self) -> list[str]:
        return Path(f"{self.kept}.systemctl").read_text().splitlines()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH with the keepers of times; they keep what they are told in the user's home."""
    folder = tmp_path_factory.mktemp("bin")
    for name, text in (("crontab", CRONTAB), ("systemctl", SYSTEMCTL)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


@pytest.fixture
def user(tmp_path: Path, path: str) -> Keeping:
    user = Keeping(tmp_path / "home", name='50% "of" it\'s $HOME', environ={"PATH": path})
    user.kept = user.home / "kept"
    user.settings(more=MORE)
    return user


def test_a_crontab_gets_a_block_and_gives_it_back(user):
    user.kept.write_bytes(OTHERS)
    said = user.orch("schedule", "install")
    ended_with(said, 0, "nightly: 0 2 * * *", "weekly: 30 3 * * mon", "by the crontab")
    assert "cover: files, branches and webhooks need `orch watch` running" in said.words
    first = user.crontab
    assert first.startswith(OTHERS + b"# orch begin ")
    ended_with(user.orch("schedule", "install"), 0)
    assert user.crontab == first
    listed = user.orch("schedule", "list", "--json").json["automations"]
    assert [one["installed"] for one in listed] == ["the crontab", "the crontab", None]
    ended_with(user.orch("schedule", "status", "nightly"), 0, "installed in the crontab")
    ended_with(user.orch("schedule", "remove", "weekly"), 0, "weekly: no longer by the crontab")
    assert b"nightly" in user.crontab and b"weekly" not in user.crontab
    ended_with(user.orch("schedule", "install", "weekly", "--keep-awake"), 0)
    assert user.crontab != first
    ended_with(user.orch("schedule", "remove", "weekly"), 0)
    assert b"--keep-awake nightly" in user.crontab, "what stays there stays as it is"
    ended_with(user.orch("schedule", "install", "weekly"), 0)
    assert user.crontab == first
    ended_with(user.orch("schedule", "remove"), 0)
    assert user.crontab == OTHERS
    assert not list((user.root / ".git/orch/watch").iterdir())


def test_a_crontab_that_was_not_there_is_not_there_after(user):
    ended_with(user.orch("schedule", "install", "nightly"), 0)
    assert user.kept.exists()
    ended_with(user.orch("schedule", "remove", "nightly"), 0)
    assert not user.kept.exists()


@pytest.mark.thorough
def test_what_cron_runs_looks_at_the_checkout(user):
    ended_with(user.orch("schedule", "install", "nightly"), 0)
    line = next(one for one in user.crontab.decode().splitlines() if one.startswith("0 2 * * *"))
    command = line.split(" ", 5)[5].replace("\\%", "%").replace("> /dev/null 2>&1", "")
    environ = {"HOME": str(user.home), "PATH": "/usr/bin:/bin", "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        ("/bin/sh", "-c", command), env=environ, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and "nothing is due" in done.stderr, done.stderr


def test_each_worktree_has_its_own(user):
    """What one of them installs goes to its checkout, whatever the other does meanwhile."""
    user.git("worktree", "add", "-q", str(user.home / "beside"))
    other = user.home / "beside"
    (other / ".agent").mkdir(exist_ok=True)
    (other / ".agent/orch.toml").write_text((user.root / ".agent/orch.toml").read_text())
    ended_with(user.orch("schedule", "install", "nightly"), 0)
    ended_with(user.orch("schedule", "install", "nightly", folder=other), 0)
    assert user.crontab.count(b"# orch begin ") == 2
    scripts = {path.name: path.read_text() for path in (user.root / ".git/orch/watch").iterdir()}
    assert len(scripts) == 2 and scripts.keys() > {"look.sh"}
    (beside,) = scripts.keys() - {"look.sh"}
    assert f"cd {other} " in scripts[beside] and f"cd {other} " not in scripts["look.sh"]
    assert beside.encode() in user.crontab
    ended_with(
        user.orch("schedule", "remove", folder=other), 0, "nightly: no longer by the crontab"
    )
    assert user.crontab.count(b"# orch begin ") == 1 and b"look.sh" in user.crontab
    assert [path.name for path in (user.root / ".git/orch/watch").iterdir()] == ["look.sh"]


def test_a_crontab_that_cannot_be_read_is_not_written(user):
    user.kept.mkdir()
    refused(user.orch("schedule", "install"), 2, "the crontab cannot be read", "directory")
    user.kept.rmdir()
    key = "# orch begin "
    ended_with(user.orch("schedule", "install"), 0)
    begin = next(line for line in user.crontab.decode().splitlines() if line.startswith(key))
    user.kept.write_text(f"{begin}\n")
    refused(user.orch("schedule", "install"), 2, "do not belong together", "crontab -e")
    assert user.crontab == f"{begin}\n".encode()


def test_systemd_gets_timers_that_catch_up(user):
    (user.home / "answers").touch()
    ended_with(user.orch("schedule", "install"), 0, "by a systemd user timer")
    first = user.units
    assert len(first) == 4 and not user.kept.exists()
    timer = next(text for name, text in first.items() if name.endswith("-weekly.timer"))
    assert "OnCalendar=Mon *-*-* 03:30:00" in timer and "Persistent=true" in timer
    assert any(line.startswith("--user reenable orch-") for line in user.told)
    told = len(user.told)
    ended_with(user.orch("schedule", "install"), 0)
    assert user.units == first
    assert not any("daemon-reload" in line for line in user.told[told:])
    folder = user.home / ".config" / "systemd" / "user"
    (folder / "orch-somebody-elses.timer").write_text("x")
    ended_with(user.orch("schedule", "remove", "nightly"), 0)
    assert len(user.units) == 3
    ended_with(user.orch("schedule", "remove"), 0)
    assert list(user.units) == ["orch-somebody-elses.timer"]


def test_no_secret_is_written_down(user):
    user.environ["A_SECRET"] = "never-to-be-written-down"
    user.settings(more=MORE)
    ended_with(user.orch("schedule", "install"), 0)
    written = [path for path in user.home.rglob("*") if path.is_file()]
    assert user.root / ".git/orch/watch/look.sh" in written
    assert not [path for path in written if b"never-to-be" in path.read_bytes()]


def test_print_shows_and_writes_nothing(user):
    before = user.things()
    for words in ("@reboot", "Persistent=true"):
        said = user.orch("schedule", "install", "--print")
        ended_with(said, 0, words, "watch --once")
        (user.home / "answers").touch()
    assert user.things() == before
    assert not user.kept.exists() and user.units == {}
    assert not (user.root / ".git/orch/watch").exists()


def test_installing_remembers_since_when(user):
    ended_with(user.orch("schedule", "install", "nightly"), 0)
    memory = load_memory(user.root / ".git/orch/watch.json")
    assert memory.of("nightly").since > 0 and memory.of("weekly").since == 0


@pytest.mark.thorough
def test_what_cannot_be_installed_says_why(user):
    refused(user.orch("schedule", "install", "cover"), 2, "'cover' has no schedule", "orch watch")
    refused(user.orch("schedule", "install", "nigthly"), 2, "nigthly", "nightly")
    refused(user.orch("schedule", "remove", "nightly"), 2, "'nightly' is not installed")
    user.environ["PATH"] = "/usr/bin:/bin"
    # Where there is a real one, it is left alone.
    if not Path("/usr/bin/crontab").exists():
        refused(user.orch("schedule", "install"), 2, "nothing here keeps times", "orch watch")
    user.settings()
    refused(user.orch("schedule", "install"), 2, "no automation has a schedule")


def test_where_nobody_keeps_times_it_is_printed_and_not_installed(tmp_path):
    container = tmp_path / "bin"
    container.mkdir()
    for name in ("git", "sh", "env"):
        found = shutil.which(name)
        assert found
        (container / name).symlink_to(found)
    user = User(tmp_path / "home", environ={"PATH": str(container)})
    user.settings(more=MORE)
    refused(user.orch("schedule", "install"), 2, "nothing here keeps times", "orch watch")
    before = user.things()
    said = user.orch("schedule", "install", "nightly", "--print")
    ended_with(said, 0)
    assert "nothing here keeps times" in said.err and "this is for systemd" in said.err
    assert "[Timer]" in said.out and "[Service]" in said.out and "OnCalendar=" in said.out
    assert user.things() == before and not (user.home / ".config").exists()
