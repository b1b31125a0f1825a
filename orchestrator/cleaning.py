"""Clean: remove a run's refs, without losing anybody's work.

1. A run that an engine drives is left alone. So is one of whose branches a worktree has one
   checked out: nothing is taken away below somebody's feet. One that is not over, since it waits
   for a person or `orch resume` would go on with it, is cleaned only by its name.
2. Work is what has landed and was not accepted, what was made for a task that has not landed,
   and what a person committed on any branch of the run's: told by commits, never by names. It is
   dropped only when the person says so (`discard`), and even then its refs are kept aside for
   30 days.
3. What is kept aside longer than that is removed by the next clean. All that is aside counts,
   also what a clean put there that was killed before it could say so.
4. The ledger keeps its facts: only refs, worktrees and files of the run go. Of the branches below
   `orch/RUN/` only those that orch makes are the run's; a person's beside them stays.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field

import anyio

from ledger import events as e
from ledger.lock import EngineLock, EngineRunning, remove
from ledger.state import RunState
from ledger.store import Store
from orchestrator.accept_facts import intended
from orchestrator.errors import OrchError
from orchestrator.granting import pace_folder
from orchestrator.journal import Journal, read_facts
from orchestrator.policy.accepted import unaccepted, unlanded
from orchestrator.policy.left import is_anything_left
from orchestrator.runs import run_folder
from orchestrator.scene import open_scene
from orchestrator.workplace import Workplace
from workers.gateway.pace_files import sweep as sweep_paces
from workers.tree import end_marked
from worktree.git import Git, RefUpdate
from worktree.landing import checked_out
from worktree.names import discarded_ref, own_branches, quoted, run_branches, run_refs, tip_ref
from worktree.ref_locks import clear_locks
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
    already: list[str] = field(default_factory=list)
    """Runs that were cleaned before."""
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
        lock = workplace.place.lock(name)
        known = lock.exists()
        try:
            with EngineLock.take(lock):
                # Read under the lock: what an engine did until now counts.
                journal = Journal.load(store, name)
                if run:
                    _clean(workplace, journal, cleaned, discard)
                elif _age_s(journal.state) >= older_than_s:
                    if why := _not_over(journal.state):
                        hint = f"orch resume {name}, or orch clean {name}"
                        cleaned.left.append(Left(name, why, hint))
                    else:
                        _clean(workplace, journal, cleaned, discard)
        except EngineRunning as error:
            if run:
                raise OrchError(
                    f"run {run} is going on", hint=f"orch stop {run}, then clean"
                ) from error
            cleaned.left.append(Left(name, "it is going on", f"orch stop {name}"))
            continue
        if name in cleaned.runs or not known:
            remove(lock)
    # What a killed engine left there, or a pause that has passed since.
    sweep_paces(pace_folder(workplace.environ))
    return cleaned


def _age_s(state: RunState) -> float:
    """Seconds since the run finished, or started where it has not."""
    return time.time() - (state.finished_at or state.started_at)


def _not_over(state: RunState) -> str:
    """Why a run is not over, in words; empty where it is."""
    if state.cleaned:
        return ""
    if state.finished is None:
        return "it is not finished"
    if state.finished.outcome == "person-needed":
        return "it waits for a person"
    return "it can still go on" if is_anything_left(state) else ""


def work_of(git: Git, journal: Journal) -> tuple[str, ...]:
    """The work of a run that only its refs hold, in words."""
    state = journal.state
    words = []
    landed = unaccepted(state)
    if landed:
        words.append(f"landed, not accepted: {', '.join(landed)}")
    made = unlanded(state)
    if made:
        words.append(f"made, not landed: {', '.join(made)}")
    by_hand = [ref.removeprefix("refs/heads/") for ref in _by_hand(git, journal)]
    if by_hand:
        words.append(f"committed by hand: {', '.join(by_hand)}")
    return tuple(words)


def _by_hand(git: Git, journal: Journal) -> list[str]:
    """The run's branches that hold what nobody but a person made, and no other branch has.

    So may the run's tip, where somebody moved it.
    """
    state = journal.state
    ours = {state.started.base, *(landing.commit for landing in state.landings)}
    ours |= {a.head for task in state.tasks.values() for a in task.attempts if a.head}
    refs = _branches(git, state)
    refs |= git.list_refs(tip_ref(state.run))
    strange = {ref: commit for ref, commit in refs.items() if commit not in ours}
    if not strange:
        return []
    facts = read_facts(journal.store, state.run)
    ours |= {fact.head for _, _, fact in facts if isinstance(fact, e.TaskTaken)}
    return [
        ref
        for ref, commit in strange.items()
        if commit not in ours and not _kept(git, state, commit)
    ]


def _kept(git: Git, state: RunState, commit: str) -> bool:
    """Whether a branch or tag that stays has a commit."""
    said = git.run_refs(
        *("for-each-ref", "--contains", commit, "--format=%(refname)"),
        *("--", "refs/heads/", "refs/tags/", "refs/remotes/"),
    )
    names = said.out.decode("utf-8", "surrogateescape").splitlines()
    return any(name not in _made_by_orch(state) for name in names)


def _made_by_orch(state: RunState) -> frozenset[str]:
    return own_branches(state.run, state.tasks)


def _branches(git: Git, state: RunState) -> dict[str, str]:
    """The run's branches that are there, without what a person put beside them."""
    there, ours = git.list_refs(run_branches(state.run)), _made_by_orch(state)
    return {ref: commit for ref, commit in there.items() if ref in ours}


def _clean(workplace: Workplace, journal: Journal, cleaned: Cleaned, discard: bool) -> None:
    git, state = workplace.git, journal.state
    now = time.time()
    if state.cleaned:
        until = state.cleaned.kept_until
        aside = git.list_refs(discarded_ref(state.run))
        if aside and until is not None and now >= until:
            git.update_refs(RefUpdate(ref, None, sha) for ref, sha in aside.items())
            journal.append(e.RunCleaned())
            cleaned.expired += aside
        cleaned.already.append(state.run)
        return
    happened = intended(git, state)
    if happened:
        journal.append(happened)
        state = journal.state
    work = work_of(git, journal)
    if work and not discard:
        hint = f"orch accept {state.run}, or orch clean {state.run} --discard"
        cleaned.left.append(Left(state.run, "; ".join(work), hint))
        return
    for ref in _branches(git, state):
        place = checked_out(git, ref)
        if place is not None:
            branch, where = ref.removeprefix("refs/heads/"), quoted(str(place.tree))
            hint = f"git switch to another branch there, then orch clean {state.run}"
            cleaned.left.append(Left(state.run, f"{branch} is checked out in {where}", hint))
            return
    if journal.catch_up():  # a person said something meanwhile
        _clean(workplace, journal, cleaned, discard)
        return
    _end_orphans(workplace, journal)
    _remove_refs(git, state, keep=bool(work))
    kept = tuple(git.list_refs(discarded_ref(state.run)))
    sweep(
        git,
        workplace.workspaces(state.started.settings.workspaces) / state.run,
        prefix=f"orch-{state.run}-",
    )
    place_of_run = workplace.place
    shutil.rmtree(run_folder(place_of_run, state.run), ignore_errors=True)
    for leftover in ("views/{}.json", "detached/{}.log"):
        (place_of_run.folder / leftover.format(state.run)).unlink(missing_ok=True)
    journal.append(e.RunCleaned(kept=kept, kept_until=now + KEPT_S if kept else None))
    cleaned.runs.append(state.run)
    cleaned.kept_aside += kept


def _end_orphans(workplace: Workplace, journal: Journal) -> None:
    """End what a killed engine left running: it would write where nothing is any more."""
    if journal.state.engines and journal.state.finished is None:
        scene = open_scene(workplace, journal, lambda: None)
        anyio.run(end_marked, f"{scene.mark_of_run}/")
        scene.sandboxes.sweep(everywhere=True)
    clear_locks(workplace.git, journal.run)


def _remove_refs(git: Git, state: RunState, keep: bool) -> None:
    """Remove the run's refs in one transaction; with `keep`, others hold what they held."""
    refs = git.list_refs(run_refs(state.run)) | _branches(git, state)
    moves = [RefUpdate(ref, None, sha) for ref, sha in refs.items()]
    there = git.list_refs(discarded_ref(state.run))
    for ref, sha in refs.items() if keep else ():
        aside = discarded_ref(state.run, ref)
        if aside in there and there[aside] != sha:
            aside = f"{aside}-{sha[:12]}"
        if there.get(aside) != sha:
            moves.append(RefUpdate(aside, sha, None))
    git.update_refs(moves)
