"""Which runs there are, and where their things lie."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from ledger.lock import is_held
from ledger.model import RunId
from ledger.place import Place
from ledger.state import RunState
from ledger.store import Store
from orchestrator.errors import OrchError
from orchestrator.journal import load_state, read_facts
from worktree.names import quoted

__all__ = ["engine_alive", "live_log", "load_state", "pick_run", "read_facts", "unfinished"]

ENDS = ("RunFinished", "RunCleaned")
AFTER_END = (
    *("Notified", "Noticed", "StopRequested", "TaskTaken"),
    *("AcceptIntended", "AcceptGateJudged", "Accepted"),
    *("PushIntended", "Pushed"),
    *("PullRequestIntended", "PullRequestOpened", "PullRequestUpdated"),
)
"""Facts that leave a run finished. One that is missing here costs a fold, and nothing else."""


def pick_run(store: Store | None, wanted: str | None = None) -> RunId:
    """The run of that id or of that beginning; the newest where none is named."""
    runs = store.runs(wanted or "") if store else ()
    if not runs:
        if store and wanted and (all_runs := store.runs()):
            known = ", ".join(run.run for run in all_runs[:5])
            raise OrchError(f"no run '{quoted(wanted)}'", hint=f"there are: {known}")
        raise OrchError("there is no run in this repository yet", hint="orch plan, then orch run")
    if wanted is None or len(runs) == 1 or runs[0].run == wanted:
        return runs[0].run
    exact = [run.run for run in runs if run.run == wanted]
    if exact:
        return exact[0]
    known = ", ".join(run.run for run in runs[:5])
    raise OrchError(f"'{quoted(wanted)}' may mean several runs", hint=f"one of: {known}")


def engine_alive(place: Place, run: RunId) -> bool:
    """Whether an engine drives the run right now."""
    return is_held(place.lock(run))


def unfinished(store: Store, place: Place) -> tuple[RunState, ...]:
    """The runs that no engine drives, that are not finished and were not cleaned away.

    The newest first. Only those are folded that have no end, or whose end something followed.
    """
    states = (load_state(store, run) for run in store.runs_without_end(ENDS, AFTER_END))
    begun = (state for state in states if not state.finished and not state.cleaned)
    return tuple(state for state in begun if not engine_alive(place, state.run))


def mark_of_run(common_folder: Path, run: RunId) -> str:
    """The run in marks: its id, and which repository's, for another may have the same id."""
    return f"{run}@{_short_hash(common_folder)}"


def run_of_mark(common_folder: Path, mark: str) -> RunId | None:
    """The run of this repository that a child bears the mark of; None for any other mark."""
    run, _, rest = mark.partition("/")[0].rpartition("@")
    return run if run and rest == _short_hash(common_folder) else None


def _short_hash(common_folder: Path) -> str:
    return hashlib.sha256(os.fsencode(common_folder.resolve())).hexdigest()[:12]


def run_folder(place: Place, run: RunId) -> Path:
    """Where the files of a run that goes on lie; gone when it is finished."""
    return place.runs / run


def live_log(place: Place, run: RunId, where: str) -> Path:
    """The output of what is under way: `task/attempt/round`, or `gate/...`."""
    return run_folder(place, run) / "live" / (re.sub(r"[^A-Za-z0-9._-]+", "-", where) + ".log")
