"""Follow a run that another process drives: the same view, fed from the ledger and live logs.

1. The ledger is only looked at when somebody has written to it.
2. It ends when the run is finished, or when no engine drives it any more, or with Ctrl-C, which
   stops the following and not the run.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack

from ledger.place import Place
from ledger.state import RunState
from ledger.store import Store
from orchestrator.cli import output
from orchestrator.cli.lines import PlainLines
from orchestrator.driven import driven
from orchestrator.journal import Observer
from orchestrator.runs import engine_alive, live_log
from orchestrator.waiting import catch_up

LOOK_EVERY_S = 0.3


def follow(place: Place, store: Store, state: RunState) -> RunState:
    """Show a run until it ends; its last state."""
    with ExitStack() as stack:
        observer: Observer
        draw = _nothing
        if output.is_terminal(sys.stderr):
            from orchestrator.cli.live import LiveView

            time_s = driven(store, state.run, state, alive=True)
            view = stack.enter_context(LiveView(state, driven=time_s))
            observer, draw = view, view.draw
        else:
            observer = PlainLines()
        seen: tuple[int, int] | None = None
        try:
            while True:
                alive = engine_alive(place, state.run)
                stamp = store.stamp()
                if stamp != seen:
                    seen = stamp
                    catch_up(store, state, observer)
                if state.finished or not alive:
                    catch_up(store, state, observer)
                    return state
                _tell_lines(place, state, observer)
                draw()
                time.sleep(LOOK_EVERY_S)
        except KeyboardInterrupt:
            return state


def _tell_lines(place: Place, state: RunState, observer: Observer) -> None:
    """The last line of what each worker prints now."""
    from workers.text import tail_lines

    for task_id in state.with_status("working"):
        last = state.tasks[task_id].last
        if last is None:
            continue
        where = f"{task_id}/{last.number}/{len(last.rounds) + 1}"
        if lines := tail_lines(live_log(place, state.run, where), 1):
            observer.on_line(where, lines[-1])


def _nothing(at_once: bool = False) -> None:
    """There is no screen to draw on."""
