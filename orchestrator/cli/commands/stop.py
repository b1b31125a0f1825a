"""`orch stop`."""

from __future__ import annotations

import typer

from orchestrator.cli.app import command_app
from orchestrator.cli.options import JsonOption, RunArgument

app = command_app()


@app.command()
def stop(ctx: typer.Context, run: RunArgument = None, as_json: JsonOption = False) -> int:
    """Ask a run to end in order.

    What is under way is ended, nothing that was made is lost, and the run can be resumed.
    """
    from orchestrator.cli.desk import sit_down
    from orchestrator.cli.going_on import answer_said
    from orchestrator.persons import Said, refuse_cleaned, request_stop
    from orchestrator.runs import engine_alive, load_state

    desk = sit_down(ctx, run)
    refuse_cleaned(load_state(desk.store, desk.run))
    if engine_alive(desk.workplace.place, desk.run):
        said = request_stop(desk.store, desk.run)
    else:
        said = Said(f"no engine drives {desk.run}: there is nothing to stop", "orch status")
    answer_said(desk, said, as_json)
    return 0
