"""Looking at a ledger: nothing is made, nobody is hindered, no room is needed."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger.schema import LedgerFull, LedgerUnwritable
from ledger.store import Store
from tests.integration.ledger.support import as_ordinary_user, fingerprint, finish, python, sealed
from tests.integration.ledger.test_store import said


def test_a_view_makes_nothing(path: Path) -> None:
    assert Store.open_existing(path) is None
    assert not path.parent.exists()
    path.parent.mkdir()
    path.touch()  # what a crash in the very first moment leaves
    assert Store.open_existing(path) is None
    assert Store.open_existing(path / "below-a-file") is None
    assert fingerprint(path.parent).keys() == {path.name}
    with Store.open(path) as store:
        assert store.runs() == ()


def test_a_view_reads_beside_a_writer_and_cannot_write(store: Store, path: Path) -> None:
    store.append("r", 0, [said("one")], at=1.0)
    view = Store.open_existing(path)
    assert view is not None
    with view:
        with pytest.raises(LedgerUnwritable):
            view.append("r", 1, [said("two")], at=2.0)
        store.append("r", 1, [said("two")], at=2.0)
        assert view.newest("r") == 2


WRITE_AND_DIE = """
import os, signal, sys; from pathlib import Path; from ledger.store import Store
store = Store.open(Path(sys.argv[1]))
store.append("r", 0, [("Noticed", 1, "{}")] * 3, 1.0)
os.kill(os.getpid(), signal.SIGKILL)
"""
WRITE_AND_STAY = """
import sys; from pathlib import Path; from ledger.store import Store
with Store.open(Path(sys.argv[1])) as store:
    print(store.append("r", 3, [("Noticed", 1, "{}")], 2.0))
    sys.stdin.read()
"""


def killed_writer(path: Path) -> None:
    """Three events, written by somebody who was killed then: they are in the log only."""
    python(WRITE_AND_DIE, path).communicate(timeout=30)
    assert log_of(path).stat().st_size


def log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def test_a_view_sees_what_a_killed_engine_had_written(path: Path) -> None:
    killed_writer(path)
    view = Store.open_existing(path)
    assert view is not None
    with view:
        assert view.newest("r") == 3


def test_a_ledger_in_a_read_only_folder_can_be_viewed_but_not_opened(path: Path) -> None:
    with Store.open(path) as store:
        store.append("r", 0, [said("one")], at=1.0, goal="Look")

    with sealed((path, "ledger.sqlite")) as folder:
        before = fingerprint(folder)

        def view() -> object:
            store = Store.open_existing(folder / "ledger.sqlite")
            assert store is not None
            with store:
                return store.runs()[0].goal, [json.loads(e.body) for e in store.read("r")]

        assert as_ordinary_user(view) == "('Look', [{'what': 'one'}])"

        def write() -> object:
            with Store.open(folder / "ledger.sqlite") as store:
                return store.append("r", 1, [said("two")], at=2.0)

        assert as_ordinary_user(write).startswith("raised LedgerUnwritable")
        made = as_ordinary_user(lambda: Store.open(folder / "new" / "ledger.sqlite"))
        assert made.startswith("raised LedgerUnwritable")
        assert str(folder / "new") in made
        assert fingerprint(folder) == before


# --- no room ---------------------------------------------------------------------------------


@contextmanager
def no_room() -> Iterator[None]:
    """No file of this process may grow as far as SQLite's shared index does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def counted(view: Store) -> int:
    return sum(1 for _ in view.read("r"))


@pytest.mark.parametrize("ended", ["in order", "killed"])
def test_a_view_needs_no_room(path: Path, ended: str) -> None:
    killed_writer(path)
    if ended == "in order":
        Store.open(path).close()
        assert not log_of(path).exists()
    before = fingerprint(path.parent)
    with no_room():
        view = Store.open_existing(path)
        assert view is not None
        with view:
            assert (counted(view), view.runs()[0].newest, view.faults()) == (3, 3, ())
            with pytest.raises((LedgerUnwritable, LedgerFull)):
                view.append("r", 3, [said("two")], at=2.0)
    after = fingerprint(path.parent)
    kept = ("ledger.sqlite", "ledger.sqlite-wal")
    assert {name: after[name] for name in kept if name in before} == {
        name: before[name] for name in kept if name in before
    }
    with Store.open(path) as store:
        assert store.append("r", 3, [said("two")], at=2.0) == 4


@pytest.mark.parametrize("ended", ["in order", "killed"])
def test_a_view_without_room_sees_what_others_write_meanwhile(path: Path, ended: str) -> None:
    killed_writer(path)
    if ended == "in order":
        Store.open(path).close()
    with no_room():
        view = Store.open_existing(path)
    assert view is not None
    with view:
        stamp = view.stamp()
        assert counted(view) == 3
        writer = python(WRITE_AND_STAY, path)
        assert writer.stdout is not None
        assert writer.stdout.readline() == "4\n"
        with no_room():
            assert counted(view) == 4 and view.stamp() != stamp
        assert finish(writer) == ""
        with no_room():
            assert counted(view) == 4


def test_without_room_nothing_is_written(path: Path) -> None:
    killed_writer(path)
    with no_room(), pytest.raises(LedgerFull):
        Store.open(path)
    with Store.open(path) as store:
        assert store.append("r", 3, [said("two")], at=2.0) == 4
