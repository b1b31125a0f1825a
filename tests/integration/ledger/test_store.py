from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ledger.schema import LedgerError, LedgerLocked
from ledger.store import PAGE_EVENTS, Moved, Snapshot, Store, StoredRun, VerdictRow
from tests.integration.ledger.support import finish, python

TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def said(text: str) -> tuple[str, int, str]:
    return "Noticed", 1, json.dumps({"what": text}, ensure_ascii=False)


def test_what_was_appended_is_read_back_in_order(store: Store) -> None:
    odd = said("naïve — 日本語 🙂 \x00 \u2028 \x1b[31m ' \" ; --")
    large = said("x" * 5_000_000)
    assert store.append("20261122-a-a1", 0, [said("one"), odd], at=10.0, goal="Größer") == 2
    assert store.append("20261122-a-a1", 2, [large], at=11.5) == 3
    events = list(store.read("20261122-a-a1"))
    assert [(e.run, e.seq, e.at) for e in events] == [
        ("20261122-a-a1", 1, 10.0),
        ("20261122-a-a1", 2, 10.0),
        ("20261122-a-a1", 3, 11.5),
    ]
    assert [(e.kind, e.version, e.body) for e in events] == [said("one"), odd, large]
    assert [e.seq for e in store.read("20261122-a-a1", after=2)] == [3]
    assert list(store.read("no-such-run")) == []
    assert store.newest("20261122-a-a1") == 3
    assert store.newest("no-such-run") == 0


def test_runs_without_an_end_are_found_however_old_they_are(store: Store) -> None:
    told = {
        "open": ("Begun", "Noted"),
        "over": ("Begun", "Ended"),
        "over-and-noted": ("Begun", "Ended", "Noted", "Noted"),
        "over-twice": ("Begun", "Ended", "Begun", "Ended"),
        "open-again": ("Begun", "Ended", "Noted", "Begun", "Noted"),
        "swept": ("Begun", "Swept"),
    }
    for at, (run, kinds) in enumerate(told.items()):
        store.append(run, 0, [(kind, 1, "{}") for kind in kinds], at=float(at))
    # What judged the checkout has verdicts, and no facts.
    store.append("checkout-1", 0, (), 9.0, [VerdictRow("k", "tree", "gate", "passed", "{}")])
    assert store.runs_without_end(("Ended", "Swept"), ("Noted",)) == ("open-again", "open")


def test_a_ledger_that_is_opened_again_still_knows(path: Path) -> None:
    with Store.open(path) as first:
        first.append("r", 0, [said("one")], at=1.0)
    with Store.open(path) as second:
        assert second.append("r", 1, [said("two")], at=2.0) == 2
        assert [json.loads(e.body)["what"] for e in second.read("r")] == ["one", "two"]
    second.close()  # once more does no harm
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_an_append_at_the_wrong_place_writes_nothing(store: Store) -> None:
    store.append("r", 0, [said("one"), said("two")], at=1.0)
    verdict = VerdictRow("key", TREE, "unit", "passed", "{}")
    for expected in (0, 1, 3):
        with pytest.raises(Moved) as moved:
            store.append("r", expected, [said("late")], 2.0, [verdict])
        assert (moved.value.run, moved.value.expected, moved.value.actual) == ("r", expected, 2)
    with pytest.raises(Moved):
        store.append("another", 1, [said("late")], 2.0)
    assert store.newest("r") == 2
    assert store.verdict("key") is None
    assert [run.run for run in store.runs()] == ["r"]


def test_an_append_is_all_or_nothing(store: Store) -> None:
    store.append("r", 0, [said("one")], at=1.0)
    bad = VerdictRow("key", TREE, "unit", "could-not-run", "{}")  # type: ignore[arg-type]
    with pytest.raises(LedgerError):
        store.append("r", 1, [said("two")], 2.0, [bad])
    with pytest.raises(ValueError):
        store.append("r", 1, [said("two"), ("Noticed", 1, "\ud800")], 2.0)
    assert store.newest("r") == 1
    assert store.append("r", 1, [], 2.0) == 1
    assert store.append("r", 1, [said("two")], 3.0) == 2


def test_an_interrupt_leaves_nothing_half_written_and_no_lock(store: Store, path: Path) -> None:
    class Interrupted(Sequence[tuple[str, int, str]]):
        def __len__(self) -> int:
            return 2

        def __getitem__(self, at: int) -> tuple[str, int, str]:  # type: ignore[override]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.append("r", 0, Interrupted(), at=1.0)
    with Store.open(path, timeout_s=0.5) as other:
        assert other.append("r", 0, [said("one")], at=1.0) == 1
    assert store.newest("r") == 1


def test_no_program_can_change_or_remove_an_event(store: Store, path: Path) -> None:
    store.append("r", 0, [said("one"), said("two")], 1.0)
    store.append("r", 2, [], 1.0, [VerdictRow("key", TREE, "unit", "failed", "{}")])
    before = list(store.read("r"))
    other = sqlite3.connect(path, isolation_level=None)
    for statement in (
        "UPDATE event SET body = '{}'",
        "DELETE FROM event WHERE seq = 2",
        "REPLACE INTO event VALUES ('r', 2, 9.0, 'Landed', 1, '{}')",
        "INSERT OR REPLACE INTO event VALUES ('r', 1, 9.0, 'Landed', 1, '{}')",
        "INSERT INTO event VALUES ('r', 4, 9.0, 'Landed', 1, '{}')",
        "INSERT INTO event VALUES ('r', NULL, 9.0, 'Landed', 1, '{}')",
        "INSERT INTO event VALUES ('r', 0, 9.0, 'Landed', 1, '{}')",
        "UPDATE verdict SET outcome = 'passed'",
        "DELETE FROM verdict",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            other.execute(statement)
    other.close()
    assert list(store.read("r")) == before
    assert store.verdicts(TREE)[0].outcome == "failed"
    assert store.faults() == ()


def test_runs_are_listed_newest_first_and_found_by_their_beginning(store: Store) -> None:
    store.append("20261122-modernise-a1", 0, [said("x")], at=10.0, goal="Modernise")
    store.append("20261123-tests-a1", 0, [said("x")], at=20.0, goal="More tests")
    store.append("20261123-tests-a2", 0, [said("x")], at=20.0)
    store.append("20261122-modernise-a1", 1, [said("x"), said("y")], at=30.0)
    assert [run.run for run in store.runs()] == [
        "20261123-tests-a2",
        "20261123-tests-a1",
        "20261122-modernise-a1",
    ]
    assert store.runs("20261122") == (
        StoredRun("20261122-modernise-a1", 10.0, "Modernise", newest=3, last_at=30.0),
    )
    assert store.runs("2026112_") == store.runs("%") == store.runs("TESTS") == ()


def test_a_follower_sees_that_something_was_written(store: Store, path: Path) -> None:
    view = Store.open_existing(path)
    assert view is not None
    with view:
        before = view.stamp(), store.stamp()
        assert before == (view.stamp(), store.stamp())
        store.append("r", 0, [said("one")], at=1.0)
        assert view.stamp() != before[0]
        assert store.stamp() != before[1]
        assert view.newest("r") == 1
        again = view.stamp()
        finish(python(WRITE_ONE, path))
        assert view.stamp() != again
        assert view.newest("r") == 2


WRITE_ONE = """
import sys; from pathlib import Path; from ledger.store import Store
with Store.open(Path(sys.argv[1])) as store:
    store.append("r", store.newest("r"), [("Noticed", 1, "{}")], 1.0)
"""


def test_a_slow_reader_sees_what_is_appended_meanwhile_and_hinders_nobody(
    store: Store, path: Path
) -> None:
    many = PAGE_EVENTS * 2
    store.append("r", 0, [said("x")] * many, at=1.0)
    reader: Iterator[object] = store.read("r")
    next(reader)
    store.append("r", many, [said("late")], at=2.0)
    other = sqlite3.connect(path)
    busy, _, _ = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    other.close()
    assert not busy
    assert sum(1 for _ in reader) == many


def test_threads_may_share_a_store(store: Store) -> None:
    def write(run: str) -> None:
        for n in range(50):
            store.append(run, n, [said(str(n))], at=float(n))
            assert store.newest(run) == n + 1

    threads = [threading.Thread(target=write, args=(f"r{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {run.newest for run in store.runs()} == {50}
    assert len(store.runs()) == 4
    assert store.faults() == ()


def test_a_thread_that_keeps_the_store_too_long_is_not_waited_for(path: Path) -> None:
    with Store.open(path, timeout_s=0.1) as store, store._turn(), pytest.raises(LedgerLocked):
        store.newest("r")


def test_a_snapshot_is_replaced_only_by_a_later_one(store: Store) -> None:
    store.append("r", 0, [said("x")] * 9, at=1.0)
    assert store.load_snapshot("r") is None
    for snapshot in (Snapshot(5, 1, b"\x00five"), Snapshot(3, 1, b"three")):
        store.save_snapshot("r", snapshot)
    assert store.load_snapshot("r") == Snapshot(5, 1, b"\x00five")
    store.save_snapshot("r", Snapshot(4, 2, b"by another fold"))
    assert store.load_snapshot("r") == Snapshot(4, 2, b"by another fold")
    store.save_snapshot("r", Snapshot(8, 1, b"by an older orch"))
    store.save_snapshot("r", Snapshot(9, 2, b"nine"))
    assert store.load_snapshot("r") == Snapshot(9, 2, b"nine")


def test_verdicts_of_all_runs_are_found_by_key_tree_and_gate(store: Store) -> None:
    def verdict(key: str, gate: str, outcome: str) -> VerdictRow:
        return VerdictRow(key, TREE, gate, outcome, f'{{"of":"{key}"}}')  # type: ignore[arg-type]

    store.append("a", 0, [said("x")], 1.0, [verdict("k1", "unit", "failed")])
    store.append("b", 0, [said("x")], 2.0, [verdict("k2", "lint", "passed")])
    store.append("b", 1, [said("x")], 3.0, [verdict("k1", "unit", "passed")])
    assert store.verdict("k1") == '{"of":"k1"}'
    assert store.verdict("k3") is None
    assert [(v.run, v.gate, v.outcome) for v in store.verdicts(TREE)] == [
        ("b", "unit", "passed"),
        ("b", "lint", "passed"),
        ("a", "unit", "failed"),
    ]
    assert [v.at for v in store.verdicts(TREE, "unit")] == [3.0, 1.0]
    assert store.verdicts("f" * 40) == ()
    assert [v.outcome for v in store.recent_verdicts("unit", 1)] == ["passed"]


def test_the_newest_events_of_a_kind_come_from_all_runs(store: Store) -> None:
    store.append("a", 0, [("AttemptFinished", 1, "1"), said("x")], 1.0)
    store.append("b", 0, [("AttemptFinished", 1, "2"), ("AttemptFinished", 1, "3")], 5.0)
    store.append("a", 2, [("AttemptFinished", 1, "4")], 3.0)
    assert [e.body for e in store.recent("AttemptFinished", 9)] == ["3", "2", "4", "1"]
    assert [e.body for e in store.recent("AttemptFinished", 2)] == ["3", "2"]
    assert store.recent("Landed", 5) == ()
