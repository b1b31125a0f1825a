"""A run in a job of a CI system: nobody is there, and the machine is gone when it is over.

1. Nothing is asked; a run that would need an answer ends with exit code 5.
2. A deadline is wanted, shorter than the job's own: whoever is killed pushes nothing. It is said
   where there is none.
3. What has landed is pushed in every case: at the end, when the job is cancelled, when orch broke.
   What keeps it from that is told, and a run that went well does not end with 0 then.
4. The report goes to the job's summary (`$GITHUB_STEP_SUMMARY`), where there is one.
"""

from __future__ import annotations

import time
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


def end_in_ci(workplace: Workplace, store: Store, run: str) -> int:
    """Push what has landed, and write the job's summary; 0, or 1 where it could not be pushed."""
    from orchestrator.cli.delivering import delivered_at_end
    from orchestrator.runs import load_state

    deliver = load_state(store, run).started.deliver or "push"
    failed, why = delivered_at_end(workplace, store, run, deliver, as_json=False)
    write_summary(workplace, store, run, why)
    return failed


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
