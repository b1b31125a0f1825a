"""`orch mcp`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.app import command_app

app = command_app()


@app.command()
def mcp(
    ctx: typer.Context,
    repo: Annotated[
        Path | None,
        typer.Option("--repo", metavar="DIR", help="The repository; absent: where it is started."),
    ] = None,
) -> int:
    """Let an agent plan, start, follow and read runs, by MCP on stdin and stdout.

    For the configuration of a client, such as Claude Code or Cursor: it starts this, and ends it.
    Runs that it started go on by themselves. An agent trusts no command and allows no held change
    for you, and accepts only into branches that the settings name below [mcp_server].
    """
    import sys

    from orchestrator.cli import output
    from orchestrator.cli.options import environ_of
    from orchestrator.errors import OrchError
    from orchestrator.mcp_server.office import refuse_attempts

    folder = (repo or Path.cwd()).absolute()
    if not folder.is_dir():
        raise OrchError(f"there is no folder {folder}", hint="orch mcp --repo DIR")
    if output.is_terminal(sys.stdin):
        output.narrate("speaking MCP on stdin and stdout, which a client should start; Ctrl-C ends")
    environ = environ_of(ctx)
    refuse_attempts(environ)  # before what costs seconds to import
    from orchestrator.mcp_server.server import serve

    serve(folder, environ, output.remark)
    return 0
