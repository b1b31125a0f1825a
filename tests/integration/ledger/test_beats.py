"""The facts of automations in the ledger's file: added in order, compared first, never changed."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from ledger import heartbeat as h
from ledger.store import Moved, Store
from orchestrator.automations.beats import Beats, load_heartbeat
from orchestrator.errors import OrchError

ROW = ("Triggered", 1, '{"trigger":{}}')


def test_what_is_appended_is_read_in_order_and_each_automation_has_its_own(path: Path) -> None:
    with Store.open(path) as store:
        assert store.append_beats("a", 0, [ROW, ROW], 1.0) == 2
        assert store.append_beats("b", 0, [ROW], 2.0) == 1
        assert store.append_beats("a", 2, [ROW], 3.0) == 3
        assert [(one.seq, one.at) for one in store.beats("a")] == [(1, 1.0), (2, 1.0), (3, 3.0)]
        assert [one.seq for one in store.beats("a", after=2)] == [3]
        assert store.newest_beat("b") == 1 and store.newest_beat("c") == 0
        assert set(store.automations()) == {"a", "b"}
        assert store.runs() == () and store.faults() == ()


def test_who_is_late_appends_nothing(path: Path) -> None:
    with Store.open(path) as store, Store.open(path) as other:
        other.append_beats("a", 0, [ROW], 1.0)
        with pytest.raises(Moved, match="automation a is at event 1, not at 0"):
            store.append_beats("a", 0, [ROW], 2.0)
        assert store.newest_beat("a") == 1


def test_nothing_is_ever_changed_or_deleted_or_put_between(path: Path) -> None:
    with Store.open(path) as store:
        store.append_beats("a", 0, [ROW, ROW], 1.0)
    connection = sqlite3.connect(path)
    for statement in (
        "DELETE FROM beat",
        "UPDATE beat SET at = 5",
        "INSERT INTO beat VALUES ('a', 5, 1.0, 'Triggered', 1, '{}')",
        "INSERT INTO beat VALUES ('a', 2, 1.0, 'Triggered', 1, '{}')",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(statement)
    connection.close()


def test_a_gap_is_a_fault(path: Path) -> None:
    with Store.open(path) as store:
        store.append_beats("a", 0, [ROW, ROW], 1.0)
    connection = sqlite3.connect(path)
    connection.execute("DROP TRIGGER beat_stays")
    connection.execute("DELETE FROM beat WHERE seq = 1")
    connection.commit()
    connection.close()
    with Store.open(path) as store:
        assert store.faults() == ("automation a: 1 facts, numbered up to 2",)


def test_many_who_write_at_once_lose_nothing(path: Path) -> None:
    def writes() -> None:
        with Store.open(path) as store:
            beats = Beats(store, "a")
            for _ in range(10):
                beats.append(h.Triggered(trigger=h.Trigger(cause="watch")))

    with Store.open(path):
        threads = [threading.Thread(target=writes) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with Store.open(path) as store:
        assert load_heartbeat(store, "a").seq == 40


def test_what_was_decided_on_an_older_state_is_decided_anew(path: Path) -> None:
    with Store.open(path) as store, Store.open(path) as other:
        beats, late = Beats(store, "a"), []
        Beats(other, "a").append(h.Triggered(trigger=h.Trigger(paths=("x",))))

        def made(state: object) -> tuple[h.Beat, ...]:
            late.append(state)
            return (h.TriggersDropped(reason="nothing", why="w"),)

        assert beats.decide(made).waiting is None
        assert [one.seq for one in late] == [0, 1]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (("Teleported", 1, "{}"), "comes from a newer orch"),
        (("Triggered", 1, "{"), "makes no sense"),
        (("FiringSettled", 1, '{"outcome":"done","exit_code":0}'), "does not add up at 1"),
    ],
)
def test_a_stream_that_cannot_be_read_is_told_in_words(
    path: Path, row: tuple[str, int, str], words: str
) -> None:
    with Store.open(path) as store:
        store.append_beats("a", 0, [row], 1.0)
        with pytest.raises(OrchError, match=words) as raised:
            load_heartbeat(store, "a")
    assert raised.value.hint
