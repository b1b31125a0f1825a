"""Events, snapshots and verdicts in one SQLite file; knows JSON text, not what it means.

1. `append` compares and appends: it writes where the caller believes the run to be, or raises
   `Moved` and writes nothing. All of it is on disk when it returns, or none of it.
2. Nothing is ever changed or deleted, except a snapshot, which is only a shortcut.
3. No reader holds a transaction between two calls, so nobody keeps the log from being folded.
"""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from ledger.connection import connect, connect_to_look
from ledger.rows import Snapshot, Stored, StoredBeat, StoredRun, StoredVerdict, VerdictRow
from ledger.schema import LedgerCorrupt, LedgerError, LedgerLocked, explained

__all__ = [
    "Moved",
    "Snapshot",
    "Store",
    "Stored",
    "StoredBeat",
    "StoredRun",
    "StoredVerdict",
    "VerdictRow",
]

PAGE_EVENTS = 500


class Moved(LedgerError):
    """Somebody else has written to the run; nothing was appended."""

    def __init__(self, run: str, expected: int, actual: int, what: str = "run") -> None:
        super().__init__(
            f"{what} {run} is at event {actual}, not at {expected}: something else wrote to it",
            "try again",
        )
        self.run, self.expected, self.actual = run, expected, actual


def _close(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.Error):
        connection.close()


class Store:
    """A ledger's database, open; may be used from several threads, one at a time."""

    def __init__(self, connection: sqlite3.Connection, path: Path, timeout_s: float) -> None:
        self.path = path
        self._connection = connection
        self._timeout_s = timeout_s
        self._turns = threading.Lock()
        # Who closes last leaves one file, with all that was written: at the end of the process too.
        weakref.finalize(self, _close, connection)
        self._appends = 0
        try:
            found = path.stat()
            self._opened: tuple[int, int] | None = (found.st_dev, found.st_ino)
        except OSError:
            self._opened = None

    @classmethod
    def open(cls, path: Path, timeout_s: float = 10.0) -> Store:
        """The ledger at that path, made or brought to the newest version where needed."""
        return cls(connect(path, timeout_s), path, timeout_s)

    @classmethod
    def open_existing(cls, path: Path, timeout_s: float = 10.0) -> Store | None:
        """The ledger at that path for reading only; None, and nothing made, where there is none.

        Close it before the same process opens the ledger for writing.
        """
        connection = connect_to_look(path, timeout_s)
        return None if connection is None else cls(connection, path, timeout_s)

    def close(self) -> None:
        """Close it; a second time does nothing."""
        with self._turn():
            self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def is_in_place(self) -> bool:
        """Whether the file that is open is still the one at its path."""
        try:
            found = self.path.stat()
        except OSError:
            return False
        return self._opened is None or (found.st_dev, found.st_ino) == self._opened

    # --- writing --------------------------------------------------------------------------

    def append(
        self,
        run: str,
        expected: int,
        rows: Sequence[tuple[str, int, str]],
        at: float,
        verdicts: Sequence[VerdictRow] = (),
        *,
        goal: str = "",
    ) -> int:
        """Add events (kind, version, body) after number `expected`; the run's new number.

        Raises Moved when the run is elsewhere. With `expected` 0 the run begins; its goal is
        kept for listings.
        """
        if not rows and not verdicts:
            return expected
        with self._turn() as connection, _transaction(connection):
            actual = _newest(connection, run)
            if actual != expected:
                raise Moved(run, expected, actual)
            if expected == 0:
                connection.execute("INSERT INTO run VALUES (?, ?, ?)", (run, at, goal))
            connection.executemany(
                "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)",
                [(run, expected + n, at, *row) for n, row in enumerate(rows, start=1)],
            )
            if verdicts:
                connection.executemany(
                    "INSERT INTO verdict (key, tree, gate, outcome, body, run, at)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    [(v.key, v.tree, v.gate, v.outcome, v.body, run, at) for v in verdicts],
                )
            self._appends += 1
        return expected + len(rows)

    def save_snapshot(self, run: str, snapshot: Snapshot) -> None:
        """Keep a run's folded state, unless a later one of the same fold is there."""
        with self._turn() as connection, _transaction(connection):
            connection.execute(
                "INSERT INTO snapshot VALUES (?, ?, ?, ?) ON CONFLICT (run) DO UPDATE"
                " SET seq = excluded.seq, fold_version = excluded.fold_version,"
                " body = excluded.body"
                " WHERE excluded.seq > seq OR excluded.fold_version > fold_version",
                (run, snapshot.seq, snapshot.fold_version, snapshot.body),
            )

    def append_beats(
        self, automation: str, expected: int, rows: Sequence[tuple[str, int, str]], at: float
    ) -> int:
        """Add facts of an automation after number `expected`; its new number, or Moved."""
        with self._turn() as connection, _transaction(connection):
            actual = _newest_beat(connection, automation)
            if actual != expected:
                raise Moved(automation, expected, actual, what="automation")
            connection.executemany(
                "INSERT INTO beat VALUES (?, ?, ?, ?, ?, ?)",
                [(automation, expected + n, at, *row) for n, row in enumerate(rows, start=1)],
            )
            self._appends += 1
        return expected + len(rows)

    # --- reading --------------------------------------------------------------------------

    def beats(self, automation: str, after: int = 0) -> Iterator[StoredBeat]:
        """The automation's facts after that number, in order."""
        while True:
            page = self._select(
                "SELECT automation, seq, at, kind, version, body FROM beat"
                f" WHERE automation = ? AND seq > ? ORDER BY seq LIMIT {PAGE_EVENTS}",
                (automation, after),
            )
            for row in page:
                yield StoredBeat(*row)
            if len(page) < PAGE_EVENTS:
                return
            after = page[-1][1]

    def newest_beat(self, automation: str) -> int:
        """The number of its newest fact, 0 where there is none."""
        with self._turn() as connection:
            return _newest_beat(connection, automation)

    def automations(self) -> tuple[str, ...]:
        """The names of the automations that there are facts of."""
        return tuple(row[0] for row in self._select("SELECT DISTINCT automation FROM beat"))

    def read(self, run: str, after: int = 0) -> Iterator[Stored]:
        """The run's events after that number, in order."""
        while True:
            page = self._select(
                "SELECT run, seq, at, kind, version, body FROM event"
                f" WHERE run = ? AND seq > ? ORDER BY seq LIMIT {PAGE_EVENTS}",
                (run, after),
            )
            for row in page:
                yield Stored(*row)
            if len(page) < PAGE_EVENTS:
                return
            after = page[-1][1]

    def newest(self, run: str) -> int:
        """The number of the run's newest event, 0 where there is no such run."""
        with self._turn() as connection:
            return _newest(connection, run)

    def stamp(self) -> tuple[int, int]:
        """A token that differs after anybody has written; cheap enough to poll."""
        with self._turn() as connection:
            # SQLite's own token leaves out what this very connection wrote.
            (version,) = connection.execute("PRAGMA data_version").fetchone()
            return version, self._appends

    def runs(self, prefix: str = "") -> tuple[StoredRun, ...]:
        """The runs whose id begins so, the newest first."""
        rows = self._select(
            "SELECT r.run, r.started, r.goal, e.seq, e.at FROM run r JOIN event e ON e.run = r.run"
            " AND e.seq = (SELECT max(seq) FROM event WHERE run = r.run)"
            " WHERE substr(r.run, 1, length(?1)) = ?1 ORDER BY r.started DESC, r.rowid DESC",
            (prefix,),
        )
        return tuple(StoredRun(*row) for row in rows)

    def has_kind(self, kind: str) -> bool:
        """Whether any run has an event of that kind."""
        return bool(self._select("SELECT 1 FROM event WHERE kind = ?1 LIMIT 1", (kind,)))

    def runs_without_end(self, ends: Sequence[str], after: Sequence[str]) -> tuple[str, ...]:
        """The runs without an event of the kinds `ends`, or with others than `after` behind it.

        The newest first. What has verdicts alone (of the checkout) is none.
        """
        marks, others = (", ".join("?" * len(kinds)) for kinds in (ends, after))
        rows = self._select(
            "WITH ended AS"
            f" (SELECT run, max(seq) AS seq FROM event WHERE kind IN ({marks}) GROUP BY run)"
            " SELECT r.run FROM run r LEFT JOIN ended ON ended.run = r.run"
            " WHERE EXISTS (SELECT 1 FROM event e WHERE e.run = r.run"
            f" AND (ended.seq IS NULL OR e.seq > ended.seq AND e.kind NOT IN ({others})))"
            " ORDER BY r.started DESC, r.rowid DESC",
            (*ends, *after),
        )
        return tuple(str(row[0]) for row in rows)

    def recent(self, kind: str, limit: int) -> tuple[Stored, ...]:
        """The newest events of a kind over all runs, the newest first."""
        rows = self._select(
            "SELECT run, seq, at, kind, version, body FROM event WHERE kind = ?"
            " ORDER BY at DESC, run DESC, seq DESC LIMIT ?",
            (kind, limit),
        )
        return tuple(Stored(*row) for row in rows)

    def of_kinds(self, kinds: Sequence[str], run: str | None = None) -> Iterator[Stored]:
        """The events of those kinds, of one run or of all; the runs as they started, in order."""
        marks = ", ".join("?" * len(kinds))
        one = "" if run is None else " AND e.run = ?"
        rows = self._select(
            "SELECT e.run, e.seq, e.at, e.kind, e.version, e.body"
            " FROM event e JOIN run r ON r.run = e.run"
            f" WHERE e.kind IN ({marks}){one} ORDER BY r.started, r.rowid, e.seq",
            (*kinds, *([] if run is None else [run])),
        )
        yield from (Stored(*row) for row in rows)

    def load_snapshot(self, run: str) -> Snapshot | None:
        """The run's folded state; the caller says whether it knows that fold."""
        rows = self._select("SELECT seq, fold_version, body FROM snapshot WHERE run = ?", (run,))
        return Snapshot(*rows[0]) if rows else None

    def verdict(self, key: str) -> str | None:
        """The newest verdict with that key, as it was given."""
        rows = self._select(
            "SELECT body FROM verdict WHERE key = ? ORDER BY id DESC LIMIT 1", (key,)
        )
        return str(rows[0][0]) if rows else None

    def verdicts(self, tree: str, gate: str | None = None) -> tuple[StoredVerdict, ...]:
        """What gates, or that gate, said of a tree, the newest first."""
        rows = self._select(
            "SELECT key, tree, gate, outcome, body, run, at FROM verdict"
            " WHERE tree = ?1 AND (?2 IS NULL OR gate = ?2) ORDER BY id DESC",
            (tree, gate),
        )
        return tuple(StoredVerdict(*row) for row in rows)

    def recent_verdicts(self, gate: str, limit: int) -> tuple[StoredVerdict, ...]:
        """What that gate said last, over all runs, the newest first."""
        rows = self._select(
            "SELECT key, tree, gate, outcome, body, run, at FROM verdict"
            " WHERE gate = ? ORDER BY id DESC LIMIT ?",
            (gate, limit),
        )
        return tuple(StoredVerdict(*row) for row in rows)

    def faults(self) -> tuple[str, ...]:
        """What is wrong with the file, found by reading all of it; empty when nothing is."""
        try:
            damage = [row[0] for row in self._select("PRAGMA integrity_check(20)")]
            gaps = self._select(
                "SELECT run, count(*), max(seq) FROM event GROUP BY run"
                " HAVING min(seq) <> 1 OR max(seq) <> count(*)"
            )
            beats = self._select(
                "SELECT automation, count(*), max(seq) FROM beat GROUP BY automation"
                " HAVING min(seq) <> 1 OR max(seq) <> count(*)"
            )
        except LedgerCorrupt as error:
            return (str(error),)
        return (
            *(what for what in damage if what != "ok"),
            *(f"run {run}: {count} events, numbered up to {top}" for run, count, top in gaps),
            *(f"automation {a}: {count} facts, numbered up to {top}" for a, count, top in beats),
        )

    # --- inside ---------------------------------------------------------------------------

    def _select(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._turn() as connection:
            return connection.execute(statement, tuple(values)).fetchall()

    @contextmanager
    def _turn(self) -> Iterator[sqlite3.Connection]:
        if not self._turns.acquire(timeout=self._timeout_s):
            raise LedgerLocked(
                f"the ledger {self.path} stayed in use by another thread", "try again"
            )
        try:
            with explained(self.path):
                yield self._connection
        finally:
            self._turns.release()


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:  # an interrupt too must not leave the write lock behind
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _newest(connection: sqlite3.Connection, run: str) -> int:
    (newest,) = connection.execute("SELECT max(seq) FROM event WHERE run = ?", (run,)).fetchone()
    return newest or 0


def _newest_beat(connection: sqlite3.Connection, automation: str) -> int:
    (newest,) = connection.execute(
        "SELECT max(seq) FROM beat WHERE automation = ?", (automation,)
    ).fetchone()
    return newest or 0
