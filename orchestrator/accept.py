"""Accept: bring the result, or a selection of it, into a branch of the user's.

1. The whole result onto a target that has not moved is a fast-forward where every step from the
   base to it is a landing: each tree on the way was judged. Nothing runs.
2. Anything else is one commit whose first parent is the target as it is now: the merge of the
   result, or, for a selection or `squash`, the changes of the selected heads. Its tree is
   judged by the run's gates, once; a tree that passed already is not judged again.
3. A selection takes the needs of what it names with it, and leaves out what needs what it
   leaves out; both are said.
4. The target moves by a fast-forward in a clean checkout, or by compare-and-swap where it is
   not checked out. It is refused, with nothing lost, in every other case.
5. The intent is recorded before the branch moves, the fact after it. An intent without its fact
   is made good by the next accept or clean, which ask whether the branch holds the commit.
6. What a killed engine left running is ended before anything is judged.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import anyio

from ledger import events as e
from ledger.lock import EngineLock
from ledger.model import Sha, TaskId, Verdict
from ledger.state import RunState
from ledger.store import Store
from orchestrator.actions import definition_hash, landed_head
from orchestrator.errors import OrchError
from orchestrator.journal import Journal, Observer
from orchestrator.persons import find_task, refuse_cleaned, with_dependents, with_needs
from orchestrator.policy.measure import measure_of_accept
from orchestrator.scene import Scene, gates_of, open_scene
from orchestrator.unaccepted import unaccepted
from orchestrator.verification.gates import order_by_cost
from orchestrator.workplace import Workplace
from workers.tree import end_marked
from worktree.candidate import Candidate, Conflict, Head, build_candidate
from worktree.changes import apply_changes
from worktree.git import Git, RefUpdate
from worktree.landing import Refused, accept_commit, check_accept, clear_locks
from worktree.names import candidate_ref
from worktree.workspace import sweep


@dataclass(frozen=True)
class Selection:
    """Which part of the result to accept; neither: all of it."""

    only: tuple[TaskId, ...] = ()
    without: tuple[TaskId, ...] = ()


@dataclass(frozen=True)
class AcceptResult:
    """What came of it."""

    outcome: Literal["accepted", "nothing", "red", "conflict", "refused"]
    target: str
    tasks: tuple[TaskId, ...] = ()
    added: tuple[TaskId, ...] = ()
    """Taken along because a selected task needs them."""
    left_out: tuple[TaskId, ...] = ()
    """Left out because they need what was left out."""
    commit: Sha | None = None
    judged: bool = False
    """Whether a gate had to run."""
    verdict: Verdict | None = None
    """The one that was not green."""
    why: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Chosen:
    """A selection, worked out."""

    tasks: tuple[TaskId, ...]
    added: tuple[TaskId, ...] = ()
    left_out: tuple[TaskId, ...] = ()


def choose(state: RunState, selection: Selection) -> Chosen:
    """The landed tasks that a selection means, with its needs and without its dependents."""
    landed = tuple(t for t in state.tasks if state.tasks[t].status == "landed")
    for task_id in (*selection.only, *selection.without):
        task = find_task(state, task_id)
        if task.status != "landed":
            raise OrchError(
                f"{task_id} is {task.status}, not landed", hint="orch status names what has landed"
            )
    wanted = with_needs(state, selection.only) if selection.only else landed
    wanted = tuple(t for t in wanted if state.tasks[t].status == "landed")
    added = tuple(t for t in wanted if selection.only and t not in selection.only)
    gone = with_dependents(state, selection.without)
    torn = [t for t in selection.only if t in gone]
    if torn:
        raise OrchError(
            f"{', '.join(torn)} cannot be accepted without what it needs",
            hint=f"leave --without {' '.join(selection.without)} away",
        )
    left_out = tuple(t for t in gone if t not in selection.without and t in wanted)
    return Chosen(tuple(t for t in wanted if t not in gone), added, left_out)


async def accept(
    workplace: Workplace,
    store: Store,
    run: str,
    *,
    selection: Selection = Selection(),
    to: str | None = None,
    squash: bool = False,
    observers: Sequence[Observer] = (),
) -> AcceptResult:
    """Bring landed work into a branch; raises OrchError for what was asked wrongly."""
    with EngineLock.take(workplace.place.lock(run)):
        journal = Journal.load(store, run)
        refuse_cleaned(journal.state)
        journal.observers.extend(observers)
        target = to or journal.state.started.target
        if target is None:
            raise OrchError(
                f"run {run} started from a detached HEAD: it has no target",
                hint=f"orch accept --to BRANCH {run}",
            )
        scene = open_scene(workplace, journal, lambda: None)
        try:
            await _make_good(scene)
            return await _accept(scene, selection, target, squash)
        finally:
            with anyio.CancelScope(shield=True):
                await scene.close()


async def _make_good(scene: Scene) -> None:
    """Make good what a crash left: children, locks, workspaces, an intent without its fact."""
    git = scene.workplace.git
    if scene.state.engines:
        await end_marked(f"{scene.mark_of_run}/")
        await scene.git(clear_locks, git, scene.run)
        await scene.git(sweep, git, scene.workers.root, prefix=f"orch-{scene.run}-")
    happened = await scene.git(intended, git, scene.state)
    if happened:
        scene.append(happened)


def intended(git: Git, state: RunState) -> e.Accepted | None:
    """The fact that a crash swallowed: the target holds the commit that it was to move to."""
    intent = state.accepting
    if intent is None or not git.exists(intent.commit):
        return None
    now = git.read_ref(f"refs/heads/{intent.target}")
    if now is None or not git.is_ancestor(intent.commit, now):
        return None
    return e.Accepted.model_validate(intent.model_dump(exclude={"kind"}))


async def _accept(scene: Scene, selection: Selection, target: str, squash: bool) -> AcceptResult:
    state, git = scene.state, scene.workplace.git
    chosen = choose(state, selection)
    whole = not (selection.only or selection.without)

    plain = AcceptResult("nothing", target, chosen.tasks, chosen.added, chosen.left_out)
    if not chosen.tasks:
        return replace(
            plain, outcome="nothing", why="nothing of the run has landed", hint="orch status"
        )
    ref = f"refs/heads/{target}"
    before = await scene.git(git.read_ref, ref)
    base = before or state.started.base
    holds_all = False
    if before:
        holds_all = await scene.git(git.is_ancestor, state.tip, before)
    if before and holds_all:
        # Merged by hand, or by an orch that died before it could say so.
        _record_found(scene, chosen.tasks, target, before)
        return replace(
            plain, outcome="nothing", why=f"{target} has all of it already", commit=before
        )
    if before is None and target == state.started.target:
        why = f"the branch {target}, from which the run started, is not there any more"
        return replace(plain, outcome="refused", why=why, hint="orch accept --to BRANCH")
    refused = await scene.git(check_accept, git, ref, scene.workplace.user)
    if refused:
        return replace(plain, outcome="refused", why=refused.why, hint=refused.hint)
    judged = False
    straight = whole and not squash and is_chain(state)
    if straight and await scene.git(git.is_ancestor, base, state.tip):
        commit, tree = state.tip, state.tip_tree
    else:
        built = await _build(scene, chosen.tasks, base, whole=whole, squash=squash)
        if isinstance(built, Conflict):
            names = ", ".join(built.paths[:5])
            return replace(
                plain,
                outcome="conflict",
                why=f"it does not merge with {target} as it is now: {names}",
                hint="orch accept --to BRANCH brings it into a branch of its own",
            )
        commit, tree = built.commit, built.tree
        if base != state.tip and tree == await scene.git(git.tree_of, base):
            if whole and before:
                _record_found(scene, chosen.tasks, target, before)
            return replace(plain, outcome="nothing", why=f"{target} has these changes already")
        # Reachable before the ledger speaks of it; gone when the scene is closed.
        keep = candidate_ref(scene.run, f"accept-{commit[:16]}")
        await scene.git(git.update_refs, [RefUpdate(keep, commit, "any")])
        red, judged = await _judge(scene, chosen.tasks, base, commit, tree)
        if red:
            return replace(
                plain,
                outcome="red",
                verdict=red,
                judged=judged,
                why=f"gate '{red.gate}' is not green on {target} with it: {red.why}",
                hint="nothing was changed; orch accept --only or --without takes a part of it",
            )
    scene.append(
        e.AcceptIntended(target=target, before=base, commit=commit, tree=tree, tasks=chosen.tasks)
    )
    moved = await scene.git(
        accept_commit, git, ref, commit, before, scene.workplace.user, reason=f"orch: {scene.run}"
    )
    if isinstance(moved, Refused):
        return replace(plain, outcome="refused", judged=judged, why=moved.why, hint=moved.hint)
    scene.append(
        e.Accepted(target=target, before=base, commit=commit, tree=tree, tasks=chosen.tasks)
    )
    return replace(plain, outcome="accepted", commit=commit, judged=judged)


async def _build(
    scene: Scene, tasks: tuple[TaskId, ...], base: Sha, *, whole: bool, squash: bool
) -> Candidate | Conflict:
    state, git = scene.state, scene.workplace.git
    message = _message(state, tasks)
    if whole and not squash:
        return await scene.git(
            build_candidate,
            git,
            base,
            (Head(state.tip),),
            message,
            scene.author,
            signing=scene.signing,
            attributes=base,
        )
    refs = sorted(
        (landed_head(scene, task_id) for task_id in tasks),
        key=lambda ref: state.tasks[ref.task].landed_by or 0,
    )
    steps = []
    for ref in refs:
        attempt = state.attempt(ref)
        assert attempt.head is not None
        steps.append((attempt.started.base, attempt.head))
    return await scene.git(
        apply_changes,
        git,
        base,
        tuple(steps),
        message,
        scene.author,
        signing=scene.signing,
        attributes=base,
    )


def _message(state: RunState, tasks: tuple[TaskId, ...]) -> str:
    titles = "\n".join(f"- {state.tasks[t].task.title or t}" for t in tasks)
    gates = " ".join(definition_hash(gate) for gate in gates_of(state, tasks))
    trailers = "\n".join(f"Orch-Task: {task_id}" for task_id in tasks)
    subject = state.plan.goal.strip().splitlines()[0][:72]
    return f"{subject}\n\n{titles}\n\nOrch-Run: {state.run}\n{trailers}\nOrch-Gates: {gates}\n"


async def _judge(
    scene: Scene, tasks: tuple[TaskId, ...], target: Sha, commit: Sha, tree: Sha
) -> tuple[Verdict | None, bool]:
    """The verdict that was not green, if any, and whether a gate had to run."""
    state = scene.state
    gates = order_by_cost(gates_of(state, tasks), state.started.estimates.gate_s)
    heads = [landed_head(scene, task_id) for task_id in tasks]
    ran = False
    async with scene.judge.bench(commit, tree, mark=scene.mark("accept")) as bench:
        for gate in gates:
            verdict = await scene.ask(
                bench,
                gate,
                f"accept/{gate.name}",
                measure=measure_of_accept(state, gate.name, heads, target),
                reuse_failed=False,
            )
            scene.append(e.AcceptGateJudged(verdict=verdict))
            ran = ran or not verdict.reused
            if verdict.outcome != "passed":
                return verdict, ran
    return None, ran


def is_chain(state: RunState) -> bool:
    """Whether the tip is the run's base, or landings lead from there to it without a gap."""
    at = state.started.base
    for landing in state.landings:
        if landing.before != at:
            return False
        at = landing.commit
    return at == state.tip


def _record_found(scene: Scene, tasks: tuple[TaskId, ...], target: str, found: Sha) -> None:
    """Record that a branch has the result, where nothing recorded says so."""
    state = scene.state
    if set(tasks) & set(unaccepted(state)):
        scene.append(
            e.Accepted(
                target=target, before=found, commit=state.tip, tree=state.tip_tree, tasks=tasks
            )
        )


def age_s(state: RunState) -> float:
    """Seconds since the run finished, or started where it has not."""
    return time.time() - (state.finished_at or state.started_at)
