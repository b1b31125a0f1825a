"""Drive a run in a process of its own that kills itself at one boundary.

    python -m tests.support.killed FOLDER RUN NUMBER before|after

Just before, or just after, the ledger has the fact of that number, the process is gone: no
handler, no clean-up, as when the power of the machine fails for this one process.
"""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import anyio

from ledger.store import Store, VerdictRow
from orchestrator.engine import drive
from orchestrator.workplace import open_workplace
from tests.support.project import ENVIRON


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Dying(Store):
    """A store whose process dies around one append."""

    number: int
    when: str

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
        here = expected < self.number <= expected + len(rows)
        if here and self.when == "before":
            die()
        newest = super().append(run, expected, rows, at, verdicts, goal=goal)
        if here and self.when == "after":
            die()
        return newest


def main(folder: Path, run: str, number: int, when: str) -> None:
    environ = {**ENVIRON, "ORCH_STATE_DIR": str(folder / "state")}
    workplace = open_workplace(folder / "project", environ)
    store = Dying.open(workplace.place.ledger)
    assert isinstance(store, Dying)
    store.number, store.when = number, when
    anyio.run(drive, workplace, store, run)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4])
