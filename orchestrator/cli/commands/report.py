"""`orch report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.app import command_app
from orchestrator.cli.options import JsonOption, RunArgument

app = command_app()


@app.command()
def report(
    ctx: typer.Context,
    run: RunArgument = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            help="All runs since then: yesterday, 7d, '2 hours', 2026-11-25.",
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write it there, as one HTML file."),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Report on a run, or on all since a time, in Markdown, HTML or JSON.

    What needs you, what failed and why, what landed, how far your branch has moved since and
    whether the result still merges with it, what a landed task cost, what to type next.
    """
    from orchestrator.cli import output
    from orchestrator.cli.reporting import page, report_of_run, report_since
    from orchestrator.errors import OrchError

    if since is not None and run is not None:
        raise OrchError(
            "--since is about all runs since then, and you named one",
            hint=f"orch report {run}, or orch report --since {since}",
        )
    if html is not None and as_json:
        raise OrchError("--html and --json are two reports", hint="type it once for each")
    found = report_of_run(ctx, run) if since is None else report_since(ctx, since)
    if as_json:
        output.answer_json(found.document())
    elif html is None:
        output.answer(found.text().rstrip("\n"))
    else:
        page(html, found.text(), found.title)
        output.answer(str(html))
    return 0
