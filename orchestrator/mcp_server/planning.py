"""The tools that make plans: `plan` and `check_plan`.

1. A task for each group of files is made by rule; any other division is the agent's own. No model
   is called, and no command is run: the one that `orch plan --for-each` takes is a person's.
2. What would be wrong in a file is not written.
3. A plan is written under a name that is free. One that is there is replaced only by whoever names
   the very text that it holds now: what a person wrote meanwhile is never lost.
4. What a protected path may lose or get is a person's to say: `may_change` cannot be written here,
   and a plan that has it is started by a person.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Annotated, Any

from mcp.server.mcpserver import Context
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ledger.model import Plan, Task
from orchestrator.errors import OrchError, Problem, Problems
from orchestrator.mcp_server.answers import PlanAnswer, Step
from orchestrator.mcp_server.office import Office
from orchestrator.mcp_server.speaker import speaker_of
from orchestrator.mcp_server.steps import call
from orchestrator.planned import Checked, checked, expected_of, shown_path, sourced_of
from orchestrator.planning.check import check_made_plan, check_plan_file
from orchestrator.planning.for_each import Grouping, plan_for_each
from orchestrator.planning.items import Item
from orchestrator.planning.plan_file import PLANS_FOLDER, replace_plan, save_plan, slug
from orchestrator.planning.plan_text import render_plan
from orchestrator.policy.nearest import nearest
from orchestrator.policy.paths import covered
from orchestrator.policy.pattern import pattern_problem
from orchestrator.review.foreseen import render_forecast
from orchestrator.survey import files_of, survey
from orchestrator.workplace import Workplace

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")
VERSION_DIGITS = 12


class TaskIn(BaseModel):
    """One unit of work, done by a worker that sees only its prompt and the repository."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, Field(description="Small letters, digits and -, for example types-core.")]
    prompt: Annotated[str, Field(description="All that the worker needs to know.")]
    title: Annotated[str, Field(description="One line, for commits.")] = ""
    needs: Annotated[list[str], Field(description="Ids of tasks that must land before it.")] = []
    paths: Annotated[
        list[str],
        Field(
            description="What it may change, git patterns from the top: src/core/**. Tasks whose"
            " paths overlap do not run at the same time. Empty: anything."
        ),
    ] = []
    worker: Annotated[str | None, Field(description="Absent: the settings' worker.")] = None
    gates: Annotated[list[str], Field(description="Gates beside those of the run.")] = []


class PlanningTools:
    """Plans, written and looked at."""

    def __init__(self, office: Office) -> None:
        self.office = office

    def plan(
        self,
        ctx: Context[Any, Any],
        goal: Annotated[str, Field(description="What the person wants, in a sentence.")],
        tasks: Annotated[list[TaskIn] | None, Field(description="The goal, divided.")] = None,
        files: Annotated[
            list[str] | None,
            Field(description="Instead of tasks: a task for each file that these patterns cover."),
        ] = None,
        by_folder: Annotated[bool, Field(description="With files: a task a folder.")] = False,
        batch: Annotated[int | None, Field(ge=1, description="With files: so many a task.")] = None,
        prompt: Annotated[
            str | None,
            Field(description="With files: what workers are told; {paths} and {goal} are filled."),
        ] = None,
        worker: Annotated[str | None, Field(description="With files: who does them.")] = None,
        base: Annotated[
            str | None, Field(description="Start from this revision; absent: the checkout's.")
        ] = None,
        name: Annotated[str | None, Field(description="The plan's name; absent: made.")] = None,
        replaces: Annotated[
            str | None, Field(description="Replace plan `name`, whose version is this.")
        ] = None,
    ) -> PlanAnswer:
        """Write a plan to .agent/plans, checked by all rules. Nothing is run yet.

        Divide the goal into tasks yourself, or name files for one task each. Keep each task small
        and say in `paths` what it may change; tasks that do not overlap are done side by side.
        """
        workplace = self.office.workplace()
        sourced = sourced_of(workplace)
        made = _made(
            workplace, goal, tasks, files, Grouping(batch, by_folder), prompt, worker, base
        )
        learn = survey(workplace, sourced.settings)
        check_made_plan(made, learn(made.base)).sound()
        said_by = speaker_of(ctx)
        head = (f"Written by an agent, {said_by}. Read it before it runs.",)
        path = _save(workplace, made, head, name, replaces)
        found = check_plan_file(path, learn, shown_path(workplace, path))
        return _answer(workplace, checked(found, path, sourced))

    def check_plan(
        self, plan: Annotated[str, Field(description="Its name in .agent/plans.")]
    ) -> PlanAnswer:
        """Check a plan, perhaps one that was edited by hand: errors, warnings, what it may take."""
        workplace = self.office.workplace()
        sourced = sourced_of(workplace)
        path = plan_path(workplace, plan)
        file = shown_path(workplace, path)
        found = check_plan_file(path, survey(workplace, sourced.settings), file)
        if found.plan is None:
            return PlanAnswer(
                plan=path.stem,
                file=file,
                version=version_of(path.read_bytes()),
                ok=False,
                errors=[problem.render() for problem in found.errors],
                warnings=[problem.render() for problem in found.warnings] or None,
                next=[call("check_plan", "once the file is mended", plan=path.stem)],
            )
        return _answer(workplace, checked(found, path, sourced))


def plan_path(workplace: Workplace, named: str) -> Path:
    """The file of a plan; OrchError where there is none, or where it lies elsewhere."""
    if "/" in named or "\\" in named or named.startswith("."):
        raise OrchError(
            f"'{named}' is no name of a plan", hint=f"the name of a file in {PLANS_FOLDER}: types"
        )
    folder = workplace.checkout / PLANS_FOLDER
    name = named.removesuffix(".toml")
    path = folder / f"{name}.toml"
    if not path.is_file():
        names = sorted(one.stem for one in folder.glob("*.toml"))
        close = nearest(name, names)
        hint = f"did you mean '{close}'?" if close else "the tool `plan` makes one"
        raise OrchError(f"there is no plan '{name}' in {PLANS_FOLDER}", hint=hint)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise OrchError(f"plan '{name}' is a link that leads elsewhere", hint="write a file")
    return path


def version_of(text: bytes) -> str:
    """Names the very text of a plan."""
    return hashlib.sha256(text).hexdigest()[:VERSION_DIGITS]


def _made(
    workplace: Workplace,
    goal: str,
    tasks: list[TaskIn] | None,
    files: list[str] | None,
    grouping: Grouping,
    prompt: str | None,
    worker: str | None,
    base: str | None,
) -> Plan:
    if bool(tasks) == bool(files):
        raise OrchError(
            "say either `tasks`, the goal divided by you, or `files`, for a task each",
            hint='plan(goal="...", files=["src/**/*.py"], by_folder=true)',
        )
    if files:
        items = _items(workplace, files, base)
        return plan_for_each(goal, items, grouping, prompt=prompt, worker=worker, base=base)
    if prompt or worker or grouping != Grouping():
        raise OrchError(
            "`prompt`, `worker`, `batch` and `by_folder` go with `files`",
            hint="each of `tasks` has its own prompt and worker",
        )
    if not goal.strip():
        raise OrchError("the goal is empty", hint="say in a sentence what the person wants")
    return Plan(goal=goal.strip(), base=base, tasks=tuple(_tasks(tasks or [])))


def _tasks(given: list[TaskIn]) -> list[Task]:
    made, problems = [], []
    for number, one in enumerate(given, 1):
        try:
            made.append(Task.model_validate({k: _frozen(v) for k, v in one}))
        except ValidationError as error:
            for each in error.errors():
                at = ".".join(str(part) for part in each["loc"])
                what = f"'{at}': {each['msg']}"
                hint = "small letters, digits and single -, at most 63" if at == "id" else ""
                problems.append(Problem(f"plan, task {number}", None, what, hint))
    if problems:
        raise Problems(problems)
    return made


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _items(workplace: Workplace, patterns: list[str], base: str | None) -> list[Item]:
    problems = [
        Problem("files", None, f"{pattern!r} is refused: {why}")
        for pattern in patterns
        if (why := pattern_problem(pattern)) is not None
    ]
    if problems:
        raise Problems(problems)
    files = files_of(workplace, base)
    if files is None:
        raise OrchError(f"there is no revision '{base}'", hint="leave base out, or name a branch")
    found = sorted(set(covered(patterns, files)))
    if not found:
        raise OrchError(
            f"no file of {base or 'the commit that is checked out'} is covered by: "
            + ", ".join(patterns[:5]),
            hint="git patterns from the top, for example src/**/*.py",
        )
    return [Item(path) for path in found]


# --- files ------------------------------------------------------------------------------------


def _save(
    workplace: Workplace, made: Plan, head: tuple[str, ...], name: str | None, replaces: str | None
) -> Path:
    folder = workplace.checkout / PLANS_FOLDER
    if name is None:
        if replaces is not None:
            raise OrchError("`replaces` needs the `name` of the plan", hint="as the answer gave it")
        return save_plan(folder, made, head)
    if not _NAME.fullmatch(name):
        close = slug(name)
        hint = f'for example name="{close}"' if close else "small letters, digits and -"
        raise OrchError(f"'{name}' is no name of a plan", hint=hint)
    path = folder / f"{name}.toml"
    if replaces is None and not os.path.lexists(path):
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(render_plan(made, head))
        return path
    now = version_of(path.read_bytes()) if path.is_file() and not path.is_symlink() else ""
    if replaces != now:
        said = f"was changed: its version is {now}" if replaces else "is there already"
        raise OrchError(
            f"plan '{name}' {said if now else 'is not there'}; nothing was written",
            hint=f'check_plan(plan="{name}") gives the version to replace, or take another name',
        )
    replace_plan(path, render_plan(made, head))
    return path


# --- said -------------------------------------------------------------------------------------


def fenced_by_a_person(plan: Plan) -> Task | None:
    """The first task that may change what is protected."""
    return next((task for task in plan.tasks if task.may_change), None)


def _answer(workplace: Workplace, one: Checked) -> PlanAnswer:
    name = one.path.stem
    tasks = one.plan.tasks
    start: list[Step] = [
        call("start_run", "carry it out; show the person the plan first", plan=name)
    ]
    if fenced_by_a_person(one.plan):
        start = [Step(person=f"orch run {name}", why="it may change what is protected")]
    return PlanAnswer(
        plan=name,
        file=shown_path(workplace, one.path),
        version=version_of(one.path.read_bytes()),
        ok=True,
        goal=one.plan.goal,
        task_count=len(tasks),
        tasks=[task.id for task in tasks],
        warnings=list(one.warnings) or None,
        forecast=list(render_forecast(expected_of(workplace, one), one.settings.limits)),
        next=start,
    )
