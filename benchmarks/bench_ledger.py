"""The ledger's storage against the least that the same guarantee costs, both in turn."""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.rows import Row, print_table
from ledger.store import Store

EVENT = json.dumps({"task": "types-core", "attempt": 2, "lines": ["x" * 60] * 6})


def appending(folder: Path, events: int, times: int) -> tuple[float, float]:
    """Median seconds of one append, and of write plus fdatasync of the same bytes."""
    plain = os.open(folder / f"plain-{events}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    rows = [("RoundFinished", 1, EVENT)] * events
    content = (EVENT + "\n").encode() * events
    seq = 0
    with Store.open(folder / f"ledger-{events}.sqlite") as store:

        def append() -> None:
            nonlocal seq
            seq = store.append("20261122-bench-a1", seq, rows, time.time())

        def write() -> None:
            os.write(plain, content)
            os.fdatasync(plain)

        try:
            return in_turn(append, write, times)
        finally:
            os.close(plain)


def viewing(folder: Path, times: int) -> tuple[float, float]:
    """Median seconds to open a view and list the runs, and of a bare connection for the same."""
    path = folder / "view.sqlite"
    with Store.open(path) as store:
        for n in range(50):
            store.append(f"20261122-bench-a{n}", 0, [("RunStarted", 1, EVENT)] * 200, float(n))

    def view() -> None:
        store = Store.open_existing(path)
        assert store is not None
        with store:
            assert len(store.runs()) == 50

    def bare() -> None:
        connection = sqlite3.connect(path)
        found = connection.execute(
            "SELECT run, started, goal, (SELECT max(seq) FROM event WHERE run = r.run) FROM run r"
        ).fetchall()
        connection.close()
        assert len(found) == 50

    return in_turn(view, bare, times)


def in_turn(
    ours: Callable[[], None], theirs: Callable[[], None], times: int
) -> tuple[float, float]:
    """Median seconds of each, run alternately so that both meet the same machine."""
    took: tuple[list[float], list[float]] = ([], [])
    for n in range(times + 10):
        for side, work in enumerate((ours, theirs)):
            began = time.perf_counter()
            work()
            if n >= 10:  # the first rounds fill caches
                took[side].append(time.perf_counter() - began)
    return statistics.median(took[0]), statistics.median(took[1])


def rows(folder: Path | None = None) -> list[Row]:
    """The figures; `folder` decides which file system is measured."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="orch-bench-") as name:
        place = Path(name)
        return [
            _row("append one event / write + fdatasync", appending(place, 1, 1500), 2.5),
            _row("append 50 events / write + fdatasync", appending(place, 50, 300), 2.5),
            _row("open a view, list 50 runs / bare sqlite3", viewing(place, 200), 2.0),
        ]


def _row(name: str, seconds: tuple[float, float], target: float) -> Row:
    ours, theirs = seconds
    ratio = ours / theirs
    return Row(
        name, f"{ours * 1e3:.3f} ms", f"{theirs * 1e3:.3f} ms", ratio, target, ratio <= target
    )


if __name__ == "__main__":
    print_table(rows())
