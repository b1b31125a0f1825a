from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import pytest

from ledger.schema import (
    APPLICATION_ID,
    MIGRATIONS,
    LedgerCorrupt,
    LedgerError,
    LedgerForeign,
    LedgerLocked,
    LedgerTooNew,
    migrate,
)
from ledger.store import Store
from tests.integration.ledger.support import fingerprint, kill, python

NEXT = (*MIGRATIONS, ("ALTER TABLE run ADD COLUMN mood TEXT", "CREATE TABLE more (x)"))


def connected(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    return sqlite3.connect(path, isolation_level=None)


@pytest.fixture
def first_version(path: Path) -> Path:
    """A ledger of the first version with two events in it."""
    connection = connected(path)
    migrate(connection, path, 1.0, MIGRATIONS[:1])
    connection.execute("INSERT INTO run VALUES ('r', 1.0, 'an old goal')")
    for seq in (1, 2):
        connection.execute("INSERT INTO event VALUES ('r', ?, 1.0, 'Noticed', 1, '{}')", (seq,))
    connection.close()
    return path


@pytest.mark.parametrize("opened", [Store.open, Store.open_existing])
def test_every_older_version_can_be_opened(first_version: Path, opened: object) -> None:
    store = opened(first_version)  # type: ignore[operator]
    with store:
        assert store.runs()[0].goal == "an old goal"
        assert [event.seq for event in store.read("r")] == [1, 2]
        (version,) = store._connection.execute("PRAGMA user_version").fetchone()
    assert version == len(MIGRATIONS)


def test_a_migration_keeps_what_is_there(first_version: Path) -> None:
    connection = connected(first_version)
    for _ in range(2):
        migrate(connection, first_version, 1.0, NEXT)
        assert connection.execute("PRAGMA user_version").fetchone() == (len(NEXT),)
    assert connection.execute("SELECT goal, mood FROM run").fetchall() == [("an old goal", None)]
    assert connection.execute("SELECT count(*) FROM event").fetchone() == (2,)
    connection.close()


def test_a_migration_that_fails_leaves_the_old_version_whole(first_version: Path) -> None:
    connection = connected(first_version)
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, first_version, 1.0, (*NEXT, ("CREATE TABLE late (x)", "nonsense")))
    assert not connection.in_transaction
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    assert not tables & {"more", "late"}
    connection.close()
    with Store.open(first_version) as store:
        assert store.append("r", 2, [("Noticed", 1, "{}")], 2.0) == 3


def refused(path: Path, expected: type[LedgerError]) -> LedgerError:
    """Both ways to open it end in that error, with a hint, and change no byte."""
    before = fingerprint(path.parent)
    with pytest.raises(expected) as view:
        Store.open_existing(path)
    with pytest.raises(expected) as error:
        Store.open(path)
    assert str(view.value) == str(error.value)
    assert str(path) in str(error.value)
    assert error.value.hint
    after = fingerprint(path.parent)
    assert {name: after[name] for name in before} == before
    return error.value


def test_a_ledger_of_a_newer_orch_is_refused(path: Path) -> None:
    connection = connected(path)
    migrate(connection, path, 1.0, NEXT)
    connection.close()
    error = refused(path, LedgerTooNew)
    assert f"format {len(NEXT)}; this one knows {len(MIGRATIONS)}" in str(error)
    assert "upgrade" in error.hint


def test_another_programs_database_is_refused(path: Path) -> None:
    connection = connected(path)
    connection.execute("CREATE TABLE bookmarks (url)")
    connection.close()
    assert "mv" in refused(path, LedgerForeign).hint
    connection = connected(path)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID + 1}")
    connection.close()
    refused(path, LedgerForeign)


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("my notes on the ledger\n" * 100)
    assert "refs/orch/" in refused(path, LedgerCorrupt).hint


def filled(path: Path) -> None:
    with Store.open(path) as store:
        store.append("r", 0, [("Noticed", 1, "x" * 500)] * 200, 1.0)


def test_a_ledger_with_a_destroyed_beginning_is_refused(path: Path) -> None:
    filled(path)
    with path.open("r+b") as file:
        file.write(b"\0" * 4096)
    refused(path, LedgerCorrupt)


def test_damage_in_the_middle_is_found_and_not_papered_over(path: Path) -> None:
    filled(path)
    with path.open("r+b") as file:
        file.seek(4096 * 2)
        file.write(b"\xa5" * 4096 * 20)
    with Store.open(path) as store:
        with pytest.raises(LedgerCorrupt) as error:
            list(store.read("r"))
        assert ".recover" in error.value.hint
        assert store.faults()


def test_a_ledger_that_was_cut_short_is_refused(path: Path) -> None:
    filled(path)
    with path.open("r+b") as file:
        file.truncate(4096 * 3)
    with pytest.raises(LedgerCorrupt), Store.open(path) as store:
        list(store.read("r"))
        store.append("r", 200, [("Noticed", 1, "{}")], 1.0)


def test_a_log_whose_ledger_was_emptied_is_not_thrown_away(path: Path) -> None:
    child = python(
        "import sys; from pathlib import Path; from ledger.store import Store\n"
        "store = Store.open(Path(sys.argv[1]))\n"
        "store.append('r', 0, [('Noticed', 1, '{}')], 1.0)\n"
        "print('written'); sys.stdin.read()",
        path,
    )
    assert child.stdout is not None
    child.stdout.readline()
    kill(child)
    path.write_bytes(b"")
    assert "its log is there" in str(refused(path, LedgerCorrupt))
    path.unlink()
    refused(path, LedgerCorrupt)


def test_a_ledger_that_stays_locked_is_not_waited_for_forever(path: Path) -> None:
    with Store.open(path, timeout_s=0.3) as store:
        store.append("r", 0, [("Noticed", 1, "{}")], 1.0)
        other = connected(path)
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(LedgerLocked) as error:
            store.append("r", 1, [("Noticed", 1, "{}")], 1.0)
        assert 0.2 < time.monotonic() - began < 5
        assert str(path) in str(error.value) and error.value.hint
        assert store.newest("r") == 1  # reading goes on
        other.execute("ROLLBACK")
        assert store.append("r", 1, [("Noticed", 1, "{}")], 1.0) == 2
        other.close()


def test_a_new_ledger_that_somebody_locks_is_not_waited_for_forever(path: Path) -> None:
    other = connected(path)
    other.execute("BEGIN EXCLUSIVE")
    began = time.monotonic()
    with pytest.raises(LedgerLocked):
        Store.open(path, timeout_s=0.3)
    assert time.monotonic() - began < 5
    other.close()
    Store.open(path).close()


@pytest.mark.parametrize("held", ["BEGIN EXCLUSIVE", "BEGIN IMMEDIATE", "BEGIN"])
def test_a_new_ledger_that_is_free_in_time_is_waited_for(path: Path, held: str) -> None:
    path.parent.mkdir()
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute(held)
    other.execute("SELECT count(*) FROM sqlite_master").fetchone()
    release = threading.Timer(0.2, other.execute, ("ROLLBACK",))
    release.start()
    with Store.open(path, timeout_s=10) as store:
        assert store.append("r", 0, [("Noticed", 1, "{}")], 1.0) == 1
    release.join()
    other.close()
