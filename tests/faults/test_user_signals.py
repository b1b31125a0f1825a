"""Ctrl-C, closed terminals, stops from elsewhere and lost engines, as a person causes them."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import subprocess
import termios
import time
from pathlib import Path

import pytest

from tests.support.cli import ORCH, Typed, User, ended_with, no_defect, refused, wait_for

WAITS = (
    'touch "{home}/here"; n=0;'
    ' until test -e "{home}/go" || test $((n += 1)) -gt 900; do sleep 0.05; done;'
    ' echo > "$ORCH_TASK.txt"'
)


@pytest.fixture
def user(tmp_path: Path) -> User:
    """A user whose workers wait for the file `go`, and whose plan is two tasks after each other."""
    user = User(tmp_path / "home")
    user.settings(worker=WAITS.format(home=user.home))
    user.commit({}, "worker")
    user.plan("a", ("b", ["a"]))
    return user


def at_work(user: User, typed: Typed) -> None:
    """Wait until its first worker really runs."""
    typed.hears("a started")
    wait_for(lambda: (user.home / "here").exists())


def goes_on(user: User) -> None:
    """The run that was interrupted is resumed to its end."""
    (user.home / "go").touch()
    ended_with(user.orch("resume"), 0)
    assert {"a.txt", "b.txt"} <= set(user.result())
    assert user.status()["outcome"] == "complete"
    assert not user.left()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=str)
@pytest.mark.sample(1)
def test_a_signal_ends_the_run_in_order(user: User, number: signal.Signals) -> None:
    before = user.things()
    with user.typing("run") as typed:
        at_work(user, typed)
        typed.press(number)
        said = typed.said(20)
    ended_with(said, 130, "ending in order", "orch resume")
    assert user.things() == before
    assert not user.left()
    assert "a.txt" not in user.result()
    goes_on(user)
    assert user.things() == before


def test_ctrl_c_twice_ends_it_at_once(user: User) -> None:
    """Also where a worker does not hear signals."""
    user.settings(
        worker=f"trap '' TERM INT HUP; touch {user.home}/here; while :; do sleep 0.2; done"
    )
    with user.typing("run") as typed:
        at_work(user, typed)
        began = time.monotonic()
        typed.press(signal.SIGINT)
        typed.hears("ending in order")
        typed.press(signal.SIGINT)
        said = typed.said(20)
        took_s = time.monotonic() - began
    no_defect(said)
    assert said.exit_code == 130
    assert took_s < 10
    assert not user.left()
    said = user.orch("status")
    ended_with(said, 0, "orch resume")


def press_often(user: User):
    with user.typing("run") as typed:
        at_work(user, typed)
        for _ in range(10):
            typed.press(signal.SIGINT)
            time.sleep(0.01)
        return typed.said(20)


def test_ctrl_c_many_times_is_one_interruption_that_leaves_nothing(user: User) -> None:
    said = press_often(user)
    no_defect(said)
    assert said.exit_code == 130, said
    assert not user.left()


@pytest.mark.thorough
def test_ctrl_c_many_times_leaves_nothing_that_resume_does_not_clear(user: User) -> None:
    press_often(user)
    ended_with(user.orch("status"), 0, "orch resume")
    goes_on(user)
    assert not user.processes()


def test_ctrl_c_before_the_run_has_begun_leaves_nothing_half_done(user: User) -> None:
    """At any moment of the first half second: what is recorded is resumed."""
    (user.home / "go").touch()
    for delay_s in (0.1, 0.4):
        with user.typing("run") as typed:
            time.sleep(delay_s)
            typed.press(signal.SIGINT)
            said = typed.said(20)
        # Before orch's own first line runs, Python answers in its own way.
        if "importlib" not in said.err:
            no_defect(said)
            assert said.exit_code in (130, -signal.SIGINT, 0), (delay_s, said)
        assert not user.left(), delay_s
    said = user.orch("status")
    no_defect(said)
    if said.exit_code == 0:
        goes_on(user)


@pytest.mark.thorough
def test_a_killed_engine_leaves_nothing_that_resume_does_not_clear(user: User) -> None:
    """Its worker lives on, and would for long: the next engine of the run ends it."""
    sleeps = f"touch {user.home}/here; test -e {user.home}/go || exec sleep 600;"
    user.settings(worker=f'{sleeps} echo > "$ORCH_TASK.txt"')
    user.commit({}, "worker that sleeps")
    before = user.things()
    with user.typing("run") as typed:
        at_work(user, typed)
        typed.press(signal.SIGKILL)
        typed.process.wait(10)
    said = user.orch("status")
    ended_with(said, 0, "orch resume")
    ended_with(user.orch("wait", "--timeout", "5"), 5)
    assert "orch resume" in user.orch("doctor").out
    ended_with(user.orch("stop"), 0, "no engine")
    (user.home / "go").touch()
    said = user.orch("run", "work")
    ended_with(said, 0, "is not finished: orch resume")
    first = next(line for line in said.err.splitlines() if "is not finished" in line).split()[1]
    ended_with(user.orch("resume", first), 0)
    assert user.things() == before
    assert not user.left()


@pytest.mark.thorough
def test_a_stopped_engine_is_still_the_only_one(user: User) -> None:
    """SIGSTOP: no lease runs out; another engine is refused, and afterwards it goes on."""
    with user.typing("run") as typed:
        at_work(user, typed)
        typed.press(signal.SIGSTOP)
        try:
            refused(user.orch("resume"), 2, "already drives", "orch stop")
            ended_with(user.orch("status"), 0)
            ended_with(user.orch("wait", "--timeout", "0.2"), 4)
        finally:
            typed.press(signal.SIGCONT)
        (user.home / "go").touch()
        ended_with(typed.said(30), 0)
    assert not user.left()


# --- from elsewhere ---------------------------------------------------------------------------


@pytest.mark.thorough
def test_stop_from_another_terminal(user: User) -> None:
    with user.typing("run") as typed:
        at_work(user, typed)
        ended_with(user.orch("stop"), 0)
        said = typed.said(20)
    no_defect(said)
    assert said.exit_code == 130 and "orch resume" in said.words, said
    assert not user.left()
    ended_with(user.orch("stop"), 0, "nothing to stop")
    goes_on(user)
    ended_with(user.orch("stop"), 0, "nothing to stop")


@pytest.mark.thorough
def test_two_who_resume_at_once_are_one_engine_and_one_clear_error(user: User) -> None:
    with user.typing("run") as typed:
        at_work(user, typed)
        typed.press(signal.SIGINT)
        typed.said(20)
    (user.home / "go").touch()
    user.settings(worker=WAITS.format(home=user.home), run="parallel = 2")
    with user.typing("resume") as one, user.typing("resume") as two:
        ends = [typed.said(40) for typed in (one, two)]
    for said in ends:
        no_defect(said)
    codes = sorted(said.exit_code for said in ends)
    # The second may also come when the first has finished: then it says what became of it.
    assert codes in ([0, 0], [0, 2]), ends
    if codes == [0, 2]:
        assert any("already drives" in said.err for said in ends)
    assert not user.left()


# --- detached ---------------------------------------------------------------------------------


def test_closing_the_terminal_of_a_detached_run_does_nothing(user: User) -> None:
    """Started in a terminal of its own, whose other end is then closed."""
    master, slave = pty.openpty()
    shell = subprocess.Popen(
        ("sh", "-c", f"'{ORCH}' run --detach; echo started; sleep 60"),
        cwd=user.root,
        env=user.environ | {"TERM": "xterm"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(slave)
    try:
        said = ""
        deadline = time.monotonic() + 30
        while "started" not in said.splitlines() and time.monotonic() < deadline:
            said += os.read(master, 65536).decode().replace("\r", "")
        assert "goes on by itself" in said, said
    finally:
        os.close(master)  # the kernel hangs up the session
    shell.wait(20)
    assert user.status()["phase"] == "going-on"
    (user.home / "go").touch()
    ended_with(user.orch("wait", "--timeout", "30"), 0)
    wait_for(lambda: not user.processes(), 10, lambda: str(user.processes()))
    assert {"a.txt", "b.txt"} <= set(user.result())
    assert not user.left()


def test_a_detached_run_answers_its_id_and_is_stopped_by_it(user: User) -> None:
    said = user.orch("run", "--detach", "--json")
    ended_with(said, 0)
    run = json.loads(said.out)["run"]
    ended_with(user.orch("stop", run), 0)
    ended_with(user.orch("wait", run, "--timeout", "20"), 130)
    wait_for(lambda: not user.processes(), 10)
    assert not user.left()
    goes_on(user)


@pytest.mark.thorough
def test_a_detached_run_that_cannot_begin_says_why(user: User) -> None:
    user.settings(gates={"suite": "exit 1"})
    said = user.orch("run", "--detach")
    no_defect(said)
    ended = user.orch("wait", "--timeout", "20")
    no_defect(ended)
    assert ended.exit_code == 5, ended
    assert "suite" in user.orch("status").words
    wait_for(lambda: not user.processes(), 10)
