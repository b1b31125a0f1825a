"""Accept: bring the result, or a selection of it, into a branch of the user's.

1. The whole result onto a target that has not moved is a fast-forward where every step from the
   base to it is a landing: each tree on the way was judged. Nothing runs.
2. Anything else is one commit whose first parent is the target as it is now: see `offer`. Its
   tree is judged by the run's gates, once; a tree that passed already is not judged again.
3. `policy.selection` says what a selection comes to, and what of it the target lacks.
4. The target moves by a fast-forward in a clean checkout, or by compare-and-swap where it is
   not checked out. It is refused, with nothing lost, in every other case.
5. The intent is recorded before the branch moves, the fact after it. An intent without its fact
   is made good by the next accept or clean, which ask whether the branch holds the commit.
6. What a killed engine left running is ended before anything is judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import anyio

from ledger import events as e
from ledger.lock import EngineLock
from ledger.model import Sha, TaskId, Verdict
from ledger.state import RunState
from ledger.store import Store
from orchestrator.errors import OrchError
from orchestrator.journal import Journal, Observer
from orchestrator.offer import look_at, make_offer
from orchestrator.persons import agreed, refuse_cleaned
from orchestrator.policy.accepted import accepted_heads
from orchestrator.policy.selection import Chosen, Difference, Selection, choose, difference
from orchestrator.review.words import listed
from orchestrator.scene import Scene, gates_of, open_scene
from orchestrator.verification.gates import order_by_cost
from orchestrator.workplace import Workplace
from workers.tree import end_marked
from worktree.candidate import Conflict
from worktree.git import Git, RefUpdate
from worktree.landing import Refused, accept_commit, check_accept, clear_locks
from worktree.names import candidate_ref
from worktree.workspace import sweep

ALL = Selection()


@dataclass(frozen=True)
class AcceptResult:
    """What came of it."""

    outcome: Literal["accepted", "nothing", "red", "conflict", "refused"]
    target: str
    tasks: tuple[TaskId, ...] = ()
    """What the target gets that it did not have."""
    added: tuple[TaskId, ...] = ()
    """Of these, taken along because a selected task needs them."""
    left_out: tuple[TaskId, ...] = ()
    """Left out because they need what was left out."""
    taken_out: tuple[TaskId, ...] = ()
    """What the target had, and the result has not any more."""
    commit: Sha | None = None
    judged: bool = False
    """Whether a gate had to run."""
    verdict: Verdict | None = None
    """The one that was not green."""
    why: str = ""
    hint: str = ""


async def accept(
    workplace: Workplace,
    store: Store,
    run: str,
    *,
    selection: Selection = ALL,
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
    return _fact_of(intent)


async def _accept(scene: Scene, selection: Selection, target: str, squash: bool) -> AcceptResult:
    state, git = scene.state, scene.workplace.git
    chosen = agreed(choose(state, selection))
    ref = f"refs/heads/{target}"
    before = await scene.git(git.read_ref, ref)
    base = before or state.started.base
    branch = await scene.git(look_at, git, state, base)
    change = difference(state, chosen.tasks, branch.holds, whole=selection.whole)
    plain = _plain(target, chosen, change)
    if not chosen.tasks and not change.goes:
        why, hint = _nothing_chosen(state)
        return replace(plain, why=why, hint=hint)
    has_all = branch.has_tip if selection.whole else not change.comes
    if before and has_all and not change.goes:
        # Merged by hand, or by an orch that died before it could say so.
        await _record_found(scene, target, before, change)
        return replace(plain, why=f"{target} has all of it already", commit=before)
    if before is None and target == state.started.target:
        why = f"the branch {target}, from which the run started, is not there any more"
        return replace(plain, outcome="refused", why=why, hint="orch accept --to BRANCH")
    refused = await scene.git(check_accept, git, ref, scene.workplace.user)
    if refused:
        return replace(plain, outcome="refused", why=refused.why, hint=refused.hint)
    judged = False
    straight = selection.whole and not squash and is_chain(state)
    if straight and await scene.git(git.is_ancestor, base, state.tip):
        commit, tree = state.tip, state.tip_tree
    else:
        offered = await scene.git(
            make_offer, scene, branch, change, whole=selection.whole, squash=squash
        )
        if isinstance(offered, Conflict):
            names = ", ".join(offered.paths[:5])
            return replace(
                plain,
                outcome="conflict",
                why=f"it does not merge with {target} as it is now: {names}",
                hint="orch accept --to BRANCH brings it into a branch of its own",
            )
        commit, tree = offered.commit, offered.tree
        if before and tree == await scene.git(git.tree_of, before):
            await _record_found(scene, target, before, change)
            return replace(plain, why=f"{target} has these changes already")
        # Reachable before the ledger speaks of it; gone when the scene is closed.
        keep = candidate_ref(scene.run, f"accept-{commit[:16]}")
        await scene.git(git.update_refs, [RefUpdate(keep, commit, "any")])
        red, judged = await _judge(scene, change, commit, tree)
        if red:
            return replace(
                plain,
                outcome="red",
                verdict=red,
                judged=judged,
                why=f"gate '{red.gate}' is not green on {target} with it: {red.why}",
                hint="nothing was changed; orch accept --only or --without takes a part of it",
            )
    intent = e.AcceptIntended(
        target=target, before=base, commit=commit, tree=tree, heads=change.holds
    )
    scene.append(intent)
    moved = await scene.git(
        accept_commit, git, ref, commit, before, scene.workplace.user, reason=f"orch: {scene.run}"
    )
    if isinstance(moved, Refused):
        return replace(plain, outcome="refused", judged=judged, why=moved.why, hint=moved.hint)
    scene.append(_fact_of(intent))
    return replace(plain, outcome="accepted", commit=commit, judged=judged)


def _plain(target: str, chosen: Chosen, change: Difference) -> AcceptResult:
    comes = {ref.task for ref in change.comes}
    return AcceptResult(
        "nothing",
        target,
        tasks=tuple(task_id for task_id in chosen.tasks if task_id in comes),
        added=tuple(task_id for task_id in chosen.added if task_id in comes),
        left_out=chosen.left_out,
        taken_out=tuple(ref.task for ref in change.goes if ref.task not in comes),
    )


def _nothing_chosen(state: RunState) -> tuple[str, str]:
    landed = state.with_status("landed")
    if not landed:
        return "nothing of the run has landed", "orch status"
    return (
        f"--without leaves out all that has landed: {listed(landed, 10)}",
        "orch reject takes it out of the result; orch accept brings all of it",
    )


def _fact_of(intent: e.AcceptIntended) -> e.Accepted:
    return e.Accepted(
        target=intent.target,
        before=intent.before,
        commit=intent.commit,
        tree=intent.tree,
        heads=intent.heads,
    )


async def _judge(
    scene: Scene, change: Difference, commit: Sha, tree: Sha
) -> tuple[Verdict | None, bool]:
    """The verdict that was not green, if any, and whether a gate had to run."""
    state = scene.state
    carried = tuple(ref.task for ref in change.holds)
    gates = order_by_cost(gates_of(state, carried), state.started.estimates.gate_s)
    ran = False
    async with scene.judge.bench(commit, tree, mark=scene.mark("accept")) as bench:
        for gate in gates:
            verdict = await scene.ask(
                bench,
                gate,
                f"accept/{gate.name}",
                baseline=state.baseline_verdicts.get(gate.name),
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


async def _record_found(scene: Scene, target: str, found: Sha, change: Difference) -> None:
    """Record what a branch holds of the run, where nothing recorded says so."""
    if accepted_heads(scene.state).issuperset(change.holds) and not (change.comes or change.goes):
        return
    tree = await scene.git(scene.workplace.git.tree_of, found)
    scene.append(
        e.Accepted(target=target, before=found, commit=found, tree=tree, heads=change.holds)
    )
