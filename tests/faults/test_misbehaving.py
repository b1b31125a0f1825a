"""Workers, gates and set-ups that hang, bomb, flood, crash, and leave daemons.

Whatever they do, the run ends, says of each what it did, and nothing of them is left.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ledger import events as e
from ledger.model import CommandWorker, Gate, Preparation, SandboxMode
from tests.faults.misbehaving import ALL, Misbehaviour
from tests.faults.scenarios import FULL, spread
from tests.support.invariants import check_run, processes, things
from tests.support.project import Project, task
from tests.support.sandboxed import needs_sandbox

pytestmark = pytest.mark.timeout(1800 if FULL else 300)
SANDBOXES = ("none", pytest.param("bubblewrap", marks=needs_sandbox))
HANGS_S, PATIENT_S = 1.5, 60.0
"""For those that hang, and for those that do not."""
WORKS = 'echo "by $ORCH_TASK" > "$ORCH_TASK.txt"'
QUICK = tuple(one for one in ALL if FULL or not one.slow)


def cases(count: int, name: str, sandbox: SandboxMode, of: tuple[Misbehaviour, ...] = QUICK):
    return spread(of, count if sandbox == "none" else max(1, count // 2), f"{name}, {sandbox}")


def project_of(folder: Path, sandbox: SandboxMode, scripts: dict[str, str], worker: str) -> Project:
    project = Project(folder, {"test.sh": "exit 0\n", "readme": "hello\n", **scripts})
    project.sandbox = sandbox
    workers = {
        name: CommandWorker(kind="command", command=worker, timeout_s=timeout_s)
        for name, timeout_s in (("sh", PATIENT_S), ("hangs", HANGS_S))
    }
    project.more_settings |= {"worker": "sh", "workers": workers}
    return project


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_workers_that_misbehave(tmp_path: Path, sandbox: SandboxMode) -> None:
    chosen = cases(8, "workers", sandbox)
    scripts = {f"do/{one.name}.sh": f"{WORKS}\n{one.script}\n" for one in chosen}
    project = project_of(tmp_path, sandbox, scripts, 'exec sh "do/$ORCH_TASK.sh"')
    before = things(project)
    by = {True: "hangs", False: "sh"}
    tasks = [task(one.name, paths=(), worker=by[one.hangs]) for one in chosen]
    state = project.drive(project.start(*tasks, attempts=1, rounds=1, parallel=4))
    wrong = {}
    for one in chosen:
        status = state.tasks[one.name].status
        if (status == "landed") != one.does_work:
            last = state.tasks[one.name].last
            wrong[one.name] = (status, last and last.finished and last.finished.why)
    assert not wrong, wrong
    for one in chosen:
        if one.hangs:
            finished = state.tasks[one.name].last.finished
            assert finished.cause == "timeout", (one.name, finished)
    check_run(project, state, before)


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_gates_that_misbehave(tmp_path: Path, sandbox: SandboxMode) -> None:
    """Each judges the work of one task; the base is none of its business."""
    chosen = cases(6, "gates", sandbox)
    scripts = {f"do/{one.name}.sh": f"{one.script}\n" for one in chosen}
    project = project_of(tmp_path, sandbox, scripts, WORKS)
    gates = [
        Gate(
            name=one.name,
            command=f'test ! -e {one.name}.txt || exec sh "do/{one.name}.sh"',
            stage="check",
            when="named",
            timeout_s=HANGS_S if one.hangs else PATIENT_S,
        )
        for one in chosen
    ]
    project.gates = (*project.gates, *gates)
    before = things(project)
    tasks = [task(one.name, paths=(), gates=(one.name,)) for one in chosen]
    state = project.drive(project.start(*tasks, attempts=1, rounds=1, parallel=4))
    said = {
        fact.verdict.gate: fact.verdict
        for fact in project.facts(state.run)
        if isinstance(fact, e.RoundGateJudged)
    }
    wrong = {one.name: said.get(one.name) for one in chosen if said[one.name].outcome != one.gate}
    assert not wrong, wrong
    for one in chosen:
        landed = state.tasks[one.name].status == "landed"
        assert landed == (one.gate == "passed"), one.name
        verdict = said[one.name]
        text = "".join((verdict.why, *verdict.lines))
        assert all(char.isprintable() for char in text) and len(text) < 100_000, one.name
    check_run(project, state, before)


LAND = tuple(one for one in QUICK if not one.slow)


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_a_land_gate_that_misbehaves_lands_nothing_that_it_did_not_pass(
    tmp_path: Path, sandbox: SandboxMode
) -> None:
    for one in cases(1, "land gates", sandbox, LAND):
        folder = tmp_path / one.name
        project = project_of(folder, sandbox, {"do.sh": f"{one.script}\n"}, WORKS)
        gate = Gate(name="suite", command="test ! -e a.txt || exec sh do.sh")
        gate = gate.model_copy(update={"timeout_s": HANGS_S if one.hangs else PATIENT_S})
        project.gates = (gate,)
        before = things(project)
        state = project.drive(project.start(task("a"), attempts=1))
        status = state.tasks["a"].status
        wanted = {"passed": "landed", "failed": "failed", "could-not-run": "held"}[one.gate]
        assert status == wanted, (one.name, status, state.finished)
        check_run(project, state, before)


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_a_set_up_that_misbehaves_is_nobodys_fault(tmp_path: Path, sandbox: SandboxMode) -> None:
    """One that fails, fails for everybody: no task is blamed, and a person is told."""
    # What a set-up leaves in the tree is not ignored here, and so is a change.
    able = tuple(one for one in LAND if not one.hangs and one.name != "leaves-a-writer")
    for one in cases(1, "set-ups", sandbox, able):
        folder = tmp_path / one.name
        project = project_of(folder, sandbox, {"do.sh": f"{one.script}\n"}, WORKS)
        project.more_settings |= {"preparation": Preparation(setup=("sh do.sh",))}
        before = things(project)
        state = project.drive(project.start(task("a"), attempts=1))
        works = state.tasks["a"].status == "landed"
        assert works == one.does_work, (one.name, state.finished)
        assert state.tasks["a"].charged == 0 or works, one.name
        check_run(project, state, before)


@pytest.mark.parametrize("sandbox", SANDBOXES)
@pytest.mark.sample(1)
def test_a_gate_that_flakes_blames_nobody(tmp_path: Path, sandbox: SandboxMode) -> None:
    project = project_of(tmp_path, sandbox, {}, WORKS)
    seen = tmp_path / "seen"
    # What a gate in a sandbox writes is gone with it: there a dice is thrown by the clock.
    flakes = f'mkdir "{seen}" 2>/dev/null && exit 1 || exit 0'
    if sandbox != "none":
        flakes = "test $(($(date +%s%N) / 1000 % 8)) != 0"
    project.gates = (Gate(name="suite", command=f"test ! -e a.txt || {{ {flakes}; }}"),)
    before = things(project)
    state = project.drive(project.start(task("a"), attempts=8))
    assert state.tasks["a"].status == "landed"
    if sandbox == "none":
        assert state.tasks["a"].charged == 0
        assert any(isinstance(fact, e.FlakeSeen) for fact in project.facts(state.run))
    check_run(project, state, before)


@pytest.mark.thorough
def test_a_worker_that_hangs_is_ended_soon(tmp_path: Path) -> None:
    script = "trap '' TERM INT HUP; sleep 600 & while :; do sleep 1; done"
    project = project_of(tmp_path, "none", {"do.sh": script}, "exec sh do.sh")
    project.more_settings |= {"worker": "hangs"}
    began = time.monotonic()
    state = project.drive(project.start(task("a"), attempts=1))
    assert time.monotonic() - began < 30
    assert not list(processes(tmp_path))
    check_run(project, state)
