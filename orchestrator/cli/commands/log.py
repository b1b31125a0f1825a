"""`orch log`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.app import command_app
from orchestrator.cli.options import JsonOption, MaybeTask, RunOption

app = command_app()
LIMIT_BYTES = 8 << 20


@app.command()
def log(
    ctx: typer.Context,
    task: MaybeTask = None,
    gate: Annotated[
        str | None, typer.Option("--gate", metavar="NAME", help="Of this gate, not of the worker.")
    ] = None,
    attempt: Annotated[
        int | None,
        typer.Option("--attempt", metavar="N", help="Of this attempt; absent: the last."),
    ] = None,
    round_: Annotated[
        int | None, typer.Option("--round", metavar="N", help="Of this round; absent: the last.")
    ] = None,
    run: RunOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show what a worker or a gate printed.

    While a worker is at work: what it has printed so far. With --gate and without a task: what
    that gate printed on the base, or later on a tip that somebody else moved.
    """
    from ledger.blobs import Lost
    from orchestrator.cli import output
    from orchestrator.cli.desk import look
    from orchestrator.errors import OrchError
    from orchestrator.runs import live_log
    from orchestrator.sides import log_of_gate, log_of_worker
    from workers.text import printable

    sight = look(ctx, run)
    if gate is not None:
        found = log_of_gate(sight.state, task, gate, attempt, round_)
    elif task is None:
        raise OrchError(
            "say which task, or which gate", hint="orch log TASK, or orch log --gate NAME"
        )
    else:
        found = log_of_worker(sight.state, task, attempt, round_)
    text = ""
    if found.live:
        path = live_log(sight.place, sight.run, found.live)
        text = printable(path.read_bytes()[-LIMIT_BYTES:] if path.exists() else b"")
    elif found.blob is not None:
        kept = sight.blobs.text(found.blob, LIMIT_BYTES)
        if isinstance(kept, Lost):
            raise OrchError(f"the log is gone: {kept}", hint="orch ledger verify")
        text = printable(kept)
    if as_json:
        where, live = found.title, found.live is not None
        output.answer_json({"run": sight.run, "where": where, "live": live, "text": text})
        return 0
    output.narrate(found.title)
    if found.live or found.blob is not None:
        output.answer(text.rstrip("\n"))
    else:
        output.narrate("it printed nothing")
    return 0
