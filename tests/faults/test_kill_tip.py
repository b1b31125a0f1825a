"""SIGKILL while a tip is in question that somebody else moved: nobody is blamed, whatever dies."""

from pathlib import Path

import pytest

from tests.faults.scenarios import FULL, SEED, Template, does, spread
from tests.faults.test_kill import boundaries
from tests.support.invariants import check_run
from tests.support.killed import killed_at
from tests.support.project import Project, task

pytestmark = pytest.mark.timeout(3600 if FULL else 300)


def red_tip(folder: Path) -> tuple[Project, str]:
    """Somebody put a red commit on the tip of a run that no engine drives yet."""
    project = Project(folder, {"test.sh": "test ! -e broken\n", "readme": "hello\n"})
    does(project, 'echo "by $ORCH_TASK" > "$ORCH_TASK.txt"')
    run = project.start(task("a"), task("b", needs=("a",)), attempts=1)
    red = project.commit({"broken": "x"}, "a red one")
    project.git("update-ref", f"refs/orch/{run}/tip", red)
    return project, run


@pytest.mark.thorough
def test_a_killed_engine_blames_nobody_for_a_red_tip(tmp_path: Path) -> None:
    template = Template(red_tip, tmp_path)
    killed = 0
    for boundary in spread(boundaries(template), 2, "kills over a red tip"):
        where = f"killed at {boundary} (ORCH_FIRST_SEED={SEED})"
        project, run = template.copy(), template.run
        killed += killed_at(project.root.parent, run, boundary)
        state = project.drive(run)
        check_run(project, state, template.things)
        assert state.finished and state.finished.exit_code == 5, where
        assert all(one.charged == 0 for one in state.tasks.values()), where
        assert not state.with_status("failed"), where
        project.git("update-ref", f"refs/orch/{run}/tip", state.started.base)
        state = project.drive(run)
        check_run(project, state)
        assert {one.status for one in state.tasks.values()} == {"landed"}, where
    print(f"red_tip: {killed} engines were killed")
    assert killed
