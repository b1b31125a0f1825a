"""`orch demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.app import command_app

app = command_app()


@app.command()
def demo(
    ctx: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Option("--dir", metavar="DIR", help="A new folder; absent: a temporary one."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Go through it without asking.")] = False,
) -> int:
    """See a whole run on a small project: no model, no key, no network.

    Makes the project in a new folder, plans eight tasks, runs them, reviews and accepts the
    result, and says after each step what to type to look closer.
    """
    import sys
    import tempfile

    from orchestrator.cli import output
    from orchestrator.cli.options import environ_of
    from orchestrator.demo import run_demo

    def pause() -> None:
        output.narrate("  (Enter goes on)")
        if not sys.stdin.readline():
            raise KeyboardInterrupt

    asks = not yes and output.is_terminal(sys.stdin) and output.is_terminal(sys.stdout)
    where = folder or Path(tempfile.mkdtemp(prefix="orch-demo-"))
    return run_demo(where.absolute(), environ_of(ctx), output.answer, pause if asks else _go_on)


def _go_on() -> None:
    """Nobody is there to press a key."""
