"""What is on disk after a crash, beside other writers, and without room."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from ledger.schema import LedgerFull
from ledger.store import Store
from tests.integration.ledger.support import finish, kill, python

BATCH = 3


def test_an_append_waits_for_the_disk(store: Store) -> None:
    for setting, value in (("synchronous", 2), ("journal_mode", "wal")):
        assert store._connection.execute(f"PRAGMA {setting}").fetchone() == (value,)


WRITE_FOREVER = f"""
import sys; from pathlib import Path; from ledger.store import Store
store = Store.open(Path(sys.argv[1]))
seq = store.newest("r")
while True:
    seq = store.append("r", seq, [("Noticed", 1, "x" * 3000)] * {BATCH}, 1.0)
    print(seq)
"""


def test_a_writer_killed_at_any_moment_leaves_whole_appends_only(path: Path) -> None:
    chance = random.Random(7)
    for _ in range(12):
        child = python(WRITE_FOREVER, path)
        assert child.stdout is not None
        assert child.stdout.readline()
        time.sleep(chance.random() * 0.06)
        acknowledged = int((kill(child).split() or ["0"])[-1])
        with Store.open(path) as store:
            newest = store.newest("r")
            assert newest >= acknowledged
            assert newest % BATCH == 0
            assert [event.seq for event in store.read("r")] == list(range(1, newest + 1))
            assert store.faults() == ()


OPEN_AND_CLOSE = """
import sys; from pathlib import Path; from ledger.store import Store
print("ready"); sys.stdin.readline()
Store.open(Path(sys.argv[1])).close()
print("made")
"""


def test_a_ledger_whose_making_was_killed_is_made_by_the_next_who_comes(tmp_path: Path) -> None:
    chance = random.Random(11)
    cut_short = 0
    for n in range(12):
        path = tmp_path / str(n) / "ledger.sqlite"
        child = python(OPEN_AND_CLOSE, path)
        assert child.stdout is not None and child.stdin is not None
        child.stdout.readline()
        child.stdin.write("go\n")
        child.stdin.flush()
        time.sleep(chance.random() * 0.005)
        cut_short += "made" not in kill(child)
        with Store.open(path) as store:
            assert store.append("r", 0, [("Noticed", 1, "{}")], 1.0) == 1
            assert store.faults() == ()
    assert cut_short


def test_many_who_open_a_new_ledger_at_once_make_one(path: Path) -> None:
    children = [python(OPEN_AND_CLOSE, path) for _ in range(6)]
    for child in children:
        assert child.stdout is not None
        child.stdout.readline()
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    assert [finish(child) for child in children] == ["made\n"] * 6
    with Store.open(path) as store:
        assert store.faults() == ()


APPEND_AGAINST_OTHERS = """
import sys; from pathlib import Path; from ledger.store import Moved, Store
store = Store.open(Path(sys.argv[1]))
print("ready"); sys.stdin.readline()
seq = moved = 0
for n in range(120):
    while True:
        try:
            seq = store.append("r", seq, [("Noticed", 1, f"{sys.argv[2]} {n}")], 1.0)
            break
        except Moved as error:
            assert error.actual > seq
            seq, moved = error.actual, moved + 1
print(moved)
"""


def test_two_who_append_to_one_run_both_notice_and_leave_no_gap(path: Path) -> None:
    children = [python(APPEND_AGAINST_OTHERS, path, name) for name in "ab"]
    for child in children:
        assert child.stdout is not None
        child.stdout.readline()
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    assert sum(int(finish(child)) for child in children) > 0
    with Store.open(path) as store:
        events = list(store.read("r"))
        assert [event.seq for event in events] == list(range(1, 241))
        for name in "ab":
            own = [event.body for event in events if event.body.startswith(name)]
            assert own == [f"{name} {n}" for n in range(120)]
        assert len(store.runs()) == 1


def test_a_full_disk_is_said_and_nothing_is_half_written(store: Store) -> None:
    seq = store.append("r", 0, [("Noticed", 1, "{}")], 1.0)
    (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
    store._connection.execute(f"PRAGMA max_page_count = {pages + 5}")
    with pytest.raises(LedgerFull, match="disk is full") as full:
        store.append("r", seq, [("Noticed", 1, "x" * 3000)] * 50, 1.0)
    assert "orch resume" in full.value.hint
    assert store.newest("r") == seq
    store._connection.execute("PRAGMA max_page_count = 1000000")  # somebody made room
    assert store.append("r", seq, [("Noticed", 1, "x" * 3000)] * 50, 1.0) == seq + 50
    assert store.faults() == ()


FILL_UP = """
import os, resource, sys; from pathlib import Path
from ledger.schema import LedgerFull; from ledger.store import Store
store = Store.open(Path(sys.argv[1]))
seq = store.append("r", 0, [("Noticed", 1, "{}")], 1.0)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
try:
    while True:
        seq = store.append("r", seq, [("Noticed", 1, "x" * 3000)] * 7, 1.0)
except LedgerFull:
    assert store.newest("r") == seq
    print(seq)
"""


def test_a_write_that_the_system_refuses_leaves_what_was_there(path: Path) -> None:
    seq = int(finish(python(FILL_UP, path)))
    assert seq > 7
    with Store.open(path) as store:
        assert store.newest("r") == seq
        assert store.append("r", seq, [("Noticed", 1, "{}")], 1.0) == seq + 1
        assert store.faults() == ()
