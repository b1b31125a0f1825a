"""A plan that was checked, with the settings that it would run with: before anything is run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.model import Plan, Settings, TaskId
from orchestrator.base import newest_of
from orchestrator.config import SourcedSettings, load_sourced
from orchestrator.errors import Problem
from orchestrator.places import user_config_folder
from orchestrator.planning.check import CheckedPlan, check_plan_file
from orchestrator.planning.plan_file import find_plan
from orchestrator.policy.forecast import Forecast, forecast
from orchestrator.review.advice import quoted
from orchestrator.review.judged import UNGATED
from orchestrator.review.words import Style, count, short, unconfined
from orchestrator.start import RunOptions
from orchestrator.survey import survey
from orchestrator.workplace import Workplace
from worktree.names import quoted as escaped

if TYPE_CHECKING:
    from ledger.events import Estimates

SHOWN_LEFTS = 5
"""So many unfinished runs are named one by one before a run starts."""


@dataclass(frozen=True)
class Checked:
    """A plan without errors, the file it is in, and the settings it would run with."""

    plan: Plan
    path: Path
    settings: Settings
    problems: tuple[Problem, ...]
    sourced: SourcedSettings
    """The settings as they were read, and from where."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is odd about it, one text each."""
        return tuple(problem.render().replace("warning: ", "", 1) for problem in self.problems)

    def under(self, options: RunOptions) -> Checked:
        """The same with what the command line says over the settings."""
        return replace(self, settings=options.settings(self.settings))


def load_checked(workplace: Workplace, named: str | None) -> Checked:
    """The plan that is meant; every error of it, and of the settings, at once."""
    sourced = sourced_of(workplace)
    path = find_plan(workplace.checkout, named)
    learn = survey(workplace, sourced.settings)
    found = check_plan_file(path, learn, shown_path(workplace, path))
    return checked(found, path, sourced)


def checked(found: CheckedPlan, path: Path, sourced: SourcedSettings) -> Checked:
    """The plan that was looked at; Problems where it has errors."""
    return Checked(found.sound(), path, sourced.settings, found.warnings, sourced)


def settings_of(workplace: Workplace) -> Settings:
    """The settings that a run here would have."""
    return sourced_of(workplace).settings


def sourced_of(workplace: Workplace) -> SourcedSettings:
    """The same, and which file what they say came from."""
    return load_sourced(workplace.checkout, user_config_folder(workplace.environ))


def shown_path(workplace: Workplace, path: Path) -> str:
    """A file as a person would type it from the top of the checkout."""
    whole = path.resolve()
    top = workplace.checkout.resolve()
    return escaped(str(whole.relative_to(top)) if whole.is_relative_to(top) else str(path))


def estimates_of(workplace: Workplace, settings: Settings) -> Estimates:
    """What the ledger knows of durations and failures."""
    from ledger.events import Estimates
    from orchestrator.history import estimate

    with workplace.existing_store() or nullcontext() as store:
        return estimate(store, settings) if store else Estimates()


def expected_of(workplace: Workplace, one: Checked, estimates: Estimates | None = None) -> Forecast:
    """The forecast, by what the ledger knows."""
    known = estimates or estimates_of(workplace, one.settings)
    return forecast(one.plan, one.settings, known)


def durations_of(one: Checked, estimates: Estimates) -> dict[TaskId, float]:
    """How long an attempt at each task usually takes, by its worker."""
    usual, by_worker = estimates.attempt_s, estimates.attempt_s_by_worker
    worker = one.settings.worker or ""
    return {task.id: by_worker.get(task.worker or worker, usual) for task in one.plan.tasks}


def said_before_run(workplace: Workplace, one: Checked) -> Iterator[tuple[str, Style]]:
    """What somebody should know before workers start."""
    from orchestrator.runs import unfinished
    from worktree.user import checkout_state

    state = checkout_state(workplace.repository, workplace.user)
    if state.dirty_count and newest_of(one.plan.base) == "HEAD" and state.head:
        files = count(state.dirty_count, "changed file")
        start = short(state.head)
        yield f"your checkout has {files}: the run starts from the commit {start}", "plain"
    with workplace.existing_store() or nullcontext() as store:
        lefts = unfinished(store, workplace.place) if store else ()
    for left in lefts[:SHOWN_LEFTS]:
        yield f"run {left.run} is not finished: orch resume {left.run}", "plain"
    if more := len(lefts[SHOWN_LEFTS:]):
        yield f"{count(more, 'earlier run')} not finished either: orch doctor", "plain"
    if one.warnings:
        warnings = count(len(one.warnings), "warning")
        yield f"{warnings} about the plan: {check_command(workplace, one)}", "ask"
    if not one.settings.gates:
        yield UNGATED, "bad"
    if said_of_sandbox := unconfined(one.settings.sandbox.mode):
        yield said_of_sandbox, "ask"


def check_command(workplace: Workplace, one: Checked) -> str:
    """The command that looks at a plan."""
    return f"orch plan --check {quoted(shown_path(workplace, one.path))}"
