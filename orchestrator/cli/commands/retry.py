"""`orch retry`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.app import command_app
from orchestrator.cli.options import JsonOption, LaterOption, RunOption, TaskArgument

app = command_app()


@app.command()
def retry(
    ctx: typer.Context,
    task: TaskArgument,
    note: Annotated[str, typer.Option("--note", "-n", help="What its worker should know.")] = "",
    run: RunOption = None,
    later: LaterOption = False,
    as_json: JsonOption = False,
) -> int:
    """Let a task be tried again, with your advice.

    It gets a fresh attempt on the result as it is now, and all its attempts again.
    """
    from orchestrator.cli.desk import sit_down
    from orchestrator.cli.going_on import go_on
    from orchestrator.persons import retry as ask

    desk = sit_down(ctx, run)
    said = ask(desk.store, desk.run, task, note, desk.workplace)
    return go_on(desk, said, later=later, as_json=as_json)
