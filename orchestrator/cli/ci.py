"""A run in a job of a CI system: nobody is there, and the machine is gone when it is over.

1. Nothing is asked; a run that would need an answer ends with exit code 5.
2. A deadline is wanted, shorter than the job's own: whoever is killed pushes nothing. It is said
   where there is none.
3. What has landed is pushed in every case: at the end, when the job is cancelled, when orch broke.
   What keeps it from that is told, and a run that went well does not end with 0 then. It goes
   before all else that the end brings, an accept and its gates too: no signal ends it in the
   middle, and nothing that fails afterwards can keep it back.
4. The report goes to the job's summary (`$GITHUB_STEP_SUMMARY`), where there is one; in every case
   too, and last, so that it says what became of the rest.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.store import Store
from orchestrator.cli import output
from orchestrator.errors import OrchError
from orchestrator.workplace import Workplace

SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"
SUMMARY_BYTES = 900_000
"""GitHub takes a mebibyte of a step, and nothing of one that is longer."""


def refuse_in_ci(*, detach: bool) -> None:
    """OrchError for what makes no sense in a job."""
    if detach:
        raise OrchError(
            "--detach would go on when the job is over, and be killed with its machine",
            hint="orch run --ci --deadline 50m",
        )


def warn_in_ci(deadline: str | None) -> None:
    """Say that a deadline is wanted."""
    if deadline is None:
        said = "no deadline: a job that reaches its own limit is killed, and pushes nothing"
        output.narrate(f"{output.colour_narration('warning:', 'ask')} {said}")
        output.narrate("  hint: --deadline 50m, where the job has an hour")


def end_in_ci(
    workplace: Workplace, store: Store, run: str, then: Callable[[], int] = lambda: 0
) -> int:
    """Push what has landed, do what else the end brings (`then`), write the job's summary.

    The exit code: `then`'s, else 1 where what has landed could not be pushed.
    """
    from orchestrator.cli.delivering import delivered_at_end
    from orchestrator.runs import load_state

    why = "orch broke while it was about to push"
    try:
        deliver = load_state(store, run).started.deliver or "push"
        with _undisturbed():
            failed, why = delivered_at_end(workplace, store, run, deliver, as_json=False)
        return then() or failed
    finally:
        with _undisturbed():
            write_summary(workplace, store, run, why)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let no polite signal end what is bounded anyway: a cancelled job gets several of them."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are another's
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def write_summary(workplace: Workplace, store: Store, run: str, why: str = "") -> None:
    """Add the report to the job's summary; `why`: what kept the result from being pushed."""
    from orchestrator.driven import driven
    from orchestrator.forges.reading import web_address
    from orchestrator.review.markdown import escaped
    from orchestrator.review.report import render_report
    from orchestrator.runs import load_state

    named = workplace.environ.get(SUMMARY_VARIABLE, "")
    if not named:
        return
    state = load_state(store, run)
    time_s = driven(store, run, state, False)
    text = render_report(state, False, time.time(), False, time_s)
    for pull in state.pull_requests.values():
        url = web_address(pull.url)  # the ledger may have come in from elsewhere
        text += f"\nPull request {pull.number}: <{url}>\n" if url else ""
    if why:
        text = f"**What landed was not pushed:** {escaped(why, 600)}\n\n{text}"
    raw = text.encode("utf-8", "replace")
    if len(raw) > SUMMARY_BYTES:
        raw = (
            raw[:SUMMARY_BYTES].rpartition(b"\n")[0]
            + b"\n\n*Cut here: `orch report` has all of it.*\n"
        )
    try:
        with Path(named).open("ab") as file:
            file.write(raw)
    except OSError as error:
        output.narrate(f"the job's summary cannot be written: {named}: {error.strerror}")
