"""What must hold after any run, whatever happened to it."""

import subprocess

from ledger.state import DONE, STUCK, RunState
from orchestrator.journal import load_state
from tests.support.project import Project


def check_run(project: Project, state: RunState) -> None:
    """Check the promises that can be told from the repository and the ledger alone."""
    run = state.run
    _check_result_is_judged(project, state)
    _check_heads_are_kept(project, state)
    with project.store() as store:
        again = load_state(store, run)
    assert again == state or again.seq > state.seq, "replaying the ledger yields the state"
    assert state.finished, "the run ends"
    if state.finished.outcome == "complete":
        for task_id, task in state.tasks.items():
            assert task.status in DONE | STUCK, f"{task_id} is {task.status}"
    assert len(project.git("worktree", "list").splitlines()) == 1, "no worktree is left"
    state_folder = project.root.parent / "state"
    assert not [p for p in state_folder.rglob("*") if p.is_file()], "no file is left"
    assert project.git("status", "--porcelain") == "", "the user's checkout is as it was"
    fsck = subprocess.run(("git", "fsck", "--strict"), cwd=project.root, capture_output=True)
    assert fsck.returncode == 0, fsck.stderr


def _check_result_is_judged(project: Project, state: RunState) -> None:
    tip = project.git("rev-parse", f"refs/orch/{state.run}/tip")
    assert tip == state.tip
    base = state.started.base
    chain = project.git("log", "--first-parent", "--format=%H %T", f"{base}..{tip}").splitlines()
    landed = {landing.commit: landing.tree for landing in state.landings}
    for line in chain:
        commit, tree = line.split()
        assert landed.get(commit) == tree, f"{commit} is no recorded landing"
        assert state.trees[tree].passed, f"the tree of {commit} was not judged"


def _check_heads_are_kept(project: Project, state: RunState) -> None:
    refs = project.git("for-each-ref", "--format=%(objectname) %(refname)").splitlines()
    kept = {line.split()[0] for line in refs}
    for task in state.tasks.values():
        for attempt in task.attempts:
            if attempt.head:
                assert attempt.head in kept, f"the head {attempt.head} is kept by no ref"
