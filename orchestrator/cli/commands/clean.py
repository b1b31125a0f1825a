"""`orch clean`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.app import command_app
from orchestrator.cli.options import JsonOption, RunArgument

app = command_app()


@app.command()
def clean(
    ctx: typer.Context,
    run: RunArgument = None,
    discard: Annotated[
        bool, typer.Option("--discard", help="Also where work was not accepted; kept 30 days.")
    ] = False,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="AGE", help="Only what ended before: 7d.")
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Give back the refs and workspaces of runs that are over.

    Without RUN: of all of them. One that waits for you, or that orch resume would go on with, is
    not over: only its name cleans it. Work that nobody accepted stays, unless you discard it;
    even then its commits are kept aside for 30 days. What the ledger recorded stays.
    """
    from contextlib import nullcontext
    from dataclasses import asdict

    from orchestrator.cleaning import Cleaned
    from orchestrator.cleaning import clean as tidy
    from orchestrator.cli import output
    from orchestrator.cli.desk import open_here
    from orchestrator.cli.options import environ_of
    from orchestrator.review.words import count
    from orchestrator.runs import pick_run
    from orchestrator.times import parse_duration
    from orchestrator.untold import untold_runs

    older_than_s = parse_duration(older_than) if older_than else 0.0
    workplace = open_here(environ_of(ctx))
    workplace.refuse_children()
    with workplace.existing_store() or nullcontext() as existing:
        nothing = existing is None
        wanted = pick_run(existing, run) if run else None
    if nothing:
        if as_json:
            output.answer_json(asdict(Cleaned()))
        else:
            untold = untold_runs(workplace.git, ())
            lost = f"no ledger tells of {count(len(untold), 'run')} whose refs are here"
            output.answer(f"nothing to clean: {lost if untold else 'nothing was ever run here'}")
            if untold:
                output.narrate("  hint: orch doctor says what to type")
        return 0
    done = tidy(workplace, workplace.store(), wanted, discard=discard, older_than_s=older_than_s)
    if as_json:
        output.answer_json(asdict(done))
    else:
        if wanted in done.already:
            output.answer(f"run {wanted} was cleaned already")
        else:
            output.answer(f"cleaned {count(len(done.runs), 'run')}")
            output.answer([f"  {name}" for name in done.runs])
        if done.kept_aside:
            output.answer(f"{count(len(done.kept_aside), 'ref')} kept aside for 30 days:")
            output.answer([f"  {ref}" for ref in done.kept_aside[:20]])
        if done.expired:
            output.answer(f"{count(len(done.expired), 'ref')} kept aside long enough, removed")
        for left in done.left:
            output.narrate(f"left alone: {left.run}: {left.why}\n  hint: {left.hint}")
    return 5 if wanted and done.left else 0
