"""The n-th call of git fails, hangs, finds no room, or is killed: nobody is blamed, nothing is lost.

An engine that cannot go on ends in words; the next one, whose git is sound, ends the run as if
nothing had been.
"""  # noqa: E501

from pathlib import Path

import pytest

from ledger.schema import LedgerError
from ledger.state import RunState
from orchestrator.errors import OrchError
from orchestrator.journal import load_state
from orchestrator.persons import retry
from tests.faults.scenarios import (
    FULL,
    SCENARIOS,
    SEED,
    Scenario,
    Template,
    spread,
)
from tests.support.faults import HARMS, BrokenGit, workplace_with
from tests.support.invariants import check_crashed, processes
from tests.support.project import Project
from worktree.git import GitError

pytestmark = pytest.mark.timeout(3600 if FULL else 300)
IN_WORDS = (GitError, OrchError, LedgerError, OSError)
"""How an engine may end that cannot go on: the command line says these to a person."""


def with_broken_git(template: Template, git: BrokenGit) -> Project:
    """An engine with that door to git drives a copy as far as it gets."""
    project = template.copy()
    try:
        state = project.drive(template.run, workplace=workplace_with(project.workplace(), git))
    except IN_WORDS:
        pass
    else:
        nobody_is_blamed(state, template.charged)
    check_crashed(project, template.run)
    left = [*(project.root / ".git").glob("worktrees/*"), *processes(project.root.parent)]
    left += [one for one in (project.root.parent / "state").rglob("*") if one.is_file()]
    assert not left, f"L5: an engine that ended left {left}"
    return project


def nobody_is_blamed(state: RunState, fair: int) -> None:
    """A git that fails uses up no attempt."""
    blamed = {name: task.charged for name, task in state.tasks.items() if task.charged}
    assert sum(blamed.values()) <= fair, blamed


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.__name__)
@pytest.mark.sample(1)
def test_a_call_of_git_that_comes_to_harm_is_made_good(scenario: Scenario, tmp_path: Path) -> None:
    template = Template(scenario, tmp_path)
    counting = BrokenGit()
    project = with_broken_git(template, counting)
    if template.deterministic:
        template.expected = project.result(template.run)
    count = len(counting.calls)
    cases = [(number, harm) for number in range(1, count + 1) for harm in HARMS]
    # Every eighth of the table, so that each call meets some harm, and each harm many calls.
    cases = cases[SEED % 8 :: 8]
    harmed = 0
    for number, harm in spread(cases, 3, f"git calls, {template.name}"):
        harmed += harms(template, BrokenGit(number, harm))
    print(f"{template.name}: {harmed} calls came to harm, of {count}")
    assert harmed


@pytest.mark.parametrize("scenario", SCENARIOS[:2], ids=lambda s: s.__name__)
@pytest.mark.sample(1)
def test_a_git_that_stays_broken_ends_the_run_in_words(scenario: Scenario, tmp_path: Path) -> None:
    """From some call on nothing works any more, until a person has put it right."""
    template = Template(scenario, tmp_path)
    counting = BrokenGit()
    with_broken_git(template, counting)
    numbers = range(1 + SEED % 4, len(counting.calls), 4)
    lasting = [one for one in HARMS if one.partition(" ")[2] in ("", "before", "error")]
    cases = [(number, lasting[place % len(lasting)]) for place, number in enumerate(numbers)]
    for number, harm in spread(cases, 2, f"git stays broken, {template.name}"):
        harms(template, BrokenGit(number, harm, lasts=1_000_000))


def harms(template: Template, git: BrokenGit) -> bool:
    try:
        project = with_broken_git(template, git)
        try_what_is_held_again(project, template.run)
        nobody_is_blamed(template.ends_well(project), template.charged)
    except BaseException as error:
        error.add_note(f"call {git.first} {git.harm}: {git.harmed[:3]} (ORCH_FIRST_SEED={SEED})")
        raise
    return bool(git.harmed)


def try_what_is_held_again(project: Project, run: str) -> None:
    """As a person does with what was lost again and again."""
    with project.store() as store:
        for task_id in load_state(store, run).with_status("held"):
            retry(store, run, task_id)
