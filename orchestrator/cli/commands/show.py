"""`orch show`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.app import command_app
from orchestrator.cli.options import JsonOption, MaybeTask, RunOption

app = command_app()
LOG_TAIL_BYTES = 4000


@app.command()
def show(
    ctx: typer.Context,
    task: MaybeTask = None,
    run: RunOption = None,
    log: Annotated[bool, typer.Option("--log", help="With the end of each log.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Tell a task, or a run, in full.

    Attempts, rounds and verdicts, how long each took, what failed and why.
    """
    import time

    from ledger.events import McpToolCalled
    from orchestrator.cli import output
    from orchestrator.cli.desk import look
    from orchestrator.journal import parse_row
    from orchestrator.persons import find_task
    from orchestrator.review.documents import run_document, task_document
    from orchestrator.review.served import calls_of
    from orchestrator.review.show import render_run, render_task
    from workers.text import printable

    sight = look(ctx, run)
    if task is not None:
        find_task(sight.state, task)

    def read_log(blob: str) -> str:
        return printable(str(sight.blobs.text(blob, LOG_TAIL_BYTES)))

    reader = read_log if log else None
    now, paint = time.time(), output.colour_answer
    if as_json and task:
        output.answer_json(task_document(sight.state, task, now, reader))
    elif as_json:
        output.answer_json(run_document(sight.state, now, reader))
    elif task:
        made = sight.store.of_kinds(("McpToolCalled",), sight.run)
        facts = (fact for row in made if isinstance(fact := parse_row(row), McpToolCalled))
        calls = calls_of(task, facts)
        output.answer(render_task(sight.state, task, now, paint, reader, calls))
    else:
        output.answer(render_run(sight.state, now, paint, reader))
    return 0
