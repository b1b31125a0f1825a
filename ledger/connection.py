"""How the ledger's file is opened, for writing and for looking.

1. The database file is never opened but by SQLite: closing any other descriptor of it would
   drop the locks that this process holds on it.
2. For looking nothing is made where nothing is, and nothing can be written.
3. To look needs no room and no right to write: where SQLite's shared index cannot be made, it is
   built in memory, from the log as it is.
4. A log without its database is refused: SQLite would throw it away.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import suppress
from pathlib import Path

from ledger.schema import LedgerFull, LedgerUnwritable, corrupt, explained, migrate


def connect(path: Path, timeout_s: float) -> sqlite3.Connection:
    """To the ledger at that path, made or brought to the newest version where needed."""
    _refuse_lone_log(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerUnwritable(
            f"the folder {path.parent} cannot be made ({error.strerror})",
            "set ORCH_STATE_DIR to a folder that may be written, or mend its permissions",
        ) from error
    return _connected(path, "rwc", timeout_s)


def connect_to_look(path: Path, timeout_s: float) -> sqlite3.Connection | None:
    """To the ledger at that path, for reading only; None where there is none."""
    _refuse_lone_log(path)
    try:
        if path.stat().st_size == 0:
            return None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise LedgerUnwritable(
            f"the ledger {path} cannot be looked at ({error.strerror})",
            f"see who owns it: `ls -la {path.parent}`",
        ) from error
    try:
        connection = _connected(path, "rw", timeout_s)
    except (LedgerFull, LedgerUnwritable):
        without = _without_index(path, timeout_s)
        if without is None:
            raise
        connection = without
    connection.execute("PRAGMA query_only = ON")
    return connection


def _without_index(path: Path, timeout_s: float) -> sqlite3.Connection | None:
    """For a full disk, or a folder that may not be written: nothing is made, nothing grows."""
    # With `readonly_shm` SQLite leaves its shared index alone and builds one in memory; it watches
    # the log, so what it shows is never old. Without a log nobody writes, so the file can be read
    # as it is.
    ways = ["readonly_shm=1"] if _log_size(path) else ["readonly_shm=1", "immutable=1"]
    for way in ways:
        with suppress(LedgerFull, LedgerUnwritable):
            connection = _connected(path, f"ro&{way}", timeout_s)
            connection.execute("PRAGMA temp_store = MEMORY")
            return connection
    return None


def _connected(path: Path, mode: str, timeout_s: float) -> sqlite3.Connection:
    with explained(path):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=timeout_s,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA trusted_schema = OFF")
            if sys.platform == "darwin":  # its fsync does not empty the disk's own cache
                connection.execute("PRAGMA fullfsync = ON")
            migrate(connection, path, timeout_s)
        except BaseException:
            connection.close()
            raise
    return connection


def _log_size(path: Path) -> int:
    try:
        return path.with_name(path.name + "-wal").stat().st_size
    except OSError:
        return 0


def _refuse_lone_log(path: Path) -> None:
    """Stop before SQLite throws away a log whose database was emptied or removed."""
    # The log first: one that appears later belongs to somebody who is making the ledger now.
    log = _log_size(path)
    try:
        size = path.stat().st_size
    except OSError:
        size = 0
    if log and not size:
        raise corrupt(path, "its log is there, but the file itself is empty or gone")
