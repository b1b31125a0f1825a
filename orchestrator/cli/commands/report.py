"""`orch report`."""

from __future__ import annotations

import typer

from orchestrator.cli.app import command_app
from orchestrator.cli.options import RunArgument

app = command_app()


@app.command()
def report(ctx: typer.Context, run: RunArgument = None) -> int:
    """Write the run's report, in Markdown.

    What landed, what failed and why, what waits for you, how long it took, what to type next.
    """
    import time

    from orchestrator.cli import output
    from orchestrator.cli.desk import look
    from orchestrator.driven import driven
    from orchestrator.review.report import render_report

    sight = look(ctx, run)
    time_s = driven(sight.store, sight.run, sight.state, sight.alive)
    text = render_report(sight.state, sight.alive, time.time(), sight.named, time_s)
    output.answer(text.rstrip("\n"))
    return 0
