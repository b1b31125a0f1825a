"""Whole runs in which a worker breaks what orch stands on."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ledger.state import RunState
from tests.attacks.runs.attack import Attack, Attacked
from tests.attacks.runs.spoilt import EVIL, SPOILT, Spoil
from tests.faults.scenarios import FULL, spread
from tests.faults.test_git_calls import IN_WORDS, try_what_is_held_again
from tests.support.invariants import processes
from tests.support.project import Project, task

ONCE = 'mkdir "$OUT/../done" 2>/dev/null && '
"""A second try of the worker finds everything as the first left it, and works."""
pytestmark = pytest.mark.timeout(1800 if FULL else 300)


@pytest.mark.parametrize("group", SPOILT)
@pytest.mark.sample(2)
def test_what_a_worker_breaks_is_not_obeyed_and_can_be_mended(tmp_path: Path, group: str) -> None:
    quick = [one for one in SPOILT[group] if FULL or not one.slow]
    for spoil in spread(quick, 2, f"spoilt, {group}"):
        try:
            breaks(spoil, tmp_path / spoil.name)
        except BaseException as error:
            error.add_note(f"{group}: {spoil.name}")
            raise
        shutil.rmtree(tmp_path / spoil.name, ignore_errors=True)


def breaks(spoil: Spoil, folder: Path) -> None:
    attack = Attack(spoil.name, f"{ONCE}{{ {EVIL}{spoil.script}; }}; echo x > x")
    attacked = Attacked(folder, (attack,), "none", looks=False)
    project = attacked.project
    project.commit({"attacks/after.sh": "echo x > after\n"}, "another worker")
    attacked.begin()
    run = project.start(*attacked.tasks(), task("after", paths=(), needs=(spoil.name,)))
    state = drives(attacked, run)
    attacked.check_harmless()
    assert not list(processes(project.root.parent)), "L5: a process is left"
    if spoil.lost:
        assert state is None or says_damaged(project), "nothing is said of it"
        return
    if state is None or state.finished is None or state.finished.exit_code:
        mend(attacked, spoil.mends, run)
        try_what_is_held_again(project, run)
        state = project.drive(run)
    mend(attacked, spoil.tidies, run)
    attacked.check_harmless()
    landed = attacked.result(run) - attacked.result(state.started.base, ref="")
    assert landed == {f"{spoil.name}/x".encode(), b"after"}, (state.finished, landed)
    attacked.forgive_refs()
    attacked.check_laws(state)


def drives(attacked: Attacked, run: str) -> RunState | None:
    """Drive it; None where the engine ended in words."""
    try:
        return attacked.project.drive(run)
    except IN_WORDS as error:
        print(f"  in words: {error}")
        return None


def says_damaged(project: Project) -> bool:
    with project.store() as store:
        return bool(store.faults())


def mend(attacked: Attacked, by: str, run: str) -> None:
    """As a person does who puts everything back."""
    attacked.heal()
    attacked.heal_objects()
    names = {
        "COMMON": str(attacked.project.root / ".git"),
        "BASE": attacked.things["refs"].split()[1],
        "TIP": f"refs/orch/{run}/tip",
        "RESULT": f"refs/heads/orch/{run}/result",
    }
    subprocess.run(
        ("sh", "-c", by),
        cwd=attacked.project.root,
        env=attacked.project.environ | names,
        capture_output=True,
        check=False,
    )
