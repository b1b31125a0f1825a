"""SIGKILL of the engine at its boundaries: the next engine ends in the same tree.

`make test` runs a spread sample; with ORCH_FAULTS=all every boundary of every scenario.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.state import RunState
from orchestrator.journal import load_state
from tests.support.invariants import check_run
from tests.support.project import Project, task

FULL = os.environ.get("ORCH_FAULTS") == "all"
EVERY = 1 if FULL else 13

Scenario = Callable[[Path], tuple[Project, str]]


def all_land(folder: Path) -> tuple[Project, str]:
    project = Project(folder)
    project.does('[[step]]\nwrite = { "{task}.txt" = "by {task}\\n" }\n')
    return project, project.start(task("a"), task("b"), task("c", needs=("a",)))


def red_gate_and_retry(folder: Path) -> tuple[Project, str]:
    project = Project(folder, {"test.sh": "! grep -q broken *.txt\n", "x.txt": "fine\n"})
    project.does(
        """
        [[step]]
        unless_feedback = ""
        write = { "a.txt" = "broken" }
        [[step]]
        if_feedback = ""
        write = { "a.txt" = "mended" }
        """
    )
    return project, project.start(task("a"))


def conflict(folder: Path) -> tuple[Project, str]:
    project = Project(folder, {"test.sh": "exit 0\n", "shared.txt": "base\n"})
    project.does(
        """
        [[step]]
        task = "first"
        write = { "shared.txt" = "first\\n" }
        [[step]]
        task = "second"
        sleep_s = 0.3
        write = { "shared.txt" = "second\\n" }
        """
    )
    tasks = (task("first", paths=()), task("second", paths=(), needs=()))
    return project, project.start(*tasks)


def red_together(folder: Path) -> tuple[Project, str]:
    gate = 'test ! -e caller.txt || test "$(cat caller.txt)" = "$(cat name.txt)"\n'
    project = Project(folder, {"test.sh": gate, "name.txt": "old\n"})
    project.does(
        """
        [[step]]
        task = "rename"
        write = { "name.txt" = "new" }
        [[step]]
        task = "caller"
        unless_feedback = ""
        sleep_s = 0.3
        write = { "caller.txt" = "old" }
        [[step]]
        task = "caller"
        if_feedback = ""
        write = { "caller.txt" = "new" }
        """
    )
    tasks = (task("rename", paths=("name.txt",)), task("caller", paths=("caller.txt",)))
    return project, project.start(*tasks)


SCENARIOS: tuple[Scenario, ...] = (all_land, red_gate_and_retry, conflict, red_together)
DETERMINISTIC = (all_land, red_gate_and_retry)
"""Where the result does not depend on which of two tasks comes first."""


def die_at(project: Project, run: str, number: int, when: str) -> int:
    """Drive until the boundary; the process's exit code."""
    done = subprocess.run(
        (
            *(sys.executable, "-m", "tests.support.killed"),
            *(str(project.root.parent), run, str(number), when),
        ),
        cwd=Path(__file__).parents[2],
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
    return done.returncode


def boundaries(scenario: Scenario, folder: Path) -> tuple[int, dict[str, str]]:
    """How many facts an unharmed run has, and what it ends in."""
    project, run = scenario(folder)
    state = project.drive(run)
    check_run(project, state)
    return state.seq, project.result(run)


def ends_well(project: Project, run: str) -> RunState:
    state = project.drive(run)
    check_run(project, state)
    assert state.finished
    return state


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.__name__)
def test_a_killed_engine_is_resumed_to_the_same_end(scenario: Scenario, tmp_path: Path) -> None:
    count, expected = boundaries(scenario, tmp_path / "unharmed")
    cases = [(n, when) for n in range(2, count + 1) for when in ("before", "after")]
    killed = 0
    for number, when in cases[:: EVERY if not FULL else 1]:
        folder = tmp_path / f"{number}-{when}"
        folder.mkdir()
        project, run = scenario(folder)
        killed += die_at(project, run, number, when) != 0
        state = ends_well(project, run)
        assert all(s.status == "landed" for s in state.tasks.values()), (number, when)
        if scenario in DETERMINISTIC:
            assert project.result(run) == expected, (number, when)
        shutil.rmtree(folder)
    print(f"{scenario.__name__}: {killed} kills at {count} boundaries")
    assert killed


@pytest.mark.parametrize("scenario", SCENARIOS[: None if FULL else 2], ids=lambda s: s.__name__)
def test_a_second_crash_while_resuming_changes_nothing(scenario: Scenario, tmp_path: Path) -> None:
    count, _ = boundaries(scenario, tmp_path / "unharmed")
    step = 3 if FULL else 20
    for number in range(3, count, step):
        for later in range(1, 8, 2 if FULL else 4):
            folder = tmp_path / f"{number}-{later}"
            folder.mkdir()
            project, run = scenario(folder)
            die_at(project, run, number, "after")
            with project.store() as store:
                seq = load_state(store, run).seq
            die_at(project, run, seq + later, "before" if later % 2 else "after")
            state = ends_well(project, run)
            assert all(s.status == "landed" for s in state.tasks.values()), (number, later)
            shutil.rmtree(folder)
