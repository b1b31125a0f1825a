"""`orch answer`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.app import command_app
from orchestrator.cli.options import JsonOption, LaterOption, RunOption, complete_asking

app = command_app()


@app.command()
def answer(
    ctx: typer.Context,
    task: Annotated[
        str,
        typer.Argument(
            metavar="TASK", help="The id of a task that asks.", autocompletion=complete_asking
        ),
    ],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What its worker should know.")],
    run: RunOption = None,
    later: LaterOption = False,
    as_json: JsonOption = False,
) -> int:
    """Answer what a task asks; it goes on with that.

    Its next attempt, and each one after that, is told all questions and answers of the task. The
    question uses up no attempt. See what is asked: orch status.
    """
    from orchestrator.cli.desk import sit_down
    from orchestrator.cli.going_on import go_on
    from orchestrator.persons import answer as reply

    desk = sit_down(ctx, run)
    said = reply(desk.store, desk.run, task, text, desk.workplace)
    return go_on(desk, said, later=later, as_json=as_json)
