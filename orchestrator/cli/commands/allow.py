"""`orch allow`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.app import command_app
from orchestrator.cli.options import JsonOption, LaterOption, RunOption, TaskArgument

app = command_app()


@app.command()
def allow(
    ctx: typer.Context,
    task: TaskArgument,
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...", help="What it may change; or fewer-tests, or blocking-findings."
        ),
    ],
    run: RunOption = None,
    later: LaterOption = False,
    as_json: JsonOption = False,
) -> int:
    """Let a held task change a path that a person must look at, lose tests, or land although a
    checker blocks it.

    Of several paths all are allowed, or, where one does not hold the task, none. When all that
    holds it is allowed, its head is queued. `fewer-tests` stands for no path: fewer tests ran on
    its change than before, and may. Nor does `blocking-findings`: what the checker found may
    stand, in later attempts of the task too. See first: orch diff TASK, orch show TASK.
    """
    from orchestrator.cli.desk import sit_down
    from orchestrator.cli.going_on import go_on
    from orchestrator.persons import allow as permit

    desk = sit_down(ctx, run)
    said = permit(desk.store, desk.run, task, *paths, workplace=desk.workplace)
    return go_on(desk, said, later=later, as_json=as_json)
