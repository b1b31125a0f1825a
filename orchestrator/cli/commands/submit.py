"""`orch submit`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.app import command_app
from orchestrator.cli.options import JsonOption, LaterOption, RunOption, TaskArgument

app = command_app()


@app.command()
def submit(
    ctx: typer.Context,
    task: TaskArgument,
    revision: Annotated[
        str | None,
        typer.Argument(metavar="REVISION", help="A commit; absent: the branch of orch take."),
    ] = None,
    run: RunOption = None,
    later: LaterOption = False,
    as_json: JsonOption = False,
) -> int:
    """Queue what you made of a task.

    The gates judge it like any other head; it lands when they pass.
    """
    from orchestrator.cli.desk import sit_down
    from orchestrator.cli.going_on import go_on
    from orchestrator.persons import submit as give

    desk = sit_down(ctx, run)
    said = give(desk.workplace, desk.store, desk.run, task, revision)
    return go_on(desk, said, later=later, as_json=as_json)
