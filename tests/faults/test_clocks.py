"""A laptop that slept, and clocks that jump: what is recorded is legal, and nothing waits for ever.

The clocks are changed at a boundary of the run, under the engine and all that it starts. A machine
that sleeps is a wall clock that jumps forth: the monotonic clock does not count the sleep.
"""

import os
import random
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator.driven import driven
from orchestrator.review.report import render_report
from orchestrator.start import RunOptions
from tests.faults.scenarios import FULL, SEED, Template, all_land, does, spread
from tests.faults.test_kill import boundaries
from tests.support.faults import Boundary
from tests.support.project import ENVIRON, Project, task

HERE = Path(__file__).parent / "clock"
COMPILER = shutil.which("cc")
HOUR_S = 3600.0
CHANGES = {
    "slept for a night": f"{8 * HOUR_S}",
    "slept for a year": f"{365 * 24 * HOUR_S}",
    "set back an hour": f"{-HOUR_S}",
    "set back to the last century": f"{-30 * 365 * 24 * HOUR_S}",
    "the monotonic clock stands": "stands",
}

pytestmark = [
    pytest.mark.timeout(3600 if FULL else 300),
    pytest.mark.skipif(sys.platform != "linux", reason="changing clocks needs Linux's loader"),
    pytest.mark.skipif(COMPILER is None, reason="changing clocks needs a C compiler"),
]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("clock") / "clock.so"
    words = (str(COMPILER), "-shared", "-fPIC", "-O1", "-o", str(made), str(HERE / "clock.c"))
    subprocess.run((*words, "-ldl"), check=True, capture_output=True, timeout=60)
    return made


def drive_while(project: Project, run: str, library: Path, at: Boundary, how: str) -> None:
    """Drive a run in a process whose clocks change there."""
    clocks = project.root.parent / "clocks"
    clocks.write_bytes(struct.pack("=qqq", 0, 0, 0))
    done = subprocess.run(
        (
            *(sys.executable, "-m", "tests.faults.clock.drive", str(project.root.parent), run),
            *(str(clocks), at.door, str(at.number), at.when, at.what, how),
        ),
        cwd=Path(__file__).parents[2],
        env={**os.environ, **ENVIRON, "LD_PRELOAD": str(library), "CLOCK_FILE": str(clocks)},
        capture_output=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    clocks.unlink()


@pytest.mark.thorough
def test_clocks_that_jump_under_a_run(library: Path, tmp_path: Path) -> None:
    template = Template(all_land, tmp_path)
    rng = random.Random(f"{SEED} clocks")
    some = rng.sample(boundaries(template), 4)
    cases = [(change, boundary) for change in CHANGES for boundary in some]
    for change, boundary in spread(cases, 2, "clocks"):
        project = template.copy()
        try:
            drive_while(project, template.run, library, boundary, CHANGES[change])
            state = project.state(template.run)
            assert state.finished and state.finished.exit_code == 0, state.finished
            says_no_time_below_zero(project, template.run)
            template.ends_well(project)
        except BaseException as error:
            error.add_note(f"{change} at {boundary} (ORCH_FIRST_SEED={SEED})")
            raise


def says_no_time_below_zero(project: Project, run: str) -> None:
    state = project.state(run)
    with project.store() as store:
        took = driven(store, run, state, alive=False)
    now = time.time()
    assert took.spent_s >= 0 and took.until(now) >= 0
    report = render_report(state, False, now, driven=took)
    assert " -" not in "".join(line for line in report.splitlines() if "took" in line), report


def test_a_night_past_the_deadline_ends_the_run_in_order(library: Path, tmp_path: Path) -> None:
    """Nothing is lost by it, and with a later deadline it goes on."""
    project = Project(tmp_path)
    does(project, 'echo "by $ORCH_TASK" > "$ORCH_TASK.txt"')
    options = RunOptions(deadline=time.time() + HOUR_S)
    run = project.start(task("a"), task("b", needs=("a",)), options=options)
    drive_while(project, run, library, Boundary("ledger", 6, "after"), f"{8 * HOUR_S}")
    state = project.state(run)
    assert state.finished and state.finished.exit_code == 4, state.finished
    state = project.drive(run)  # in the morning the clock was right after all
    assert {one.status for one in state.tasks.values()} == {"landed"}
