"""A ledger that is locked, damaged, foreign, newer, half gone or not to be written."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from ledger.schema import APPLICATION_ID, MIGRATIONS
from tests.support.cli import User, ended_with, no_defect, refused

ALL = (
    ("status",),
    ("show", "a"),
    ("wait", "--timeout", "1"),
    ("run",),
    ("resume",),
    ("accept",),
    ("clean",),
    ("ledger", "verify"),
)
SOME = (("status",), ("run",))


@pytest.fixture(scope="module")
def after_a_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a user who has run one plan."""
    user = User(tmp_path_factory.mktemp("after") / "home")
    user.plan("a")
    ended_with(user.orch("run"), 0)
    shutil.rmtree(user.root / ".git" / "orch" / "views")
    return user.home


@pytest.fixture
def user(after_a_run: Path, tmp_path: Path) -> User:
    return User(Path(shutil.copytree(after_a_run, tmp_path / "home", symlinks=True)))


@pytest.fixture
def ledger(user: User) -> Path:
    return user.root / ".git" / "orch" / "ledger.sqlite"


def all_refused(user: User, ledger: Path, *words: str, commands=SOME) -> None:
    """Every command refuses it in the same words, and changes neither it nor the user's things."""
    before, things = hashlib.sha256(ledger.read_bytes()).hexdigest(), user.things()
    for command in commands:
        refused(user.orch(*command), 2, *words)
    said = user.orch("doctor")
    ended_with(said, 2, *words[:1])
    assert hashlib.sha256(ledger.read_bytes()).hexdigest() == before
    assert user.things() == things


# --- damaged ----------------------------------------------------------------------------------


def test_a_file_that_is_no_database(user: User, ledger: Path) -> None:
    ledger.write_bytes(b"not a database\n" * 400)
    all_refused(user, ledger, str(ledger), "damaged", "mv ", commands=ALL)


def test_damage_in_the_middle_is_said_where_it_is_met(user: User, ledger: Path) -> None:
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw = bytearray(ledger.read_bytes())
    raw[4096 : len(raw)] = b"\xa5" * (len(raw) - 4096)
    ledger.write_bytes(raw)
    for command in (*SOME, ("ledger", "verify")):
        refused(user.orch(*command), 2, str(ledger), "damaged")


def test_a_ledger_cut_in_half(user: User, ledger: Path) -> None:
    os.truncate(ledger, ledger.stat().st_size // 2)
    for command in SOME:
        refused(user.orch(*command), 2, str(ledger), "damaged")


@pytest.mark.thorough
def test_an_empty_file_is_a_ledger_in_which_nothing_happened(user: User, ledger: Path) -> None:
    os.truncate(ledger, 0)
    refused(user.orch("status"), 2, "no run in this repository yet")
    # The refs of the run that was forgotten are still there: its name is not taken again.
    ended_with(user.orch("run"), 0)


@pytest.mark.thorough
def test_a_ledger_that_was_deleted_while_its_refs_stayed(user: User, ledger: Path) -> None:
    """A new run must neither take the old one's name nor move its refs: its heads are work."""
    shutil.rmtree(ledger.parent)
    before = user.git("for-each-ref", "refs/orch", "refs/heads/orch")
    said = user.orch("run")
    ended_with(said, 0)
    after = user.git("for-each-ref", "refs/orch", "refs/heads/orch")
    assert set(before.splitlines()) <= set(after.splitlines())
    ended_with(user.orch("ledger", "verify"), 0)


def test_a_log_without_its_ledger_is_not_thrown_away(user: User, ledger: Path) -> None:
    """SQLite would delete a write-ahead log that stands alone; it may be all that is left."""
    ledger.with_name(ledger.name + "-wal").write_bytes(b"what was written last" * 100)
    ledger.unlink()
    for command in (("status",), ("run",)):
        no_defect(user.orch(*command))
    assert ledger.with_name(ledger.name + "-wal").stat().st_size == 2100


@pytest.mark.thorough
def test_lost_logs_are_said_and_nothing_else_fails(user: User) -> None:
    shutil.rmtree(user.root / ".git" / "orch" / "blobs")
    for command in (("status",), ("show", "a"), ("report",), ("log", "a"), ("ledger", "verify")):
        no_defect(user.orch(*command))
    ended_with(user.orch("run"), 0)


# --- another's --------------------------------------------------------------------------------


def test_a_ledger_of_a_newer_orch(user: User, ledger: Path) -> None:
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 7}")
    all_refused(user, ledger, "newer orch", "upgrade orch")


@pytest.mark.thorough
def test_a_fact_of_a_newer_orch(user: User, ledger: Path) -> None:
    """The file is of our format, but one run in it says what we do not know."""
    run = user.run_id()
    with closing(sqlite3.connect(ledger)) as connection, connection:
        (newest,) = connection.execute("SELECT max(seq) FROM event").fetchone()
        connection.execute(
            "INSERT INTO event VALUES (?, ?, ?, 'Teleported', 9, '{}')",
            (run, newest + 1, time.time()),
        )
    for command in (("status",), ("resume",), ("accept",)):
        refused(user.orch(*command), 2, run, f"event {newest + 1}", "newer")
    # What cannot be understood cannot be verified: that is no disagreement.
    refused(user.orch("ledger", "verify"), 2, run, "Teleported", "newer", "upgrade orch")


@pytest.mark.parametrize("body", ["{", "[]", '{"kind": "Landed"}'])
@pytest.mark.sample(1)
def test_a_fact_that_makes_no_sense(user: User, ledger: Path, body: str) -> None:
    run = user.run_id()
    with closing(sqlite3.connect(ledger)) as connection, connection:
        (newest,) = connection.execute("SELECT max(seq) FROM event").fetchone()
        connection.execute(
            "INSERT INTO event VALUES (?, ?, ?, 'Landed', 1, ?)",
            (run, newest + 1, time.time(), body),
        )
    refused(user.orch("status"), 2, run, f"event {newest + 1}", "orch ledger verify")
    said = user.orch("ledger", "verify")
    ended_with(said, 1, f"the recorded facts: event {newest + 1}", "does NOT agree")


@pytest.mark.thorough
def test_a_fact_out_of_place(user: User, ledger: Path) -> None:
    """Well formed, and impossible: folding it is refused, and the commands say where."""
    run = user.run_id()
    with closing(sqlite3.connect(ledger)) as connection, connection:
        (newest,) = connection.execute("SELECT max(seq) FROM event").fetchone()
        connection.execute(
            "INSERT INTO event SELECT run, ?, at, kind, version, body FROM event WHERE seq = 1",
            (newest + 1,),
        )
    for command in ("status", "resume"):
        refused(user.orch(command), 2, run, f"event {newest + 1}")
    said = user.orch("ledger", "verify")
    ended_with(said, 1, f"event {newest + 1}: the run has started already", "does NOT agree")


@pytest.mark.thorough
def test_another_programs_database(user: User, ledger: Path) -> None:
    ledger.unlink()
    with closing(sqlite3.connect(ledger)) as connection, connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    all_refused(user, ledger, "not a ledger of orch's", "mv ")
    assert APPLICATION_ID == 0x6F726368


# --- locked, not to be written ----------------------------------------------------------------


@pytest.mark.thorough
def test_a_ledger_that_somebody_keeps_locked(user: User, ledger: Path, tmp_path: Path) -> None:
    """Looking goes on while somebody writes; who cannot go on waits for a bounded time."""
    shutil.copytree(user.home, tmp_path / "other", symlinks=True)
    other = User(tmp_path / "other")
    with (
        closing(sqlite3.connect(ledger, isolation_level=None)) as writing,
        closing(
            sqlite3.connect(other.root / ".git/orch" / ledger.name, isolation_level=None)
        ) as sole,
    ):
        writing.execute("BEGIN IMMEDIATE")
        ended_with(user.orch("status"), 0, "complete")
        sole.execute("PRAGMA journal_mode = DELETE").fetchone()
        sole.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        with user.typing("run") as run, other.typing("status") as status:
            for typed in (run, status):
                said = typed.said(40)
                no_defect(said)
                assert said.exit_code == 2 and said.out == "", said
                assert "locked" in said.err and "fuser" in said.err, said
        assert time.monotonic() - began < 30
        writing.execute("ROLLBACK")
        sole.execute("ROLLBACK")
    ended_with(user.orch("run"), 0)
    ended_with(other.orch("status"), 0)


@pytest.mark.thorough
def test_a_lock_file_that_is_a_folder(user: User) -> None:
    lock = user.root / ".git" / "orch" / "locks" / f"{user.run_id()}.lock"
    lock.unlink(missing_ok=True)
    lock.mkdir()
    for command in (("status",), ("resume",), ("clean",)):
        no_defect(user.orch(*command))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_git_folder_that_may_not_be_written(user: User, ledger: Path) -> None:
    for path in (ledger, ledger.parent):
        path.chmod(0o500)
    try:
        ended_with(user.orch("status"), 0, "complete")
        refused(user.orch("run"), 2, str(ledger.parent))
    finally:
        ledger.parent.chmod(0o700)
        ledger.chmod(0o600)
