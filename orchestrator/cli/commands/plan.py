"""`orch plan`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.app import command_app
from orchestrator.cli.options import JsonOption

app = command_app()


class Drawing(StrEnum):
    """How the graph can be drawn beside plain lines."""

    mermaid = "mermaid"


@app.command()
def plan(
    ctx: typer.Context,
    goal: Annotated[
        str | None,
        typer.Argument(
            metavar="GOAL", help="What you want, in a sentence; with --refine, the plan."
        ),
    ] = None,
    issue: Annotated[
        str | None,
        typer.Option(
            "--issue",
            metavar="KEY",
            help="An issue of the forge, or a ticket as [tickets] says, is the goal.",
        ),
    ] = None,
    check: Annotated[
        str | None,
        typer.Option("--check", metavar="FILE", help="Check this plan instead of making one."),
    ] = None,
    for_each: Annotated[
        str | None,
        typer.Option(
            "--for-each",
            metavar="COMMAND",
            help="A task for each line that it prints: a path, or a path, a TAB and a text.",
        ),
    ] = None,
    batch: Annotated[
        int | None, typer.Option("--batch", min=1, metavar="N", help="So many items a task.")
    ] = None,
    by_folder: Annotated[
        bool, typer.Option("--by-folder", help="The items of a folder are one task.")
    ] = False,
    max_tasks: Annotated[
        int | None,
        typer.Option("--max-tasks", min=1, metavar="N", help="Not more tasks than that."),
    ] = None,
    worker: Annotated[
        str | None, typer.Option("--worker", metavar="NAME", help="Who does the tasks.")
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option(
            "--prompt",
            metavar="TEXT",
            help="What workers are told; {items}, {paths} and {goal} are filled in.",
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option("--base", metavar="REV", help="Start from it; absent: where the checkout is."),
    ] = None,
    planner: Annotated[
        str | None,
        typer.Option("--planner", metavar="NAME", help="The worker, a model, that plans."),
    ] = None,
    by_hand: Annotated[
        bool, typer.Option("--by-hand", help="One task, to be divided by you; ask no model.")
    ] = False,
    refine: Annotated[
        str | None,
        typer.Option("--refine", metavar="TEXT", help="Let a model change a plan as you say."),
    ] = None,
    questions: Annotated[
        bool, typer.Option("--questions", help="Let it ask you first, before it plans.")
    ] = False,
    answers: Annotated[
        list[str] | None,
        typer.Option(
            "--answer",
            metavar="TEXT",
            help="What the planner should know, an answer for one; repeatable.",
        ),
    ] = None,
    edit: Annotated[bool, typer.Option("--edit", "-e", help="Open it in your editor.")] = False,
    graph: Annotated[
        Drawing | None, typer.Option("--graph", help="Only the graph, in this form.")
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Make a plan, or check one, and show what would happen.

    A new plan is saved in .agent/plans for you to read and edit. Without a goal the newest plan
    is checked and shown. All errors are told at once, with file, line and what to write instead.

    Where the settings name a planner, a model looks at the repository and divides the goal into
    tasks. It sees the commit that the plan starts from, and can only read.

    A task for each folder below src, without any model: orch plan "Modernise syntax" --for-each
    "git ls-files 'src/*.py'" --by-folder --worker codemod
    """
    from orchestrator.cli import output
    from orchestrator.cli.desk import open_here
    from orchestrator.cli.options import environ_of
    from orchestrator.cli.planned import answer_plan, with_overlaps
    from orchestrator.cli.planning import Asking, planner_of, refine_plan
    from orchestrator.cli.ticketing import goal_of_issue
    from orchestrator.errors import OrchError
    from orchestrator.planned import load_checked, shown_path, sourced_of
    from orchestrator.planning.check import check_made_plan
    from orchestrator.planning.for_each import Grouping
    from orchestrator.planning.graph import render_mermaid
    from orchestrator.planning.plan_file import PLANS_FOLDER, find_plan, save_plan
    from orchestrator.planning.planner import Planned, PlanOptions
    from orchestrator.planning.planner import plan as make_plan
    from orchestrator.survey import survey

    if issue is not None:
        if goal is not None or check is not None or refine is not None:
            raise OrchError("--issue is the goal", hint=f"orch plan --issue {issue}")
        goal = goal_of_issue(environ_of(ctx), issue)
    if goal is not None and check is not None:
        raise OrchError("a goal makes a plan, --check looks at one", hint="orch plan --check FILE")
    making = (for_each, batch, max_tasks, worker, prompt, base)
    asking = questions or answers or planner
    if refine is not None and (check or by_hand or by_folder or any(making)):
        raise OrchError(
            "--refine changes a plan that is there", hint='orch plan --refine "..." PLAN'
        )
    if by_hand and (asking or for_each is not None):
        raise OrchError("--by-hand asks no model", hint='orch plan "GOAL" --by-hand')
    if asking and refine is None and (goal is None or for_each is not None or prompt is not None):
        raise OrchError("only a model that plans can be told", hint='orch plan "GOAL" --questions')
    if (
        goal is None
        and refine is None
        and (by_folder or any(value is not None for value in making))
    ):
        raise OrchError("to make a plan, say what you want", hint='orch plan "GOAL" --for-each ...')
    if prompt is not None and "{items}" in prompt and for_each is None:
        raise OrchError(
            "--prompt speaks of {items}, and nothing says what they are",
            hint='orch plan "GOAL" --for-each COMMAND --prompt "... {items}"',
        )
    if for_each is None and (by_folder or batch is not None or max_tasks is not None):
        raise OrchError(
            "--batch, --by-folder and --max-tasks group items", hint="--for-each COMMAND"
        )
    environ = environ_of(ctx)
    workplace = open_here(environ)
    workplace.refuse_nested()
    asks = Asking(planner, tuple(answers or ()), questions, as_json)
    made: Planned | None = None
    if refine is not None:
        path, made = refine_plan(workplace, goal, refine, asks)
    elif goal is None:
        path = find_plan(workplace.checkout, check)
    else:
        sourced = sourced_of(workplace)
        settings = sourced.settings
        by_model = for_each is None and prompt is None and not by_hand
        options = PlanOptions(
            checkout=workplace.checkout,
            base=base,
            worker=worker,
            prompt=prompt,
            for_each=for_each,
            grouping=Grouping(batch=batch, by_folder=by_folder, most_tasks=max_tasks),
            planner=planner_of(workplace, sourced, asks, base) if by_model else None,
        )
        made = make_plan(goal, options)
        check_made_plan(made.plan, survey(workplace, settings)(made.plan.base)).sound()
        path = save_plan(workplace.checkout / PLANS_FOLDER, made.plan, made.comments)
        output.narrate(f"saved: {shown_path(workplace, path)}")
    if edit:
        _edit(path, environ)
    found = with_overlaps(workplace, load_checked(workplace, str(path)))
    if graph is Drawing.mermaid:
        output.answer(render_mermaid(found.plan.tasks).rstrip("\n"))
        return 0
    answer_plan(workplace, found, as_json=as_json, made=made)
    if not as_json:
        output.narrate(f"to run it: orch run {shown_path(workplace, path)}")
    return 0


def _edit(path: Path, environ: Mapping[str, str]) -> None:
    """Open a file in the user's editor and wait for it."""
    import shlex
    import subprocess

    from orchestrator.errors import OrchError

    editor = environ.get("VISUAL") or environ.get("EDITOR")
    if not editor:
        raise OrchError("no editor is named", hint=f"export EDITOR=..., or open {path} yourself")
    try:
        done = subprocess.run([*shlex.split(editor), str(path)], env=dict(environ), check=False)
    except (OSError, ValueError) as error:
        hint = f"export EDITOR=..., or open {path} yourself"
        raise OrchError(f"the editor '{editor}' cannot be started: {error}", hint=hint) from error
    if done.returncode:
        raise OrchError(f"the editor ended with exit {done.returncode}", hint=f"the plan is {path}")
