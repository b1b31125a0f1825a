"""Clean: remove a run's refs, without losing anybody's work.

1. A run that an engine drives is left alone.
2. Work is what has landed and was not accepted, what was made for a task that has not landed,
   and what a person committed on a branch that they took. It is dropped only when the person
   says so (`discard`), and even then its refs are kept aside for 30 days.
3. What is kept aside longer than that is removed by the next clean.
4. The ledger keeps its facts: only refs, worktrees and files of the run go.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field

from ledger import events as e
from ledger.lock import EngineLock, remove
from ledger.state import RunState
from ledger.store import Store
from orchestrator.accept import accepted_tasks, age_s
from orchestrator.errors import OrchError
from orchestrator.journal import Journal
from orchestrator.runs import engine_alive, run_folder
from orchestrator.workplace import Workplace
from worktree.git import Git, RefUpdate
from worktree.names import discarded_ref, run_branches, run_refs
from worktree.workspace import sweep

KEPT_S = 30 * 24 * 3600.0


@dataclass(frozen=True)
class Left:
    """A run that was not cleaned, and why."""

    run: str
    why: str
    hint: str


@dataclass
class Cleaned:
    """What went and what stayed."""

    runs: list[str] = field(default_factory=list)
    kept_aside: list[str] = field(default_factory=list)
    """Refs that still hold discarded work, for 30 days."""
    expired: list[str] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)


def clean(
    workplace: Workplace,
    store: Store,
    run: str | None = None,
    *,
    discard: bool = False,
    older_than_s: float = 0.0,
) -> Cleaned:
    """Clean one run, or all that are old enough."""
    cleaned = Cleaned()
    names = [run] if run else [stored.run for stored in store.runs()]
    for name in names:
        if engine_alive(workplace.place, name):
            if run:
                raise OrchError(f"run {run} is going on", hint=f"orch stop {run}, then clean")
            cleaned.left.append(Left(name, "it is going on", f"orch stop {name}"))
            continue
        journal = Journal.load(store, name)
        if not run and age_s(journal.state) < older_than_s:
            continue
        with EngineLock.take(workplace.place.lock(name)):
            _clean(workplace, journal, cleaned, discard)
        if name in cleaned.runs:
            remove(workplace.place.lock(name))
    return cleaned


def unaccepted(git: Git, state: RunState) -> tuple[str, ...]:
    """The work of a run that only its refs hold, in words."""
    accepted = accepted_tasks(state)
    landed = [t for t in state.with_status("landed") if t not in accepted]
    unlanded = [
        task_id
        for task_id, task in state.tasks.items()
        if task.status not in ("landed", "unchanged")
        and any(attempt.head for attempt in task.attempts)
    ]
    words = []
    if landed:
        words.append(f"landed, not accepted: {', '.join(landed)}")
    if unlanded:
        words.append(f"made, not landed: {', '.join(unlanded)}")
    heads = {a.head for task in state.tasks.values() for a in task.attempts}
    branches = git.list_refs(run_branches(state.run))
    by_hand = [
        ref.removeprefix("refs/heads/")
        for ref, commit in branches.items()
        if "/take/" in ref and commit not in heads
    ]
    if by_hand:
        words.append(f"committed by hand: {', '.join(by_hand)}")
    return tuple(words)


def _clean(workplace: Workplace, journal: Journal, cleaned: Cleaned, discard: bool) -> None:
    git, state = workplace.git, journal.state
    now = time.time()
    if state.cleaned:
        until = state.cleaned.kept_until
        aside = git.list_refs(discarded_ref(state.run))
        if aside and until is not None and now >= until:
            git.update_refs(RefUpdate(ref, None, sha) for ref, sha in aside.items())
            cleaned.expired += aside
        return
    work = unaccepted(git, state)
    if work and not discard:
        hint = f"orch accept {state.run}, or orch clean {state.run} --discard"
        cleaned.left.append(Left(state.run, "; ".join(work), hint))
        return
    kept = _remove_refs(git, state, keep=bool(work))
    sweep(
        git,
        workplace.workspaces(state.started.settings.workspaces) / state.run,
        prefix=f"orch-{state.run}-",
    )
    place = workplace.place
    shutil.rmtree(run_folder(place, state.run), ignore_errors=True)
    for leftover in ("views/{}.json", "detached/{}.log"):
        (place.folder / leftover.format(state.run)).unlink(missing_ok=True)
    journal.append(e.RunCleaned(kept=kept, kept_until=now + KEPT_S if kept else None))
    cleaned.runs.append(state.run)
    cleaned.kept_aside += kept


def _remove_refs(git: Git, state: RunState, keep: bool) -> tuple[str, ...]:
    """Remove the run's refs in one transaction; with `keep`, others hold what they held."""
    refs = git.list_refs(run_refs(state.run)) | git.list_refs(run_branches(state.run))
    moves = [RefUpdate(ref, None, sha) for ref, sha in refs.items()]
    kept: list[str] = []
    if keep:
        for ref, sha in refs.items():
            aside = discarded_ref(state.run, ref)
            moves.append(RefUpdate(aside, sha, None))
            kept.append(aside)
    git.update_refs(moves)
    return tuple(kept)
