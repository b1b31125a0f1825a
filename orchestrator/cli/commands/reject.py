"""`orch reject`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.app import command_app
from orchestrator.cli.options import JsonOption, LaterOption, RunOption, complete_task

app = command_app()


@app.command()
def reject(
    ctx: typer.Context,
    tasks: Annotated[
        list[str],
        typer.Argument(
            metavar="TASK...", help="Landed or held tasks.", autocompletion=complete_task
        ),
    ],
    run: RunOption = None,
    later: LaterOption = False,
    as_json: JsonOption = False,
) -> int:
    """Take landed tasks out of the result again, or say no to held ones.

    What needs a landed task goes too, and the new result is judged before the result moves. A held
    task is not tried again, and what needs it is skipped; what was made stays, for orch retry.
    """
    from orchestrator.cli.desk import sit_down
    from orchestrator.cli.going_on import go_on
    from orchestrator.persons import reject as ask

    desk = sit_down(ctx, run)
    said = ask(desk.store, desk.run, tuple(tasks))
    return go_on(desk, said, later=later, as_json=as_json)
