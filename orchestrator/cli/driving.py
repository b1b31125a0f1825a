"""Driving a run from the command line: what is shown, what Ctrl-C does, how it ends.

1. The first Ctrl-C (or a polite signal, or a terminal that closes) asks the run to end in order;
   the second ends it at once. Either way it can be resumed.
2. On a terminal a live view, in a pipe plain lines, with `--json` one event a line.
3. At the end: where the run stands and what to type next, on stdout; the exit code says it too.
4. A detached run is the same, by a process in a session of its own that resumes it.
5. A run that was told to is delivered (pushed, a pull request opened) when it has ended; in CI also
   when it was interrupted or broke, for what is not pushed by then is lost with the machine.
6. What goes wrong in an accept is told, and keeps nothing else of the end from being done.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

import anyio

from ledger.lock import EngineRunning
from ledger.state import RunState
from ledger.store import Store
from orchestrator.cli import output
from orchestrator.cli.glance import keep
from orchestrator.cli.going_on import series_of_run
from orchestrator.cli.lines import JsonLines, PlainLines
from orchestrator.detaching import detached_log
from orchestrator.driven import Driven, driven
from orchestrator.errors import OrchError
from orchestrator.journal import Observer
from orchestrator.policy.accepted import unaccepted
from orchestrator.policy.unattended import may_accept
from orchestrator.review.status import render_status, status_as_json, status_of
from orchestrator.runs import load_state, read_facts
from orchestrator.workplace import Workplace

if TYPE_CHECKING:
    from orchestrator.cli.live import LiveView
    from orchestrator.models import Traffic

INTERRUPTED = 130


def drive_shown(
    workplace: Workplace,
    store: Store,
    run: str,
    *,
    as_json: bool = False,
    plain: bool = False,
    from_start: bool = False,
    traffic: Traffic | None = None,
    ci: bool = False,
) -> int:
    """Drive a run to its end and tell about it; the exit code.

    `from_start`: also of what was recorded before it is driven. `traffic`: what becomes of its
    model calls. `ci`: it is a job, with a summary.
    """
    state = load_state(store, run)
    with ExitStack() as stack:
        view: LiveView | None = None
        observer: Observer
        if as_json:
            observer = JsonLines()
        elif plain or not output.is_terminal(sys.stderr):
            observer = PlainLines()
        else:
            from orchestrator.cli.live import LiveView

            before = driven(store, run, state, alive=False)
            now = Driven(before.spent_s, time.time())
            observer = view = stack.enter_context(LiveView(state, driven=now))
        if from_start and view is None:
            observer.on_facts(state, [(fact, at) for _, at, fact in read_facts(store, run)])
        try:
            ended = anyio.run(_drive, workplace, store, run, observer, view, traffic)
        except Exception as error:
            if isinstance(error, EngineRunning):
                raise
            try:
                if ci:
                    from orchestrator.cli.ci import end_in_ci

                    end_in_ci(workplace, store, run)
            finally:
                if state.started.notify:
                    _tell_broken(workplace, store, run, error)
            raise
    state = load_state(store, run)
    code = state.finished.exit_code if state.finished and ended else INTERRUPTED
    into = state.started.into or state.started.target
    wanted = may_accept(state.started) and code == 0 and unaccepted(state, into)

    def accepted() -> int:
        from orchestrator.cli.accepting import accepted_at_end

        return accepted_at_end(workplace, store, run, as_json=as_json) if wanted else 0

    if ci:
        from orchestrator.cli.ci import end_in_ci

        # Whatever the run came to: what has landed is lost with the machine.
        failed = end_in_ci(workplace, store, run, accepted)
        code = code or failed
    else:
        code = code or accepted()
    if state.started.deliver and ended and not ci:
        from orchestrator.cli.delivering import delivered_at_end

        deliver = state.started.deliver
        failed, _ = delivered_at_end(workplace, store, run, deliver, as_json=as_json)
        code = code or failed
    state = load_state(store, run)
    if state.started.notify and state.finished:
        from orchestrator.cli.notifying import tell_end

        tell_end(workplace, store, run)
        state = load_state(store, run)
    if not as_json:  # whoever reads events has been told all of it
        show_end(workplace, store, state, as_json=False)
    return code


def _tell_broken(workplace: Workplace, store: Store, run: str, error: Exception) -> None:
    from orchestrator.cli.notifying import tell_end

    tell_end(workplace, store, run, str(error).partition("\n")[0] or type(error).__name__)


def show_end(workplace: Workplace, store: Store, state: RunState, *, as_json: bool) -> None:
    """Say where a run stands that no engine drives any more."""
    newest = store.runs()[0].run
    time_s = driven(store, state.run, state, alive=False)
    series = series_of_run(store, state)
    status = status_of(state, False, state.run != newest, time_s, series)
    if status.phase == "finished" and state.run == newest:
        keep(workplace.place, status)
    if as_json:
        output.answer_json({"status": status_as_json(status)})
    else:
        output.answer(render_status(status, time.time(), output.colour_answer))


async def _drive(
    workplace: Workplace,
    store: Store,
    run: str,
    observer: Observer,
    view: LiveView | None,
    traffic: Traffic | None,
) -> bool:
    """Whether the engine came to its end by itself."""
    from orchestrator.engine import drive

    ended = False
    async with anyio.create_task_group() as group:
        work = anyio.CancelScope()
        group.start_soon(_answer_signals, store, run, work)
        if view is not None:
            group.start_soon(_redraw, view)
        with work:
            await drive(workplace, store, run, (observer,), traffic)
            ended = True
        group.cancel_scope.cancel()
    return ended


async def _answer_signals(store: Store, run: str, work: anyio.CancelScope) -> None:
    from orchestrator.persons import request_stop

    names = {
        signal.SIGINT: "Ctrl-C",
        signal.SIGTERM: "a signal",
        signal.SIGHUP: "a closed terminal",
    }
    asked = False
    try:
        with anyio.open_signal_receiver(*names) as signals:
            async for number in signals:
                if work.cancel_called:
                    continue  # it is ending already; until it has, nothing may break into that
                if asked:
                    output.narrate("ending at once; orch resume goes on with it")
                    work.cancel()
                    continue
                asked = True
                try:
                    request_stop(store, run, names[signal.Signals(number)])
                except OrchError:
                    continue  # it has just finished
                output.narrate("ending in order; once more ends it at once")
    finally:
        if asked:
            # What is left is to say how it ended, in a moment.
            signal.signal(signal.SIGINT, signal.SIG_IGN)


async def _redraw(view: LiveView) -> None:
    while True:
        await anyio.sleep(0.25)
        view.draw()


def answer_detached(workplace: Workplace, run: str, as_json: bool) -> None:
    """Say which run goes on by itself, and how to follow it."""
    log = detached_log(workplace, run)
    if as_json:
        output.answer_json({"run": run, "log": str(log)})
        return
    output.answer(run)
    steps: Mapping[str, str] = {
        f"orch status {run} --watch": "follow it",
        f"orch wait {run} --for end": "wait for its end",
        f"orch stop {run}": "end it in order",
    }
    width = max(map(len, steps))
    output.narrate([f"{run} goes on by itself; what its engine says is in {log}"])
    output.narrate([f"  {command:<{width}}  {why}" for command, why in steps.items()])
