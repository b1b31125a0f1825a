"""SIGKILL of the engine at its boundaries: the next engine ends in the same tree.

A boundary is one side of one write to the ledger, or of one effect on the repository. `make test`
looks at a sample by the seed; with ORCH_FAULTS=all every boundary of every scenario.
"""

import random
import shutil
from pathlib import Path

import pytest

from tests.faults.scenarios import (
    FULL,
    SCENARIOS,
    SEED,
    Scenario,
    Template,
    all_land,
    conflict,
    red_gate_and_retry,
    red_together,
    spread,
)
from tests.support.faults import EFFECTS, Boundary, Passages
from tests.support.invariants import check_crashed
from tests.support.killed import killed_at
from tests.support.project import Project
from tests.support.sandboxed import needs_sandbox

__all__ = ["SCENARIOS", "Scenario", "all_land", "conflict", "red_gate_and_retry", "red_together"]

pytestmark = pytest.mark.timeout(3600 if FULL else 300)


def boundaries(template: Template) -> list[Boundary]:
    """Those of a run that nothing happens to; what it ends in is what every case must end in."""
    passages = Passages(None, lambda: None)
    project = template.copy()
    passages.drive(project.workplace(), template.run)
    if template.deterministic:
        template.expected = project.result(template.run)
    return passages.passed


def survives(template: Template, *deaths: Boundary) -> int:
    """Engines die one after the other; the last one ends the run. How many died."""
    project = template.copy()
    killed = 0
    try:
        for boundary in deaths:
            killed += killed_at(project.root.parent, template.run, boundary)
            check_crashed(project, template.run)
        template.ends_well(project)
    except BaseException as error:
        error.add_note(f"{template.name}, killed at {deaths} (ORCH_FIRST_SEED={SEED})")
        raise
    shutil.rmtree(project.root.parent)
    return killed


AT_LEAST = 450
"""So many boundaries all scenarios have: fewer, and some effect is not watched any more."""


@pytest.mark.thorough
def test_every_effect_has_its_boundaries(tmp_path: Path) -> None:
    found = [boundaries(Template(each, tmp_path / each.__name__)) for each in SCENARIOS]
    assert sum(map(len, found)) >= AT_LEAST
    watched = {boundary.what.split()[0] for every in found for boundary in every}
    assert watched >= EFFECTS - {"worktree", "checkout-index", "commit-tree"}


NARROW = {"update-ref tip": 2, "Landed": 1}
"""The first landing, the narrowest window of all; the tip's first move is its making."""


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.__name__)
@pytest.mark.sample(1)
def test_a_killed_engine_is_resumed_to_the_same_end(scenario: Scenario, tmp_path: Path) -> None:
    template = Template(scenario, tmp_path)
    every = boundaries(template)
    landing = [one for one in every if one.what in NARROW and one.number == NARROW[one.what]]
    cases = spread(every, 1, f"kills, {template.name}", landing)
    killed = sum(survives(template, boundary) for boundary in cases)
    print(f"{template.name}: {killed} engines were killed")
    assert killed


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.__name__)
@pytest.mark.sample(1)
def test_a_second_crash_while_resuming_changes_nothing(scenario: Scenario, tmp_path: Path) -> None:
    """The second one soon after the first: while what was lost is made good."""
    template = Template(scenario, tmp_path)
    rng = random.Random(f"{SEED} second, {template.name}")
    first = boundaries(template)
    soon = [
        Boundary(door, number, when)
        for door in ("ledger", "git")
        for number in range(1, 9)
        for when in ("before", "after")
    ]
    pairs = [(one, rng.choice(soon)) for one in rng.sample(first, min(80, len(first)))]
    cases = spread(pairs, 1, f"second crashes, {template.name}")
    killed = sum(survives(template, *pair) for pair in cases)
    print(f"{template.name}: {killed} engines were killed")
    assert killed > len(cases)


@needs_sandbox
@pytest.mark.thorough
def test_a_killed_engine_whose_workers_are_in_a_sandbox(tmp_path: Path) -> None:
    template = Template(all_land_in_a_sandbox, tmp_path)
    every = [one for one in boundaries(template) if one.when == "after"]
    cases = spread(every[:: 3 if FULL else 1], 2, "kills, in a sandbox")
    assert sum(survives(template, boundary) for boundary in cases)


def all_land_in_a_sandbox(folder: Path) -> tuple[Project, str]:
    return all_land(folder, "bubblewrap")
