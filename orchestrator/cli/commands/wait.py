"""`orch wait`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.app import command_app
from orchestrator.cli.options import JsonOption, RunArgument

if TYPE_CHECKING:
    from ledger.state import RunState
    from orchestrator.waiting import Heard

app = command_app()
TIMED_OUT = 4
PERSON_NEEDED = 5


class Occasion(StrEnum):
    """What to wait for."""

    change = "change"
    end = "end"


@app.command()
def wait(
    ctx: typer.Context,
    run: RunArgument = None,
    occasion: Annotated[Occasion, typer.Option("--for", help="What to wait for.")] = Occasion.end,
    after: Annotated[
        int | None,
        typer.Option("--after", metavar="SEQ", help="A change after this event; absent: now."),
    ] = None,
    timeout: Annotated[
        str, typer.Option("--timeout", metavar="TIME", help="Not longer than: 90, 10m, 2h.")
    ] = "1h",
    as_json: JsonOption = False,
) -> int:
    """Wait until a run changes or ends: for scripts and agents.

    A change is anything that a person would want to know; `--json` gives the number of the last
    event, for the next `--after`, so that nothing is missed in between. Waiting for the end exits
    with the run's own exit code, 5 when no engine drives it, 4 when the time is up.
    """
    from orchestrator.cli.desk import look
    from orchestrator.persons import refuse_cleaned
    from orchestrator.times import parse_duration
    from orchestrator.waiting import Heard, hear_since, wait_for_run

    timeout_s = parse_duration(timeout)
    sight = look(ctx, run)
    state, store = sight.state, sight.store
    heard = Heard()
    if after is not None:
        hear_since(store, state, after, heard)
    waited = wait_for_run(
        sight.place,
        store,
        state,
        heard,
        timeout_s=timeout_s,
        stirs=lambda: occasion is Occasion.change and bool(heard.said),
    )
    if not state.finished:
        refuse_cleaned(state)  # it will never end
    _answer(state, waited.alive, heard, as_json, sight.named)
    if state.finished and occasion is Occasion.end:
        return state.finished.exit_code
    if state.finished or waited.stirred:
        return 0
    return PERSON_NEEDED if not waited.alive else TIMED_OUT


def _answer(state: RunState, alive: bool, heard: Heard, as_json: bool, named: bool) -> None:
    from orchestrator.cli import output
    from orchestrator.review.status import render_next, status_of
    from orchestrator.review.words import clock

    view = status_of(state, alive, named)
    if as_json:
        said = [{"at": at, "text": text} for at, text in heard.said]
        body = {"run": view.run, "seq": view.seq, "phase": view.phase, "outcome": view.outcome}
        more = {"exit_code": view.exit_code, "counts": view.counts, "said": said, "next": view.next}
        output.answer_json({**body, **more, "warnings": view.warnings})
        return
    if heard.said:
        output.answer([f"{clock(at)}  {text}" for at, text in heard.said[-50:]])
    phase = view.outcome or view.phase
    counts = ", ".join(f"{number} {status}" for status, number in view.counts.items())
    output.answer(f"{view.run} is {phase.replace('-', ' ')}: {counts}")
    output.answer([output.colour_answer(warning, "ask") for warning in view.warnings])
    output.narrate(render_next(view.next))
