"""What orch keeps here: the ledger, and what dead engines left."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

from orchestrator.doctor.findings import Finding, Visit
from orchestrator.review.words import count
from orchestrator.untold import untold_runs, what_to_type


def ledger(visit: Visit) -> Iterator[Finding]:
    """Where the ledger is, and whether it can be read."""
    place, common = visit.workplace.place, visit.workplace.repository.common_dir
    where = f"{place.folder}, {place.reason}"
    if place.network:
        hint = "export ORCH_STATE_DIR=/a/local/folder"
        yield Finding("ledger", "bad", f"{place.folder}: {place.reason}", hint)
    elif not place.folder.is_relative_to(common.resolve()):
        where = str(place.folder)
        what = f"{place.reason}: other machines do not see this one's ledger"
        clone = f"git clone {shlex.quote(str(visit.workplace.checkout))} /a/local/folder"
        yield Finding("ledger", "odd", what, f"{clone}, where several machines run orch here")
    with visit.workplace.existing_store() or nullcontext() as store:
        runs = store.runs() if store else ()
    untold = untold_runs(visit.workplace.git, [run.run for run in runs])
    if untold:
        several = count(len(untold), "run")
        shown = ", ".join(untold[-3:]) + (" ..." if len(untold) > 3 else "")
        what = f"it tells nothing of {several} whose refs are here: {shown}"
        hint = f"put {place.ledger} back from a backup; or {what_to_type(untold[-1])}"
        yield Finding("ledger", "odd", what, hint)
    if store is None:
        yield Finding("ledger", "good", f"none yet; it will be in {where}")
        return
    yield Finding("ledger", "good", f"{where}: {count(len(runs), 'run')}")


def leftovers(visit: Visit) -> Iterator[Finding]:
    """What engines that are dead left: runs in the middle, processes, workspaces."""
    from ledger.lock import is_held
    from orchestrator.runs import engine_alive, mark_of_run, unfinished
    from workers.tree import marked

    place, common = visit.workplace.place, visit.workplace.repository.common_dir
    with visit.workplace.existing_store() or nullcontext() as store:
        runs = [run.run for run in store.runs()] if store else []
        stopped = [state.run for state in unfinished(store, place)] if store else []
    for run in stopped:
        what = f"run {run} is not finished, and no engine drives it"
        yield Finding("leftovers", "odd", what, f"orch resume {run}")
        if living := marked(mark_of_run(common, run)):
            pids = ", ".join(map(str, living[:3])) + (" ..." if len(living) > 3 else "")
            processes = count(len(living), "process", "processes")
            what = f"{processes} of run {run} at work, though no engine drives it: {pids}"
            yield Finding("leftovers", "odd", what, f"orch resume {run} ends them, and goes on")
    alive = {run for run in runs if engine_alive(place, run)}
    for run, names in _workspaces(visit, runs).items():
        if run in alive:
            continue
        shown = ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
        what = f"{count(len(names), 'workspace')} of dead engines: {shown}"
        yield Finding("leftovers", "odd", what, _given_back_by(run, run in stopped))
    locks = list(place.locks.glob("*.lock")) if place.locks.is_dir() else []
    held = sum(is_held(path) for path in locks)
    yield Finding("leftovers", "good", f"{count(held, 'engine')} at work now")


def _workspaces(visit: Visit, runs: list[str]) -> dict[str, list[str]]:
    """The workspaces that are there, by run; under an empty one those of no known run."""
    names: dict[str, None] = {}
    entries = visit.workplace.repository.common_dir / "worktrees"
    names |= dict.fromkeys(sorted(entry.name for entry in entries.glob("orch-*")))
    for root in _roots(visit):
        names |= dict.fromkeys(sorted(one.name for one in root.glob("*/orch-*") if one.is_dir()))
    found: dict[str, list[str]] = {}
    for name in names:
        owners = [run for run in runs if name.startswith(f"orch-{run}-")]
        found.setdefault(max(owners, key=len, default=""), []).append(name)
    return found


def _roots(visit: Visit) -> set[Path]:
    workplace, settings = visit.workplace, visit.settings
    return {workplace.workspaces(), workplace.workspaces(settings.workspaces if settings else None)}


def _given_back_by(run: str, is_stopped: bool) -> str:
    if is_stopped:
        return f"orch resume {run} gives them back"
    if run:
        return f"orch clean {run} gives them back, and so does the next orch run"
    return "git worktree list says where they are; git worktree remove --force FOLDER"
