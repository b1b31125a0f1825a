"""What a set-up leaves in a workspace is nobody's work."""

from pathlib import Path

import pytest

from ledger.model import CommandWorker, Preparation
from tests.support.project import Project, task

SETUP = "mkdir -p made && echo 1 > lock.txt && echo 1 > 'made/[a] b ' && git init -q nested"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.more_settings = {"preparation": Preparation(setup=(SETUP,))}
    return project


def works(project: Project, command: str) -> None:
    worker = CommandWorker(kind="command", command=command)
    project.more_settings["workers"] = {"scripted": worker}


def test_what_the_set_up_left_is_committed_by_nobody_and_blames_nobody(project: Project) -> None:
    works(project, "echo done > one.txt")
    state = project.run(task("one"), task("two", paths=()), attempts=1, rounds=1)
    assert {t.status for t in state.tasks.values()} == {"landed"}
    assert set(project.result(state.run)) == {"test.sh", "readme", "one.txt"}


def test_what_a_worker_writes_over_it_is_its_own(project: Project) -> None:
    works(project, "cat lock.txt > seen.txt; touch -r lock.txt t; echo 2 > lock.txt")
    state = project.run(task("one", paths=()), attempts=1, rounds=1)
    assert state.tasks["one"].status == "landed"
    assert project.result(state.run)["lock.txt"] == "2"
    works(project, "touch -r lock.txt $TMPDIR/t; echo 2 > lock.txt; touch -r $TMPDIR/t lock.txt")
    state = project.run(task("one", paths=("other",)), attempts=1, rounds=1)
    assert state.tasks["one"].last.finished.cause == "outside"  # size and time are set back
