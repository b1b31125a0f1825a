"""Accept: bring the result, or a selection of it, into a branch of the user's.

1. The whole result onto a target that has not moved is a fast-forward where every step from the
   base to it is a landing: each tree on the way was judged. Nothing runs, but where the verdicts
   came in from another machine: then the result is judged here first. What somebody else put on
   the run's tip since the last landing is no part of it.
2. Anything else is one commit whose first parent is the target as it is now: see `offer`. Its
   tree is judged by the run's gates, once; a tree that passed already is not judged again.
3. `policy.selection` says what a selection comes to, and what of it the target lacks.
4. The target moves by a fast-forward in a clean checkout, or by compare-and-swap where it is
   not checked out. It is refused, with nothing lost, in every other case.
5. The intent is recorded before the branch moves, the fact after it. An intent without its fact
   is made good by the next accept or clean, which ask whether the branch holds the commit.
6. What a killed engine left running is ended before anything is judged.
7. A target that is not there is made, where a person named it; what nobody attends makes none.
8. With a `Delivery` the judged commit goes elsewhere, and no branch of the user's moves.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import anyio

from ledger import events as e
from ledger.lock import EngineLock
from ledger.model import Sha, TaskId, Verdict
from ledger.state import RunState
from ledger.store import Store
from orchestrator.accept_facts import fact_of, intended, record_found
from orchestrator.errors import OrchError
from orchestrator.journal import Journal, Observer
from orchestrator.offer import Branch, Offer, judge, judged_here, look_at, make_offer
from orchestrator.persons import agreed, refuse_cleaned
from orchestrator.policy.judges import gates_of
from orchestrator.policy.selection import (
    Chosen,
    Difference,
    Selection,
    choose,
    difference,
    is_chain,
)
from orchestrator.policy.unattended import no_branch
from orchestrator.review.judged import warnings_of
from orchestrator.review.words import listed
from orchestrator.scene import Scene, open_scene
from orchestrator.workplace import Workplace
from workers.tree import end_marked
from worktree.candidate import Candidate, Conflict
from worktree.changes import merge_base
from worktree.git import RefUpdate
from worktree.landing import Refused, accept_commit, check_accept
from worktree.names import candidate_ref, target_problem
from worktree.ref_locks import clear_locks

ALL = Selection()


@dataclass(frozen=True)
class AcceptResult:
    """What came of it."""

    outcome: Literal["accepted", "delivered", "nothing", "red", "conflict", "refused"]
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
    branch: str = ""
    """What it was delivered as."""
    url: str = ""
    """Where that can be seen."""
    gates: tuple[str, ...] = ()
    """The gates that judge what the target holds of the run with it."""
    warnings: tuple[str, ...] = ()
    """What every report of the run repeats."""


Delivery = Callable[[Scene, Difference, Offer, AcceptResult], Awaitable[AcceptResult]]
"""What becomes of a judged commit instead of a move of the target."""


async def accept(
    workplace: Workplace,
    store: Store,
    run: str,
    *,
    selection: Selection = ALL,
    to: str | None = None,
    squash: bool = False,
    observers: Sequence[Observer] = (),
    said_by: str = "",
    delivery: Delivery | None = None,
    makes: bool = True,
) -> AcceptResult:
    """Bring landed work into a branch; raises OrchError for what was asked wrongly.

    `said_by`: the agent that asks for it, where no person does. `makes`: a target that is not
    there is made.
    """
    with EngineLock.take(workplace.place.lock(run)):
        journal = Journal.load(store, run)
        refuse_cleaned(journal.state)
        journal.observers.extend(observers)
        target = to or journal.state.started.target
        if target is None:
            raise OrchError(
                f"run {run} started from no branch of yours: it has no target",
                hint=f"orch accept --to BRANCH {run}",
            )
        scene = open_scene(workplace, journal, lambda: None)
        try:
            await _make_good(scene)
            if (
                not makes
                and await scene.git(workplace.git.read_ref, f"refs/heads/{target}") is None
            ):
                lacks = no_branch(target)
                return AcceptResult("refused", target, why=lacks.what, hint=lacks.hint)
            return await _accept(scene, selection, target, squash, said_by, delivery)
        finally:
            with anyio.CancelScope(shield=True):
                await scene.close()


async def _make_good(scene: Scene) -> None:
    """Make good what a crash left: children, locks, workspaces, an intent without its fact."""
    git = scene.workplace.git
    if scene.state.engines:
        await end_marked(f"{scene.mark_of_run}/")
        await scene.git(clear_locks, git, scene.run)
        await scene.sweep_workspaces()
    happened = await scene.git(intended, git, scene.state)
    if happened:
        scene.append(happened)


@dataclass(frozen=True)
class _Asked:
    """What a person asked for, and what it comes to on the target as it is now."""

    selection: Selection
    squash: bool
    said_by: str
    target: str
    before: Sha | None
    """Where the target stands; None: it is to be made."""
    branch: Branch
    change: Difference
    plain: AcceptResult
    """The result so far."""

    @property
    def ref(self) -> str:
        return f"refs/heads/{self.target}"


async def _accept(
    scene: Scene,
    selection: Selection,
    target: str,
    squash: bool,
    said_by: str,
    delivery: Delivery | None,
) -> AcceptResult:
    state, git = scene.state, scene.workplace.git
    chosen = agreed(choose(state, selection))
    before = await scene.git(git.read_ref, f"refs/heads/{target}")
    branch = await scene.git(look_at, git, state, before or state.started.base)
    change = difference(state, chosen.tasks, branch.holds, whole=selection.whole)
    if not chosen.tasks and not change.goes:
        why, hint = _nothing_chosen(state)
        return AcceptResult("nothing", target, left_out=chosen.left_out, why=why, hint=hint)
    plain = _plain(state, target, chosen, change)
    asked = _Asked(selection, squash, said_by, target, before, branch, change, plain)
    settled = await _settled(scene, asked, moves=delivery is None)
    offer = settled or await _offer(scene, asked)
    if isinstance(offer, AcceptResult):
        return offer
    if delivery is not None:
        return await delivery(scene, change, offer, replace(plain, judged=offer.judged))
    return await _move(scene, asked, offer)


async def _settled(scene: Scene, asked: _Asked, *, moves: bool) -> AcceptResult | None:
    """What there is to say before anything is built: it is there already, or cannot be."""
    branch, change, target, before = asked.branch, asked.change, asked.target, asked.before
    if problem := target_problem(target):
        why = f"'{target}' {problem}"
        return replace(asked.plain, outcome="refused", why=why, hint="orch accept --to BRANCH")
    has_all = branch.has_tip if asked.selection.whole else not change.comes
    if before and has_all and not change.goes:
        # Merged by hand, or by an orch that died before it could say so.
        await record_found(scene, target, before, change)
        return replace(asked.plain, why=f"{target} has all of it already", commit=before)
    if before is None and target == scene.state.started.target:
        why = f"the branch {target}, from which the run started, is not there any more"
        return replace(asked.plain, outcome="refused", why=why, hint="orch accept --to BRANCH")
    if not moves:
        return None
    git, user = scene.workplace.git, scene.workplace.user
    refused = await scene.git(check_accept, git, asked.ref, user)
    if refused:
        return replace(asked.plain, outcome="refused", why=refused.why, hint=refused.hint)
    return None


async def _offer(scene: Scene, asked: _Asked) -> Offer | AcceptResult:
    """The judged commit that the target is to move to, or why there is none."""
    state, git, target = scene.state, scene.workplace.git, asked.target
    whole, squash = asked.selection.whole, asked.squash
    straight = whole and not squash and is_chain(state)
    if straight and await scene.git(git.is_ancestor, asked.branch.commit, state.result):
        tree = await scene.git(git.tree_of, state.result)
        if judged_here(scene.journal, asked.change.holds, tree):
            return Offer(state.result, tree, judged=False)
        return await _judged(scene, asked, Candidate(state.result, tree))
    if await scene.git(merge_base, git, asked.branch.commit, state.started.base) is None:
        return replace(
            asked.plain,
            outcome="refused",
            why=f"{target} shares no history with the run any more",
            hint="orch accept --to BRANCH brings it into a branch of its own",
        )
    made = await scene.git(
        make_offer, scene, asked.branch, asked.change, whole=whole, squash=squash
    )
    if isinstance(made, Conflict):
        names = ", ".join(made.paths[:5])
        return replace(
            asked.plain,
            outcome="conflict",
            why=f"it does not merge with {target} as it is now: {names}",
            hint="orch accept --to BRANCH brings it into a branch of its own",
        )
    if asked.before and made.tree == await scene.git(git.tree_of, asked.before):
        await record_found(scene, target, asked.before, asked.change)
        return replace(asked.plain, why=f"{target} has these changes already")
    # Reachable before the ledger speaks of it; gone when the scene is closed.
    keep = candidate_ref(scene.run, f"accept-{made.commit[:16]}")
    await scene.git(git.update_refs, [RefUpdate(keep, made.commit, "any")])
    return await _judged(scene, asked, made)


async def _judged(scene: Scene, asked: _Asked, made: Candidate) -> Offer | AcceptResult:
    """The commit, judged as what the target would become; or why it is not to be."""
    target = asked.target
    red, judged = await judge(scene, asked.branch.commit, asked.change, made)
    if red:
        return replace(
            asked.plain,
            outcome="red",
            verdict=red,
            judged=judged,
            why=f"gate '{red.gate}' is not green on {target} with it: {red.why}",
            hint="nothing was changed; orch accept --only or --without takes a part of it",
        )
    return Offer(made.commit, made.tree, judged)


async def _move(scene: Scene, asked: _Asked, offer: Offer) -> AcceptResult:
    """Move the target, the intent recorded before and the fact after it."""
    intent = e.AcceptIntended(
        target=asked.target,
        before=asked.branch.commit,
        commit=offer.commit,
        tree=offer.tree,
        heads=asked.change.holds,
        said_by=asked.said_by,
    )
    scene.append(intent)
    git, user = scene.workplace.git, scene.workplace.user
    to = (asked.ref, offer.commit, asked.before)
    moved = await scene.git(accept_commit, git, *to, user, reason=f"orch: {scene.run}")
    plain = replace(asked.plain, judged=offer.judged)
    if isinstance(moved, Refused):
        return replace(plain, outcome="refused", why=moved.why, hint=moved.hint)
    scene.append(fact_of(intent))
    return replace(plain, outcome="accepted", commit=offer.commit)


def _plain(state: RunState, target: str, chosen: Chosen, change: Difference) -> AcceptResult:
    comes = {ref.task for ref in change.comes}
    return AcceptResult(
        "nothing",
        target,
        tasks=tuple(task_id for task_id in chosen.tasks if task_id in comes),
        added=tuple(task_id for task_id in chosen.added if task_id in comes),
        left_out=chosen.left_out,
        taken_out=tuple(ref.task for ref in change.goes if ref.task not in comes),
        gates=tuple(gate.name for gate in gates_of(state, (ref.task for ref in change.holds))),
        warnings=warnings_of(state),
    )


def _nothing_chosen(state: RunState) -> tuple[str, str]:
    landed = state.with_status("landed")
    if not landed:
        return "nothing of the run has landed", "orch status"
    return (
        f"--without leaves out all that has landed: {listed(landed, 10)}",
        "orch reject takes it out of the result; orch accept brings all of it",
    )
