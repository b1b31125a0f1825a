"""`orch ledger`: verify, export, events."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.app import command_app
from orchestrator.cli.options import JsonOption, RunArgument

app = command_app(help="Verify, export or list what was recorded.", no_args_is_help=True)


@app.command()
def verify(ctx: typer.Context, run: RunArgument = None, as_json: JsonOption = False) -> int:
    """Check that every state of the result was judged, and that refs and ledger agree.

    Walks the result's first parents down to the base: each tree must have passed every gate of
    the run, as the ledger recorded it. Where the run had no gate for one, or set its gates aside,
    that is said. Exits with 1 where anything does not agree.
    """
    from dataclasses import asdict

    from orchestrator.cli import output
    from orchestrator.cli.desk import stand_by
    from orchestrator.review.verify import verify_run

    desk = stand_by(ctx, run)
    found = verify_run(desk.workplace.git, desk.store, desk.workplace.blobs, desk.run)
    if as_json:
        output.answer_json(asdict(found) | {"agrees": found.agrees})
    else:
        for one in found.disagreements:
            output.answer(output.colour_answer(f"{one.what}: {one.why}", "bad"))
        for note in found.notes:
            output.narrate(note)
        output.answer([output.colour_answer(said, "ask") for said in found.warnings])
        word = "agrees" if found.agrees else "does NOT agree"
        style = "good" if found.agrees else "bad"
        output.answer(output.colour_answer(f"{desk.run} {word}: {found.summary}", style))
    return 0 if found.agrees else 1


@app.command()
def export(
    ctx: typer.Context,
    run: RunArgument = None,
    task: Annotated[
        str | None, typer.Option("--task", metavar="TASK", help="Only this task.")
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle", metavar="FILE", help="Instead: the whole run in one file, to go on with."
        ),
    ] = None,
) -> int:
    """Give the run's state as JSON, for people and agents.

    With --bundle the run goes into one file: its facts, its commits and its logs, so that another
    machine goes on with it: orch resume --bundle FILE.
    """
    import json

    from ledger.export import state_ledger, task_ledger
    from orchestrator.cli import output
    from orchestrator.cli.desk import look
    from orchestrator.persons import find_task
    from orchestrator.review.judged import warnings_of

    if bundle is not None:
        return _export_bundle(ctx, run, task, bundle)
    sight = look(ctx, run)
    if task is not None:
        find_task(sight.state, task)
        shown = task_ledger(sight.state, task)
    else:
        shown = state_ledger(sight.state, warnings_of(sight.state))
    output.answer(json.dumps(shown, indent=2))
    return 0


@app.command()
def events(
    ctx: typer.Context,
    run: RunArgument = None,
    after: Annotated[
        int, typer.Option("--after", metavar="SEQ", help="Only later than this event.")
    ] = 0,
    as_json: JsonOption = False,
) -> int:
    """List what happened, in order; with --json one event a line, with all that it says."""
    from ledger.export import event_as_json
    from orchestrator.cli import output
    from orchestrator.cli.desk import look
    from orchestrator.review.words import clock, foreign
    from orchestrator.runs import read_facts

    sight = look(ctx, run)
    for seq, at, fact in read_facts(sight.store, sight.run, after):
        if as_json:
            output.answer_json(event_as_json(sight.run, seq, at, fact))
        else:
            body = fact.model_dump_json(exclude_defaults=True, exclude={"kind"})
            output.answer(f"{seq:>5}  {clock(at)}  {fact.kind:<20} {foreign(body, 160)}")
    return 0


def _export_bundle(ctx: typer.Context, run: str | None, task: str | None, path: Path) -> int:
    from orchestrator.bundle.export import export_run
    from orchestrator.cli import output
    from orchestrator.cli.desk import stand_by
    from orchestrator.errors import OrchError
    from orchestrator.review.words import count

    if task is not None:
        hint = "orch ledger export --bundle FILE"
        raise OrchError("a bundle holds a whole run, not one task", hint=hint)
    desk = stand_by(ctx, run)
    made = export_run(desk.workplace, desk.store, desk.run, path)
    facts, refs, logs = (
        count(number, noun)
        for number, noun in ((made.events, "fact"), (made.refs, "ref"), (made.blobs, "log"))
    )
    output.answer(
        f"{made.path}: run {made.run}, {facts}, {refs}, {logs}, {made.size_bytes:,} bytes"
    )
    if made.left_out:
        output.narrate(f"{count(made.left_out, 'log')} lost or too large, left out")
    output.narrate(f"on another machine: orch resume --bundle {made.path.name}")
    return 0
