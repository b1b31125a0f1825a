"""The shape of the ledger's database, how it grows, and what can be wrong with it.

1. A file that is not certainly a ledger of orch's is never written to: its application id, its
   version and its tables are read first.
2. A migration brings one version to the next. All that are missing are applied in one
   transaction under the write lock; a crash leaves the old version, whole.
3. A migration only adds, since an engine of the version before may be at work meanwhile.
4. A ledger of a newer version is refused, never guessed at.
5. Events, verdicts and the facts of automations are only ever added, and a number follows the one
   before: the database itself refuses anything else, whoever asks.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

APPLICATION_ID = 0x6F726368  # "orch"

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE run (
            run TEXT NOT NULL UNIQUE,
            started REAL NOT NULL,
            goal TEXT NOT NULL
        )""",
        # The newest number is not kept in `run`: the key finds it, and a commit stays two pages.
        """CREATE TABLE event (
            run TEXT NOT NULL REFERENCES run (run),
            seq INTEGER NOT NULL,
            at REAL NOT NULL,
            kind TEXT NOT NULL,
            version INTEGER NOT NULL,
            body TEXT NOT NULL,
            PRIMARY KEY (run, seq)
        ) WITHOUT ROWID""",
        "CREATE INDEX event_by_kind ON event (kind, at)",
        """CREATE TRIGGER event_follows BEFORE INSERT ON event
            WHEN NEW.seq IS NOT
                (SELECT coalesce(max(seq), 0) + 1 FROM event WHERE run = NEW.run)
            BEGIN SELECT raise(ABORT, 'an event must follow the newest one'); END""",
        """CREATE TRIGGER event_stays BEFORE DELETE ON event
            BEGIN SELECT raise(ABORT, 'events are never deleted'); END""",
        """CREATE TRIGGER event_is_final BEFORE UPDATE ON event
            BEGIN SELECT raise(ABORT, 'events are never changed'); END""",
        """CREATE TABLE snapshot (
            run TEXT PRIMARY KEY REFERENCES run (run),
            seq INTEGER NOT NULL,
            fold_version INTEGER NOT NULL,
            body BLOB NOT NULL
        ) WITHOUT ROWID""",
        """CREATE TABLE verdict (
            id INTEGER PRIMARY KEY,
            key TEXT NOT NULL,
            tree TEXT NOT NULL,
            gate TEXT NOT NULL,
            outcome TEXT NOT NULL CHECK (outcome IN ('passed', 'failed')),
            body TEXT NOT NULL,
            run TEXT NOT NULL,
            at REAL NOT NULL
        )""",
        "CREATE INDEX verdict_by_key ON verdict (key)",
        "CREATE INDEX verdict_by_tree ON verdict (tree, gate)",
        "CREATE INDEX verdict_by_gate ON verdict (gate)",
        """CREATE TRIGGER verdict_stays BEFORE DELETE ON verdict
            BEGIN SELECT raise(ABORT, 'verdicts are never deleted'); END""",
        """CREATE TRIGGER verdict_is_final BEFORE UPDATE ON verdict
            BEGIN SELECT raise(ABORT, 'verdicts are never changed'); END""",
    ),
    (
        """CREATE TABLE beat (
            automation TEXT NOT NULL,
            seq INTEGER NOT NULL,
            at REAL NOT NULL,
            kind TEXT NOT NULL,
            version INTEGER NOT NULL,
            body TEXT NOT NULL,
            PRIMARY KEY (automation, seq)
        ) WITHOUT ROWID""",
        """CREATE TRIGGER beat_follows BEFORE INSERT ON beat
            WHEN NEW.seq IS NOT
                (SELECT coalesce(max(seq), 0) + 1 FROM beat WHERE automation = NEW.automation)
            BEGIN SELECT raise(ABORT, 'a fact must follow the newest one'); END""",
        """CREATE TRIGGER beat_stays BEFORE DELETE ON beat
            BEGIN SELECT raise(ABORT, 'facts of automations are never deleted'); END""",
        """CREATE TRIGGER beat_is_final BEFORE UPDATE ON beat
            BEGIN SELECT raise(ABORT, 'facts of automations are never changed'); END""",
    ),
)
"""The statements that bring version 0 to 1, 1 to 2, and so on."""


# --- what can be wrong ----------------------------------------------------------------------


class LedgerError(Exception):
    """The ledger cannot be read or written; `hint` says what to do about it."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


class LedgerLocked(LedgerError):
    """Somebody else held the ledger for longer than we waited."""


class LedgerFull(LedgerError):
    """There was no room; nothing of what was to be written is there."""


class LedgerUnwritable(LedgerError):
    """The file or its folder may not be written, or not be opened."""


class LedgerCorrupt(LedgerError):
    """The file is damaged, or no database; nothing was changed."""


class LedgerForeign(LedgerError):
    """The file is another program's database; nothing was changed."""


class LedgerTooNew(LedgerError):
    """A newer orch wrote it; nothing was changed."""


def corrupt(path: Path, why: str) -> LedgerCorrupt:
    """The error for a damaged ledger, with what is safe to do."""
    return LedgerCorrupt(
        f"the ledger {path} is damaged ({why}); nothing was changed",
        "commits and refs under refs/orch/ are not affected. Copy the folder"
        f" {path.parent} aside first; `sqlite3 {path} .recover` may save its events;"
        f" `mv {path.parent} {path.parent}.damaged` starts a new, empty ledger",
    )


def explain(error: sqlite3.Error, path: Path) -> LedgerError:
    """What an error of SQLite means for the ledger at that path."""
    code = getattr(error, "sqlite_errorcode", 0)
    if code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LedgerLocked(
            f"the ledger {path} stayed locked by another process",
            "try again; if it stays so, see who has it open: `fuser -v` with that path",
        )
    if code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return corrupt(path, str(error))
    # A limit on file sizes is reported as a failed write, not as a full disk.
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE):
        return LedgerFull(
            f"the disk is full (or a size limit was reached) at {path}; nothing was half written",
            f"make room (`df -h {path.parent}`, `orch clean`), then `orch resume`",
        )
    if code & 0xFF in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return LedgerUnwritable(
            f"the ledger {path} cannot be opened or written ({error})",
            f"see who owns it and whether the disk is read-only: `ls -la {path.parent}`",
        )
    if code & 0xFF == sqlite3.SQLITE_IOERR:
        return LedgerError(
            f"the disk failed while the ledger {path} was in use ({error})",
            "look at the system's log, then `orch resume`; `orch ledger verify` checks the ledger",
        )
    return LedgerError(f"the ledger {path}: {error}", "`orch ledger verify` checks the ledger")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn errors of SQLite inside the block into errors of the ledger's."""
    try:
        yield
    except sqlite3.Error as error:
        raise explain(error, path) from error


# --- how it grows ---------------------------------------------------------------------------


def migrate(
    connection: sqlite3.Connection,
    path: Path,
    timeout_s: float,
    migrations: tuple[tuple[str, ...], ...] = MIGRATIONS,
) -> None:
    """Bring an empty or older database to the newest version; refuse what is not ours."""
    connection.execute("BEGIN")
    try:
        version = _inspect(connection, path, len(migrations))
    finally:
        connection.execute("ROLLBACK")
    if version == len(migrations):
        return
    _write_ahead(connection, timeout_s)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        # Looked at again: another process may have done it while we waited for the lock.
        version = _inspect(connection, path, len(migrations))
        for statements in migrations[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _inspect(connection: sqlite3.Connection, path: Path, newest: int) -> int:
    """The version of the database, 0 for an empty one; an error for what is not ours."""
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if owner != APPLICATION_ID and (owner or version or tables):
        raise LedgerForeign(
            f"{path} is a database, but not a ledger of orch's; nothing was changed",
            f"move it away: `mv {path} {path}.other`",
        )
    if version > newest:
        raise LedgerTooNew(
            f"the ledger {path} was written by a newer orch (format {version}; this one knows"
            f" {newest}); nothing was changed",
            "upgrade orch, the way it was installed, and try again",
        )
    return int(version)


def _write_ahead(connection: sqlite3.Connection, timeout_s: float) -> None:
    """Switch to write-ahead logging, which the file remembers."""
    # SQLite does not wait for others while it switches, whatever the connection's timeout.
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
            if not busy or time.monotonic() > deadline:
                raise
        time.sleep(0.01)
