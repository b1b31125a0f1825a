"""`orch watch`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.app import command_app

app = command_app()
PORT = 8765


@app.command()
def watch(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME...", help="Only these automations; absent: all."),
    ] = None,
    port: Annotated[
        int,
        typer.Option(
            "--port", metavar="N", min=0, max=65535, help="Where webhooks listen; 0: a free one."
        ),
    ] = PORT,
    once: Annotated[
        bool, typer.Option("--once", help="Fire what is due now, wait for its end, then end.")
    ] = False,
    keep_awake: Annotated[
        bool, typer.Option("--keep-awake", help="Hold off sleep while a run goes on.")
    ] = False,
) -> int:
    """Start runs by themselves: at their times, on changed files, new commits and webhooks.

    In the foreground, until Ctrl-C; runs that have begun go on. What was due while nobody looked
    is started once, and what a reboot cut short goes on. The settings are read again when they
    change. There is one `orch watch` in a repository; without a terminal that stays open, the
    system can keep the times: orch schedule install.
    """
    from orchestrator.cli.desk import open_here
    from orchestrator.cli.options import environ_of
    from orchestrator.cli.watching import watch_for_ever, watch_once

    workplace = open_here(environ_of(ctx))
    workplace.refuse_nested()
    only = frozenset(names or ())
    if once:
        return watch_once(workplace, only, keep_awake=keep_awake)
    return watch_for_ever(workplace, only, port=port, keep_awake=keep_awake)
