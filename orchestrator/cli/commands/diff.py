"""`orch diff`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.app import command_app
from orchestrator.cli.options import MaybeTask, RunOption

app = command_app()
LIMIT_BYTES = 8 << 20


@app.command()
def diff(
    ctx: typer.Context,
    task: MaybeTask = None,
    run: RunOption = None,
    attempt: Annotated[
        int | None,
        typer.Option("--attempt", metavar="N", help="Of this attempt; absent: the last."),
    ] = None,
    stat: Annotated[bool, typer.Option("--stat", help="Only which files, and how much.")] = False,
) -> int:
    """Show what a task, or the run, changed.

    A task: its last head against the commit that its attempt began with, whether or not it
    landed. The run: its result against the commit that the run began with.
    """
    from orchestrator.cli import output
    from orchestrator.cli.desk import sit_down
    from orchestrator.cli.sides import sides_of
    from orchestrator.runs import load_state
    from workers.text import printable

    desk = sit_down(ctx, run)
    base, head = sides_of(load_state(desk.store, desk.run), task, attempt)
    form = "stat" if stat else "patch"
    said, cut = desk.workplace.git.diff(base, head, form=form, limit_bytes=LIMIT_BYTES)  # type: ignore[arg-type]
    text = printable(said)
    if not text.strip():
        output.narrate("nothing changed")
        return 0
    output.answer([_coloured(line) for line in text.rstrip("\n").split("\n")])
    if cut:
        output.narrate(f"cut after {LIMIT_BYTES >> 20} MB; all of it: git diff {base} {head}")
    return 0


def _coloured(line: str) -> str:
    from orchestrator.cli import output

    if line.startswith(("diff ", "index ", "+++", "---")):
        return output.colour_answer(line, "strong")
    styles = {"+": "good", "-": "bad", "@": "busy"}
    return output.colour_answer(line, styles.get(line[:1], "plain"))
