"""Drive a run, and change the clocks at one boundary of it.

python -m tests.faults.clock.drive FOLDER RUN CLOCK_FILE DOOR NUMBER WHEN WHAT SECONDS|stands
"""

import select
import struct
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import cast

from orchestrator.workplace import open_workplace
from tests.support.faults import Boundary, Door, Passages, When
from tests.support.project import ENVIRON

STANDS_S = 0.6


def change(file: Path, how: str) -> None:
    """Set the wall clock by so many seconds, or let the monotonic clock stand still for a while."""
    if how != "stands":
        write(file, int(float(how) * 1e9), 0, 0)
        return
    stands_at_ns = time.monotonic_ns()
    write(file, 0, 0, stands_at_ns)
    threading.Thread(target=_goes_on, args=(file, stands_at_ns), daemon=True).start()


def _goes_on(file: Path, stands_at_ns: int) -> None:
    # The kernel's own clock goes on all the while.
    select.select((), (), (), STANDS_S)
    behind_ns = -int(STANDS_S * 1e9)
    write(file, 0, behind_ns, stands_at_ns)
    write(file, 0, behind_ns, 0)


def write(file: Path, wall_ns: int, steady_ns: int, stands_at_ns: int) -> None:
    """Say what the clocks show; in place, for processes look at the file all the time."""
    with file.open("r+b") as clocks:
        clocks.write(struct.pack("=qqq", wall_ns, steady_ns, stands_at_ns))


def main(folder: Path, run: str, file: Path, boundary: Boundary, how: str) -> None:
    environ = {**ENVIRON, "ORCH_STATE_DIR": str(folder / "state")}
    workplace = open_workplace(folder / "project", environ)
    Passages(boundary, partial(change, file, how)).drive(workplace, run)


if __name__ == "__main__":
    _, where, name, clocks, door, number, when, what, how = sys.argv
    at = Boundary(cast(Door, door), int(number), cast(When, when), what)
    main(Path(where), name, Path(clocks), at, how)
