"""Somebody moves the tip just when a landing was to move it: theirs is built on, never lost."""

from pathlib import Path

import pytest

from tests.faults.scenarios import SCENARIOS, Scenario, Template, spread
from tests.support.faults import Boundary, Passages
from tests.support.project import kinds


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.__name__)
@pytest.mark.sample(2)
def test_a_tip_that_moves_between_intention_and_landing(scenario: Scenario, tmp_path: Path) -> None:
    template = Template(scenario, tmp_path)
    for number in spread([2, 3], 1, f"tips that move, {template.name}", [2]):
        project = template.copy()
        tip, theirs = f"refs/orch/{template.run}/tip", ""

        def move(project=project, tip=tip) -> None:
            nonlocal theirs
            tree = project.git("rev-parse", f"{tip}^{{tree}}")
            theirs = project.git("commit-tree", tree, "-p", tip, "-m", "theirs")
            project.git("update-ref", tip, theirs)

        boundary = Boundary("git", number, "before", "update-ref tip")
        state = Passages(boundary, move).drive(project.workplace(), template.run)
        assert {task.status for task in state.tasks.values()} == {"landed"}
        if not theirs:
            continue  # all landed at once
        project.git("merge-base", "--is-ancestor", theirs, tip)
        assert "CandidateStale" in kinds(project.facts(template.run))
