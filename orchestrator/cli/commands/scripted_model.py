"""`orch scripted-model`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.app import command_app
from orchestrator.cli.options import JsonOption

app = command_app()


@app.command()
def scripted_model(
    script: Annotated[str, typer.Argument(metavar="SCRIPT", help="A TOML file of turns.")],
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, metavar="N", help="0: any free port.")
    ] = 0,
    record: Annotated[
        str | None,
        typer.Option("--record", metavar="FILE", help="Add each request as a line of JSON."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Check the script, serve nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Serve a model that answers from a script, on this machine.

    It speaks Anthropic's Messages and OpenAI's Chat Completions on 127.0.0.1, streaming and not:
    for rehearsals without a key and without spending. Its address is said on stdout; Ctrl-C ends
    it. All errors of the script are told at once, with line and what to write instead.
    """
    from orchestrator.cli import output
    from orchestrator.cli.rehearsing import serve_script
    from orchestrator.review.words import count
    from orchestrator.scripts import load_script

    read = load_script(Path(script), script)
    if check:
        if as_json:
            output.answer_json({"script": script, "turns": len(read.turn)})
        else:
            output.answer(f"{script}: {count(len(read.turn), 'turn')}, no errors")
        return 0
    return serve_script(read, script, port, Path(record) if record else None, as_json=as_json)
