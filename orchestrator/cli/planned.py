"""A plan that was checked, and how it is shown: for `orch plan` and before `orch run`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ledger.model import Plan, Settings
from orchestrator.base import newest_of
from orchestrator.cli import output
from orchestrator.cli.places import user_config_folder
from orchestrator.config import SourcedSettings, load_sourced
from orchestrator.errors import Problem
from orchestrator.planning.check import CheckedPlan, check_plan_file
from orchestrator.planning.graph import levels, longest_path, render_graph
from orchestrator.planning.plan_file import find_plan
from orchestrator.policy.forecast import Forecast, forecast
from orchestrator.review.advice import quoted
from orchestrator.review.foreseen import render_forecast, render_spending
from orchestrator.review.words import count, foreign, short, unconfined
from orchestrator.runs import unfinished
from orchestrator.spending import spending_of
from orchestrator.start import RunOptions
from orchestrator.survey import survey
from orchestrator.workplace import Workplace
from worktree.names import quoted as escaped

PLAN_WARNINGS = 20


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


def with_overlaps(workplace: Workplace, one: Checked) -> Checked:
    """The same with warnings of open pull requests of orch's that touch the same files."""
    if one.settings.forge is None:
        return one
    from orchestrator.forges.overlap import find_overlaps
    from orchestrator.trust import look

    if look(workplace, one.sourced).standing not in ("same", "first"):
        return one  # which variable is sent to which server is nothing to guess about
    found = find_overlaps(workplace, one.settings, one.plan, shown_path(workplace, one.path))
    if found.passed_over:
        output.narrate(f"open pull requests were not looked at: {found.passed_over}")
    return replace(one, problems=(*one.problems, *found.problems))


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


# --- shown ------------------------------------------------------------------------------------


def answer_plan(workplace: Workplace, one: Checked, *, as_json: bool) -> None:
    """Print what a run of the plan would be."""
    expected = _expected(workplace, one)
    spent = spending_of(workplace, one.plan, one.settings)
    tasks = one.plan.tasks
    if as_json:
        path = longest_path(tasks)
        body = {
            "file": shown_path(workplace, one.path),
            "plan": one.plan.model_dump(mode="json"),
            "levels": levels(tasks),
            "longest_path": path.tasks,
            "gates": [gate.model_dump(mode="json") for gate in one.settings.gates],
            "forecast": asdict(expected),
            "spending": asdict(spent) if spent else None,
            "warnings": [asdict(problem) for problem in one.problems],
        }
        output.answer_json(body)
        return
    output.answer(output.colour_answer(foreign(one.plan.goal), "strong"))
    output.answer(f"{shown_path(workplace, one.path)}, {count(len(tasks), 'task')}\n")
    # No line of it may be more than a line: titles are people's and models' words.
    output.answer([foreign_line(line) for line in render_graph(tasks).splitlines()])
    output.answer("")
    output.answer(list(_judged_by(one.settings)))
    output.answer(list(render_forecast(expected, one.settings.limits)))
    if spent:
        output.answer(list(render_spending(spent)))
    _narrate_warnings(one, _check(workplace, one))


def _narrate_warnings(one: Checked, check: str) -> None:
    """Say what is odd about a plan, on stderr."""
    for warning in one.warnings[:PLAN_WARNINGS]:
        output.narrate(f"{output.colour_narration('warning:', 'ask')} {warning}")
    left = len(one.warnings) - PLAN_WARNINGS
    if left > 0:
        output.narrate(f"... and {count(left, 'more warning')}; all of them: {check} --json")


def _check(workplace: Workplace, one: Checked) -> str:
    """The command that looks at a plan."""
    return f"orch plan --check {quoted(shown_path(workplace, one.path))}"


def foreign_line(line: str) -> str:
    """One line as it is, its indentation too, without what a terminal obeys."""
    from workers.text import clean_line

    return clean_line(line, 200)


def _expected(workplace: Workplace, one: Checked) -> Forecast:
    """The forecast, by what the ledger knows."""
    from ledger.events import Estimates
    from orchestrator.history import estimate

    with workplace.existing_store() or nullcontext() as store:
        estimates = estimate(store, one.settings) if store else Estimates()
    return forecast(one.plan, one.settings, estimates)


def _judged_by(settings: Settings) -> Iterator[str]:
    for stage, when in (("check", "each round"), ("land", "what would land")):
        named = [
            gate.name + (" (where a task names it)" if gate.when == "named" else "")
            for gate in settings.gates
            if gate.stage == stage
        ]
        if named:
            yield f"{when} is judged by: {', '.join(named)}"


def warn_before_run(workplace: Workplace, one: Checked) -> None:
    """Say what a person should know before workers start."""
    from worktree.user import checkout_state

    state = checkout_state(workplace.repository, workplace.user)
    if state.dirty_count and newest_of(one.plan.base) == "HEAD" and state.head:
        files = count(state.dirty_count, "changed file")
        start = short(state.head)
        output.narrate(f"your checkout has {files}: the run starts from the commit {start}")
    with workplace.existing_store() or nullcontext() as store:
        lefts = unfinished(store, workplace.place) if store else ()
    for left in lefts:
        output.narrate(f"run {left.run} is not finished: orch resume {left.run}")
    if one.warnings:
        warnings = output.colour_narration(count(len(one.warnings), "warning"), "ask")
        output.narrate(f"{warnings} about the plan: {_check(workplace, one)}")
    if not one.settings.gates:
        said = "no gate: whatever the workers make lands unjudged"
        output.narrate(output.colour_narration(said, "bad"))
    if said_of_sandbox := unconfined(one.settings.sandbox.mode):
        output.narrate(output.colour_narration(said_of_sandbox, "ask"))
