"""`orch watch` as a user has it: files, times, webhooks and crashes start runs by themselves."""

from __future__ import annotations

import json
import os
import re
import signal
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.away import Away
from tests.support.cli import User, ended_with, refused, wait_for

GOAL = 'goal = "Do it"\n'
COVER = f'\n[[automation]]\nname = "cover"\nwatch = ["src/**/*.py"]\ndebounce_s = 0.2\n{GOAL}'
NIGHTLY = f'\n[[automation]]\nname = "nightly"\nschedule = "0 2 * * *"\n{GOAL}'
HOOKED = f'\n[[automation]]\nname = "hooked"\nwebhook = "HOOK_SECRET"\n{GOAL}'
SECRET = "0123456789abcdef0123"
OWN_LEDGER = {"ledger/__init__.py": "raise SystemExit('a module of the checkout ran')\n"}


@pytest.fixture
def user(tmp_path: Path) -> User:
    user = Away(tmp_path, files={"src/a.py": "a\n"})
    user.settings(more=COVER)
    user.commit({})
    return user


def standing(user: User, name: str) -> dict:
    """What `orch schedule list` says of an automation."""
    said = user.orch("schedule", "list", "--json")
    ended_with(said, 0)
    return next(one for one in said.json["automations"] if one["name"] == name)


def slept(user: User, name: str, schedule: str) -> None:
    """As if it had last been looked at two days ago."""
    seen = {name: {"schedule": schedule, "since": time.time() - 2 * 86400}}
    folder = user.root / ".git" / "orch"
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "watch.json").write_text(json.dumps({"version": 1, "seen": seen}))


def killed(user: User) -> dict[int, str]:
    """Kill all that goes on, as a power failure would; what there was."""
    there = user.processes()
    for pid in there:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return there


def test_a_new_file_starts_a_run_and_a_second_watcher_is_told_who_watches(user):
    with user.typing("watch") as watch:
        watch.hears("cover: files src/**/*.py (any)")
        second = user.orch("watch")
        refused(second, 2, f"process {watch.process.pid}", f"kill {watch.process.pid}")
        # It may still be about to listen; what it missed then it would see at the next change.
        # Each change puts the start off by `debounce_s`: what comes sooner keeps it waiting.
        log = user.root / ".git/orch/watch/cover.log"
        for number in range(20):
            user.write({"src/new.py": f"{number}\n"})
            with suppress(AssertionError):
                wait_for(log.exists, 1.0)
                break
        watch.hears("cover: src/new.py was")
        watch.hears("cover: ended")
        last = standing(user, "cover")["last"]
        assert last["outcome"] == "done" and last["paths"] == ["src/new.py"]
        watch.press(signal.SIGINT)
        ended_with(watch.said(), 130, "nothing goes on")
    user.wait_gone()


@pytest.mark.thorough
def test_changed_settings_are_read_and_wrong_ones_told_while_the_old_ones_go_on(user):
    with user.typing("watch") as watch:
        watch.hears("cover: files src/**/*.py (any)")
        right = (user.root / ".agent/orch.toml").read_text()
        wrong = right + NIGHTLY.replace("0 2 * * *", "0 0 30 2 *")
        user.write({".agent/orch.toml": wrong})
        watch.hears("the settings have changed and are wrong")
        watch.hears("never fires")
        user.settings(more=COVER + NIGHTLY)
        watch.hears("automations now: cover, nightly")
        watch.press(signal.SIGINT)
        ended_with(watch.said(), 130, "nothing goes on")
    user.wait_gone()


def test_what_was_missed_is_caught_up_once(user):
    user.settings(more=NIGHTLY)
    user.write(OWN_LEDGER)  # whose name is also that of a package of orch's
    ended_with(user.orch("watch", "--once"), 0, "nothing is due")  # seen for the first time
    slept(user, "nightly", "0 2 * * *")
    ended_with(user.orch("watch", "--once"), 0, "nightly: its time has come", "nightly: ended")
    stand = standing(user, "nightly")
    assert stand["last"]["outcome"] == "done" and stand["answered"] is not None
    ended_with(user.orch("watch", "--once"), 0, "nothing is due")
    # Where what is remembered is lost, the ledger still says that it was answered.
    slept(user, "nightly", "0 2 * * *")
    ended_with(user.orch("watch", "--once", "nightly"), 0, "nightly: its time has come")
    assert "answered before" in (user.root / ".git/orch/watch/nightly.log").read_text()
    assert standing(user, "nightly")["last"] == stand["last"]
    refused(user.orch("watch", "--once", "nigthly"), 2, "'nigthly'", "did you mean 'nightly'?")


@pytest.mark.thorough
def test_a_run_that_a_crash_cut_short_goes_on_by_itself(user, tmp_path):
    gate = tmp_path / "go-on"
    works = f'while [ ! -e {gate} ]; do sleep 0.05; done; echo x > "$ORCH_TASK.txt"'
    user.settings(worker=works, more=NIGHTLY)
    slept(user, "nightly", "0 2 * * *")
    with user.typing("watch") as watch:
        pid = int(re.findall(r"process (\d+)", watch.hears("nightly: its time has come"))[0])
        wait_for(lambda: list(user.root.glob(".git/orch/runs/*/live")), 30)
        # Ctrl-C, which a terminal sends to all of its group, ends the watching; the run goes on.
        os.killpg(watch.process.pid, signal.SIGINT)
        ended_with(watch.said(), 130, "goes on", f"process {pid}", "orch status --watch")
    os.kill(pid, 0)
    wait_for(lambda: not killed(user))
    assert standing(user, "nightly")["phase"] == "cut-short"
    gate.touch()
    with user.typing("watch") as watch:
        watch.hears("nightly: what was cut short goes on")
        watch.hears("nightly: ended")
        watch.press(signal.SIGTERM)
        ended_with(watch.said(), 130)
    assert standing(user, "nightly")["last"]["outcome"] == "done"
    assert len(standing(user, "nightly")["last"]["runs"]) == 1


@pytest.mark.thorough
def test_a_webhook_starts_it_and_its_secret_goes_nowhere(user):
    user.settings(more=HOOKED)
    refused(user.orch("watch"), 2, "HOOK_SECRET is not set", "export HOOK_SECRET=")
    user.environ["HOOK_SECRET"] = SECRET
    with user.typing("watch", "--port", "0") as watch:
        url = re.findall(r"http://\S+", watch.hears("POST http://127.0.0.1:"))[0]
        for secret, status in (("wrong", 401), (SECRET, 202)):
            asked = urllib.request.Request(url, b"{}", {"X-Orch-Secret": secret})
            try:
                with urllib.request.urlopen(asked, timeout=10) as answer:
                    assert answer.status == status
            except urllib.error.HTTPError as error:
                assert error.code == status
        pid = int(re.findall(r"process (\d+)", watch.hears("hooked: its webhook was called"))[0])
        environ = Path(f"/proc/{pid}/environ").read_bytes()
        assert b"HOOK_SECRET" not in environ
        watch.hears("hooked: ended")
        taken = user.orch("watch", "--port", url.split(":")[2].split("/")[0])
        refused(taken, 2, "somebody watches here already")
        watch.press(signal.SIGTERM)
        ended_with(watch.said(), 130)
    kept = [path for path in user.root.glob(".git/orch/**/*") if path.is_file()]
    assert not [path for path in kept if SECRET.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('schedule = "0 0 30 2 *"', "it never fires"),
        ('schedule = "0 2 * * *"\ntime_zone = "Europe/Berln"', "did you mean 'Europe/Berlin'?"),
        ('watch = [".agent/**"]', "where orch itself writes"),
        ('watch = ["/elsewhere/**"]', "nothing outside the checkout is watched"),
    ],
)
@pytest.mark.sample(2)
def test_what_would_never_fire_or_always_is_refused(user, lines, words):
    user.settings(more=f'\n[[automation]]\nname = "bad"\n{GOAL}{lines}\n')
    for once in ((), ("--once",)):
        refused(user.orch("watch", *once), 2, words)


def test_there_must_be_something_to_watch_for(user):
    user.settings()
    refused(user.orch("watch"), 2, "there is no automation to watch for")
    ended_with(user.orch("watch", "--once"), 0, "nothing is due")
