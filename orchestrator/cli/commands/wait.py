"""`orch wait`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer

from ledger.events import Event
from ledger.state import RunState
from orchestrator.cli.app import command_app
from orchestrator.cli.options import JsonOption, RunArgument

app = command_app()
LOOK_EVERY_S = 0.1
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
    from orchestrator.cli.follow import catch_up
    from orchestrator.cli.times import parse_duration
    from orchestrator.persons import refuse_cleaned
    from orchestrator.runs import engine_alive

    timeout_s = parse_duration(timeout)
    sight = look(ctx, run)
    state, store = sight.state, sight.store
    lines = _Lines()
    if after is not None and after < state.seq:
        from orchestrator.runs import read_facts

        facts = [(fact, at) for _, at, fact in read_facts(store, sight.run, after)]
        lines.on_facts(state, facts)
    deadline = time.monotonic() + timeout_s
    stamp = None
    while True:
        # Whether an engine is there is asked first: what it wrote before it went is then read.
        alive = engine_alive(sight.place, sight.run)
        if stamp != (now := store.stamp()):
            stamp = now
            catch_up(store, state, lines)
        changed = occasion is Occasion.change and bool(lines.said)
        timed_out = time.monotonic() >= deadline
        if state.finished or changed or not alive or timed_out:
            break
        time.sleep(min(LOOK_EVERY_S, max(0.0, deadline - time.monotonic())))
    if not state.finished:
        refuse_cleaned(state)  # it will never end
    _answer(state, alive, lines, as_json, sight.named)
    if state.finished and occasion is Occasion.end:
        return state.finished.exit_code
    if state.finished or changed:
        return 0
    return PERSON_NEEDED if not alive else TIMED_OUT


class _Lines:
    """Collects what a person would want to know."""

    def __init__(self) -> None:
        self.said: list[tuple[float, str]] = []

    def on_facts(self, state: RunState, facts: Sequence[tuple[Event, float]]) -> None:
        """Facts were recorded."""
        from orchestrator.review.narrate import narrate_all

        self.said += [(at, text) for at, (text, _) in narrate_all(facts, state)]

    def on_line(self, where: str, text: str) -> None:
        """Something printed a line: no change of the run."""


def _answer(state: RunState, alive: bool, lines: _Lines, as_json: bool, named: bool) -> None:
    from orchestrator.cli import output
    from orchestrator.review.status import render_next, status_of
    from orchestrator.review.words import clock

    view = status_of(state, alive, named)
    if as_json:
        said = [{"at": at, "text": text} for at, text in lines.said]
        body = {"run": view.run, "seq": view.seq, "phase": view.phase, "outcome": view.outcome}
        more = {"exit_code": view.exit_code, "counts": view.counts, "said": said, "next": view.next}
        output.answer_json({**body, **more})
        return
    if lines.said:
        output.answer([f"{clock(at)}  {text}" for at, text in lines.said[-50:]])
    phase = view.outcome or view.phase
    counts = ", ".join(f"{number} {status}" for status, number in view.counts.items())
    output.answer(f"{view.run} is {phase.replace('-', ' ')}: {counts}")
    output.narrate(render_next(view.next))
