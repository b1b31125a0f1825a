"""Drive a run in a process of its own, so that what it writes can be recorded.

python -m tests.faults.power.drive FOLDER RUN
"""

import sys
from pathlib import Path

import anyio

from orchestrator.engine import drive
from orchestrator.workplace import open_workplace
from tests.support.project import ENVIRON


def main(folder: Path, run: str) -> None:
    environ = {**ENVIRON, "ORCH_STATE_DIR": str(folder / "state")}
    workplace = open_workplace(folder / "project", environ)
    with workplace.store() as store:
        anyio.run(drive, workplace, store, run)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
