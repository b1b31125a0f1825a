"""The power fails at any moment of a run: what the ledger speaks of is there, and the run goes on.

What the engine, its git and its database do to the disk is recorded; a disk that loses all that
was not synced is rebuilt as of many moments, in place of the real one, and the run is resumed.
`make test` looks at a few moments around syncs, ORCH_FAULTS=all at sixty of each scenario.
"""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.store import Store
from tests.faults.power.disk import Disk, Names, load_operations, syncs
from tests.faults.test_kill import Scenario, all_land, red_gate_and_retry
from tests.support.invariants import check_run
from tests.support.project import ENVIRON, Project

FULL = os.environ.get("ORCH_FAULTS") == "all"
MOMENTS = 60 if FULL else 4
SEED = int(os.environ.get("ORCH_FIRST_SEED", "0"))
HERE = Path(__file__).parent / "power"
COMPILER = shutil.which("cc")

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="recording needs Linux's loader"),
    pytest.mark.skipif(COMPILER is None, reason="recording needs a C compiler"),
]


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("recorder") / "recorder.so"
    words = (str(COMPILER), "-shared", "-fPIC", "-O1", "-o", str(library), str(HERE / "recorder.c"))
    subprocess.run((*words, "-ldl"), check=True, capture_output=True, timeout=60)
    return library


@pytest.mark.parametrize("names", ["kept", "lost"])
@pytest.mark.parametrize("scenario", [all_land, red_gate_and_retry], ids=lambda s: s.__name__)
@pytest.mark.sample(1)
def test_a_run_survives_that_the_power_fails(
    scenario: Scenario, names: Names, recorder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    project, run = scenario(folder)
    disk, log = Disk.of(folder), tmp_path / "log"
    done = subprocess.run(
        (sys.executable, "-m", "tests.faults.power.drive", str(folder), run),
        cwd=Path(__file__).parents[2],
        env={
            **os.environ,
            **ENVIRON,
            "LD_PRELOAD": str(recorder),
            "POWER_ROOT": f"{folder}/",
            "POWER_LOG": str(log),
        },
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    expected = project.result(run)
    operations = load_operations(log)
    moments = chosen(len(operations), [m for at in syncs(operations) for m in (at - 1, at)])
    applied = 0
    for moment in moments:
        for one in operations[applied:moment]:
            disk.apply(one)
        applied = moment
        disk.after_power_failed(folder, names)
        try:
            resumes(project, run, expected)
        except Exception as error:
            error.add_note(f"after operation {moment} of {len(operations)}, names {names}")
            error.add_note(f"ORCH_FIRST_SEED={SEED}")
            raise
    print(f"{scenario.__name__}, names {names}: {len(moments)} moments of {len(operations)}")


def chosen(count: int, around_syncs: list[int]) -> list[int]:
    """Moments around syncs and others, spread over the run."""
    rng = random.Random(SEED)
    others = rng.sample(range(1, count), min(count - 1, MOMENTS // 4))
    at_most = MOMENTS - len(others)
    around = sorted({at for at in around_syncs if at > 0})
    step = max(1, len(around) // at_most)
    return sorted({*around[rng.randrange(step) :: step], *others})


def resumes(project: Project, run: str, expected: dict[str, str]) -> None:
    """The ledger is sound, what it says of the result is there, and the run ends as it would."""
    with project.store() as store:
        is_sound(store)
    before = project.state(run)
    if before.landings:
        tip = project.git("rev-parse", f"refs/orch/{run}/tip")
        landed = before.landings[-1].commit
        project.git("merge-base", "--is-ancestor", landed, tip)
    for task in before.tasks.values():
        for attempt in task.attempts:
            if attempt.head:
                project.git("cat-file", "-e", f"{attempt.head}^{{tree}}")
    state = project.drive(run)
    check_run(project, state)
    assert all(task.status == "landed" for task in state.tasks.values())
    assert project.result(run) == expected


def is_sound(store: Store) -> None:
    row = store._connection.execute("PRAGMA integrity_check").fetchone()
    assert row == ("ok",), row
