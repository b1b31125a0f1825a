"""`orch status`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.app import command_app
from orchestrator.cli.options import JsonOption, RunArgument

app = command_app()


@app.command()
def status(
    ctx: typer.Context,
    run: RunArgument = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Follow it until it ends.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Name every task.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Say where a run stands.

    What needs you comes first, then what is under way, then the rest, then what to type next.
    """
    from orchestrator.cli.desk import look
    from orchestrator.cli.glance import answer_status, keep
    from orchestrator.cli.going_on import series_of_run
    from orchestrator.driven import driven
    from orchestrator.review.status import status_of
    from orchestrator.runs import engine_alive

    sight = look(ctx, run)
    state, alive = sight.state, sight.alive
    if watch and alive and not as_json:
        from orchestrator.cli.follow import follow

        state = follow(sight.place, sight.store, state)
        alive = engine_alive(sight.place, sight.run)
    time_s = driven(sight.store, sight.run, state, alive)
    view = status_of(state, alive, sight.named, time_s, series_of_run(sight.store, state))
    if view.phase == "finished" and not sight.named:
        keep(sight.place, view)
    answer_status(view, as_json, everything)
    return 0
