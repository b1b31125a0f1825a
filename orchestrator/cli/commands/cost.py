"""`orch cost`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from orchestrator.cli.app import command_app
from orchestrator.cli.options import JsonOption, complete_run

app = command_app()


class By(StrEnum):
    """How costs are shared out."""

    RUN = "run"
    TASK = "task"
    ATTEMPT = "attempt"
    WORKER = "worker"
    MODEL = "model"
    DAY = "day"


@app.command()
def cost(
    ctx: typer.Context,
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN",
            help="A run's id or its beginning; absent: all runs.",
            show_default=False,
            autocompletion=complete_run,
        ),
    ] = None,
    by: Annotated[
        By | None,
        typer.Option(
            "--by",
            help="What to share it out by; absent: runs, or the tasks of one.",
            show_default=False,
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="DATE", help="From then on: 2026-11-01, or 7d ago."),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Say what models cost, and what a landed task costs.

    Tokens as the vendors count them, cached ones apart, and money as far as the prices are known.
    Last the figure that counts: all that was spent, also on what failed, on checkers and on
    planning, for each task that landed.
    """
    import time
    from pathlib import Path

    from orchestrator.cli import output
    from orchestrator.cli.options import environ_of
    from orchestrator.costs import load_costs
    from orchestrator.lookup import open_ledger
    from orchestrator.review.cost_table import costs_as_json, render_costs
    from orchestrator.runs import pick_run
    from orchestrator.times import parse_since

    ledger = open_ledger(Path.cwd(), environ_of(ctx))
    one = pick_run(ledger.store, run) if run else None
    after = parse_since(since, time.time()) if since else None
    shared = by or (By.TASK if one else By.RUN)
    costs = load_costs(ledger.place, ledger.store, shared.value, one, after or 0.0)
    if as_json:
        output.answer_json(costs_as_json(costs, one, after))
    elif not costs.whole.bill.calls:
        output.answer("no model was called" + (f" since {since}" if since else ""))
    else:
        output.answer(render_costs(costs, output.colour_answer, one or ""))
    return 0
