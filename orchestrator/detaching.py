"""A run that goes on by itself: its engine is a process in a session of its own that resumes it.

1. Whoever starts it may go: no signal to them, and none to their group, reaches it.
2. It is seen to begin: that it took the run's lock and said so in the ledger, or had nothing to
   do, or why it could not. Whoever looks after that sees a run that goes on, not its last end.
3. What it tells goes to a log beside the ledger.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from orchestrator.errors import OrchError
from orchestrator.itself import ORCH
from orchestrator.runs import load_state
from orchestrator.workplace import Workplace

DETACHED_WITHIN_S = 20.0
LOG_LINES = 15


def detach(
    workplace: Workplace, run: str, arguments: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    """Start a process of its own that drives the run, and see that it does.

    Whoever stays longer than it waits for its end, so that nothing of it is left.
    """
    from ledger.lock import is_held

    log = detached_log(workplace, run)
    log.parent.mkdir(mode=0o700, exist_ok=True)
    lock = workplace.place.lock(run)
    before = _newest(workplace, run)
    with open(log, "ab") as sink:
        engine = subprocess.Popen(
            (*ORCH, "resume", run, "--plain", *arguments),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            cwd=workplace.checkout,
            env=dict(workplace.environ),
            start_new_session=True,
        )
    deadline = time.monotonic() + DETACHED_WITHIN_S
    while engine.poll() is None and time.monotonic() < deadline:
        if is_held(lock) and _newest(workplace, run) > before:
            break
        time.sleep(0.02)
    if engine.poll() not in (None, 0) and not is_held(lock) and not _has_finished(workplace, run):
        from workers.text import tail_lines

        said = "\n".join(tail_lines(log, LOG_LINES))
        raise OrchError(
            f"the detached engine of {run} ended at once (exit {engine.returncode}):\n{said}",
            hint=f"orch resume {run}",
            exit_code=engine.returncode if engine.returncode > 0 else 3,
        )
    return engine


def _newest(workplace: Workplace, run: str) -> int:
    """The number of the run's last event."""
    store = workplace.existing_store()
    if store is None:
        return 0
    with store:
        return store.newest(run)


def _has_finished(workplace: Workplace, run: str) -> bool:
    store = workplace.existing_store()
    return store is not None and load_state(store, run).finished is not None


def detached_log(workplace: Workplace, run: str) -> Path:
    """Where a detached run's engine tells what it does."""
    return workplace.place.folder / "detached" / f"{run}.log"
