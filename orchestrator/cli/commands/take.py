"""`orch take`."""

from __future__ import annotations

import typer

from orchestrator.cli.app import command_app
from orchestrator.cli.options import JsonOption, RunOption, TaskArgument

app = command_app()


@app.command()
def take(
    ctx: typer.Context, task: TaskArgument, run: RunOption = None, as_json: JsonOption = False
) -> int:
    """Make a branch of a task's last head, to finish it by hand.

    Commit what is missing on that branch, then queue it with: orch submit TASK.
    """
    from orchestrator.cli.desk import sit_down
    from orchestrator.cli.going_on import answer_said
    from orchestrator.persons import take as make_branch

    desk = sit_down(ctx, run)
    answer_said(desk, make_branch(desk.workplace, desk.store, desk.run, task), as_json)
    return 0
