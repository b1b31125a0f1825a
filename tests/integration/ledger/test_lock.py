from __future__ import annotations

import fcntl
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from ledger.lock import EngineLock, EngineRunning, Holder, holder, is_held, remove
from ledger.schema import LedgerUnwritable
from tests.integration.ledger.support import as_ordinary_user, finish, kill, python, sealed


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "locks" / "20261122-demo-a1.lock"


def freed(lock: Path) -> bool:
    """Whether the lock is free within a moment."""
    deadline = time.monotonic() + 5
    while is_held(lock) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not is_held(lock)


def test_a_second_engine_is_told_who_drives_the_run(lock: Path) -> None:
    assert not is_held(lock)
    assert not lock.parent.exists()
    before = time.time()
    with EngineLock.take(lock):
        with pytest.raises(EngineRunning) as running:
            EngineLock.take(lock)
        assert running.value.pid == os.getpid()
        assert running.value.host == os.uname().nodename
        assert running.value.since is not None
        assert before <= running.value.since <= time.time()
        assert "20261122-demo-a1" in str(running.value)
        assert "orch stop" in running.value.hint
        assert holder(lock) == Holder(os.getpid(), running.value.since, running.value.host)
    assert not is_held(lock)
    assert holder(lock) is None
    with EngineLock.take(lock) as again:
        again.release()
        assert not is_held(lock)


TRY_AND_HOLD = """
import sys; from pathlib import Path; from ledger.lock import EngineLock, EngineRunning
print("ready"); sys.stdin.readline()
try:
    held = EngineLock.take(Path(sys.argv[1]))
    print("won")
except EngineRunning:
    print("lost")
sys.stdin.readline()
"""


def test_of_many_engines_exactly_one_wins(lock: Path) -> None:
    for _ in range(3):
        children = [python(TRY_AND_HOLD, lock) for _ in range(6)]
        for child in children:
            assert child.stdout is not None
            child.stdout.readline()
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        said = [child.stdout.readline() for child in children if child.stdout]
        assert sorted(said) == ["lost\n"] * 5 + ["won\n"]
        assert is_held(lock)
        for child in children:
            finish(child)


HOLD = """
import os, subprocess, sys, time; from pathlib import Path; from ledger.lock import EngineLock
held = EngineLock.take(Path(sys.argv[1]))
"""


def test_a_killed_engine_frees_the_run_though_its_children_live(lock: Path) -> None:
    child = python(
        HOLD + 'sleeper = subprocess.Popen(["sleep", "30"], close_fds=False, stdout=-3)\n'
        "print(sleeper.pid); sys.stdin.read()",
        lock,
    )
    assert child.stdout is not None
    sleeper = int(child.stdout.readline())
    try:
        assert is_held(lock)
        kill(child)
        assert freed(lock)
        os.kill(sleeper, 0)  # it still lives
        assert holder(lock) is None
        EngineLock.take(lock).release()
    finally:
        os.kill(sleeper, signal.SIGKILL)


def test_a_fork_of_a_killed_engine_does_not_keep_the_run(lock: Path) -> None:
    child = python(
        HOLD + "pid = os.fork()\n"
        "if pid == 0:\n    os.close(1); held.release(); time.sleep(30); os._exit(0)\n"
        "print(pid); sys.stdin.read()",
        lock,
    )
    assert child.stdout is not None
    fork = int(child.stdout.readline())
    try:
        time.sleep(0.05)
        assert is_held(lock)  # the fork's release is not the engine's
        os.kill(child.pid, signal.SIGKILL)
        child.wait(timeout=10)
        assert freed(lock)
        os.kill(fork, 0)
    finally:
        os.kill(fork, signal.SIGKILL)
        child.communicate(timeout=10)


def test_those_who_only_look_keep_no_engine_from_starting(lock: Path) -> None:
    EngineLock.take(lock).release()
    with lock.open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)  # what `is_held` does for a moment
        assert not is_held(lock)
        done = threading.Timer(0.1, fcntl.flock, (looking, fcntl.LOCK_UN))
        done.start()
        EngineLock.take(lock).release()
        done.join()


def test_a_lock_is_removed_only_when_nobody_holds_it(lock: Path) -> None:
    assert remove(lock)
    with EngineLock.take(lock):
        assert not remove(lock)
        assert is_held(lock)
    assert remove(lock)
    assert not lock.exists()


TAKE_AND_REMOVE = """
import os, sys, time; from pathlib import Path
from ledger.lock import EngineLock, EngineRunning, remove
lock, alone = Path(sys.argv[1]), Path(sys.argv[1] + ".alone")
taken = 0
until = time.monotonic() + 1.0
while time.monotonic() < until:
    remove(lock)
    try:
        held = EngineLock.take(lock)
    except EngineRunning:
        continue
    os.close(os.open(alone, os.O_CREAT | os.O_EXCL))  # fails if somebody else is inside
    alone.unlink()
    held.release()
    taken += 1
print(taken)
"""


@pytest.mark.thorough
def test_a_lock_that_is_removed_all_the_time_still_lets_in_one_at_a_time(lock: Path) -> None:
    children = [python(TAKE_AND_REMOVE, lock) for _ in range(3)]
    assert all(int(finish(child)) for child in children)


def test_what_the_file_says_decides_nothing(lock: Path) -> None:
    lock.parent.mkdir()
    lock.write_text('{"pid": 1, "since": 1.0, "host": "elsewhere"}')
    assert not is_held(lock)
    with EngineLock.take(lock):
        for said in (b"", b"\xff{", b"[1]", b'{"pid": "many"}'):
            lock.write_bytes(said)
            assert holder(lock) == Holder()
            with pytest.raises(EngineRunning, match="another process"):
                EngineLock.take(lock)


def test_a_lock_that_cannot_be_made_is_a_clear_error() -> None:
    with sealed() as folder:
        said = as_ordinary_user(lambda: EngineLock.take(folder / "locks" / "r.lock"))
    assert said.startswith(f"raised {LedgerUnwritable.__name__}")
    assert str(folder) in said
