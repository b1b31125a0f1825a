"""SIGKILL while a tip is in question that somebody else moved: nobody is blamed, whatever dies."""

from pathlib import Path

from tests.faults.test_kill import EVERY, die_at, ends_well
from tests.support.project import Project, task


def red_tip(folder: Path) -> tuple[Project, str]:
    """Somebody put a red commit on the tip of a run that no engine drives yet."""
    project = Project(folder, {"test.sh": "test ! -e broken\n", "readme": "hello\n"})
    project.does('[[step]]\nwrite = { "{task}.txt" = "by {task}\\n" }\n')
    run = project.start(task("a"), task("b", needs=("a",)), attempts=1)
    base = project.commit({"broken": "x"}, "a red one")
    project.git("update-ref", f"refs/orch/{run}/tip", base)
    return project, run


def test_a_killed_engine_blames_nobody_for_a_red_tip(tmp_path: Path) -> None:
    project, run = red_tip(tmp_path / "unharmed")
    count = project.drive(run).seq
    cases = [(n, when) for n in range(2, count + 1) for when in ("before", "after")]
    killed = 0
    for number, when in cases[::EVERY]:
        folder = tmp_path / f"{number}-{when}"
        project, run = red_tip(folder)
        killed += die_at(project, run, number, when) != 0
        state = ends_well(project, run)
        assert state.finished and state.finished.exit_code == 5, (number, when)
        assert all(s.charged == 0 for s in state.tasks.values()), (number, when)
        assert not state.with_status("failed"), (number, when)
        project.git("update-ref", f"refs/orch/{run}/tip", state.started.base)
        state = ends_well(project, run)
        assert all(s.status == "landed" for s in state.tasks.values()), (number, when)
    print(f"red_tip: {killed} kills at {count} boundaries")
    assert killed
