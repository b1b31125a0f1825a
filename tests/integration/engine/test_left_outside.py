"""What a run has outside of its repository and its workspaces is gone when the run is."""

from pathlib import Path

import pytest

from ledger import events as e
from ledger.model import CommandWorker
from orchestrator.cleaning import clean
from orchestrator.journal import Journal
from orchestrator.runs import mark_of_run
from orchestrator.sandboxing import Sandboxes
from tests.support.project import Project, task
from tests.support.sandboxed import needs_sandbox
from workers.groups import group_homes, make_groups
from workers.proxy import make_socket_folder


def sandboxes_of(project: Project, run: str) -> Sandboxes:
    workplace = project.workplace()
    settings = project.settings().sandbox
    return Sandboxes(
        workplace.git,
        settings,
        workplace.environ,
        mark_of_run(workplace.repository.common_dir, run),
    )


def leave(project: Project, run: str) -> Path:
    """What an engine that was killed leaves of a run's sandboxes; where its sockets lie."""
    sandboxes = sandboxes_of(project, run)
    make_socket_folder(sandboxes.sockets)
    (sandboxes.sockets / "socket").write_text("")
    make_groups(sandboxes.name, memory_bytes=10**9, processes=99)
    with project.store() as store:
        Journal.load(store, run).append(e.EngineStarted(pid=1, host="here"))
    return sandboxes.sockets


def groups_of(project: Project, run: str) -> list[Path]:
    homes = [home.folder for home in group_homes()]
    name = sandboxes_of(project, run).name
    return [path for folder in homes for path in folder.glob(f"orch.{name}.*")]


def test_groups_are_found_where_an_earlier_engine_ran(tmp_path: Path) -> None:
    if not (homes := group_homes()):
        pytest.skip("no control groups can be made here")
    project = Project(tmp_path)
    run = project.start(task("one"))
    leave(project, run)
    elsewhere = homes[0].folder / f"test-{run}"
    group = elsewhere / f"orch.{sandboxes_of(project, run).name}.12345678"
    group.mkdir(parents=True)
    try:
        project.drive(run)
        assert not group.exists()
    finally:
        for folder in (group, elsewhere):
            if folder.exists():
                folder.rmdir()


def test_the_next_engine_takes_away_what_a_killed_one_left(tmp_path: Path) -> None:
    project = Project(tmp_path)
    run = project.start(task("one"))
    sockets = leave(project, run)
    assert bool(groups_of(project, run)) == bool(group_homes())
    project.drive(run)
    assert not sockets.exists() and groups_of(project, run) == []


def test_another_runs_engine_does_so_too(tmp_path: Path) -> None:
    project = Project(tmp_path)
    dead, alive = project.start(task("one")), project.start(task("two"))
    sockets = leave(project, dead)
    workplace = project.workplace()
    (workplace.workspaces() / dead).mkdir(parents=True)
    workplace.place.lock(dead).touch()
    project.drive(alive)
    assert not sockets.exists() and groups_of(project, dead) == []


def test_so_does_clean(tmp_path: Path) -> None:
    project = Project(tmp_path)
    run = project.start(task("one"))
    sockets = leave(project, run)
    with project.store() as store:
        clean(project.workplace(), store, run)
    assert not sockets.exists() and groups_of(project, run) == []


@needs_sandbox
def test_a_run_that_ends_leaves_neither(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.sandbox = "bubblewrap"
    worker = CommandWorker(kind="command", command="echo x > $ORCH_TASK", network=("good.example",))
    project.more_settings = {"worker": "w", "workers": {"w": worker}}
    state = project.run(task("one"), task("two"))
    assert not sandboxes_of(project, state.run).sockets.exists()
    assert groups_of(project, state.run) == []
