"""A run comes in from a file: what it would do here is shown and asked about first."""

from __future__ import annotations

from pathlib import Path

import typer

from orchestrator.cli import output
from orchestrator.errors import OrchError
from orchestrator.review.words import count, foreign

PERSON_NEEDED = 5
MOST_LINES = 60


def take_in(
    ctx: typer.Context, path: Path, wanted: str | None, *, trusted: bool, attended: bool, ci: bool
) -> str:
    """Take in a run's file; the run's id. `trusted`: its commands may run, whatever they are."""
    from orchestrator.bundle.leave import leave_here
    from orchestrator.bundle.taking import look_into, wishes
    from orchestrator.bundle.taking import take_in as take
    from orchestrator.cli.desk import open_here
    from orchestrator.cli.options import environ_of
    from orchestrator.cli.trusting import require_trust
    from orchestrator.planned import sourced_of

    workplace = open_here(environ_of(ctx))
    workplace.refuse_nested()
    brought = look_into(workplace, path)
    run = brought.state.run
    if wanted is not None and not run.startswith(wanted):
        raise OrchError(
            f"{path} holds run {run}, not {wanted}", hint=f"orch resume --bundle {path}"
        )
    sourced = sourced_of(workplace)
    require_trust(workplace, sourced, attended=attended and output.can_ask())
    leave = leave_here(workplace.checkout)
    asked = wishes(brought, sourced.settings, delivers=ci, leave=leave)
    if asked and not trusted:
        output.narrate("the bundle would run or do here what your settings do not say:")
        output.narrate([f"+{foreign(line, 2000)}" for line in asked[:MOST_LINES]])
        whole = len(asked) <= MOST_LINES
        if not whole:
            output.narrate(f"... {count(len(asked), 'line')} in all")
        if not (whole and attended and output.can_ask() and output.ask("Let it? (y/N) ")):
            raise OrchError(
                "nothing was taken in: the bundle's commands are not those of your settings",
                hint="where you know who wrote it: orch resume --trust-bundle --bundle FILE",
                exit_code=PERSON_NEEDED,
            )
    with workplace.store() as store:
        new = take(workplace, store, brought, None if trusted else sourced.settings)
    output.narrate(
        f"run {run}: {count(new, 'fact')} taken in"
        if new
        else f"run {run}: all that the bundle knows is here already"
    )
    return run
