"""What an accept would move a branch to: one commit with the tree that it is to have, judged.

1. The tree has what the branch made of its own, and of the run what it is to hold. It is merged
   from what the branch holds of the run to what it is to hold: so what it took before, whole or in
   part, with or without its history, is neither brought twice nor lost.
2. The whole result is the tip as it is, with all that led there. A part is the changes of heads.
3. Where it cannot be told apart what the branch holds, git's own merge decides, or the changes are
   made on the branch as it is.
4. All that the branch holds of the run afterwards is judged, by the gates that its tasks name too.
5. The history comes with the whole result, unless it is squashed, and only into a branch that has
   the run's base.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger import events as e
from ledger.events import HeadRef
from ledger.model import Sha, Verdict
from ledger.state import RunState
from orchestrator.actions import definition_hash
from orchestrator.journal import Journal
from orchestrator.messages import goal_line, title_of
from orchestrator.policy.accepted import Heads, held, newest_landing, told_by
from orchestrator.policy.judges import gates_of, order_by_cost
from orchestrator.policy.measure import measure_of_accept
from orchestrator.policy.selection import Difference
from orchestrator.scene import Scene
from worktree.candidate import Candidate, Conflict, Head, merge_heads, three_way
from worktree.changes import Change, changed_tree, history_since, latest
from worktree.git import Git


@dataclass(frozen=True)
class Branch:
    """A branch as it is, and what it holds of the run."""

    commit: Sha
    holds: Heads
    landing: Sha
    """The newest landing in its history, else the run's base."""
    landed: Heads
    """What that landing holds of the run."""
    has_base: bool
    has_tip: bool


@dataclass(frozen=True)
class Offer:
    """A commit that may be accepted: its tree has passed."""

    commit: Sha
    tree: Sha
    judged: bool
    """Whether a gate had to run."""


def look_at(git: Git, state: RunState, commit: Sha) -> Branch:
    """What a branch at that commit holds of the run. Blocking."""
    base = state.started.base
    history = history_since(git, commit, base)
    told = told_by(state, history)
    landing, landed = newest_landing(state, history)
    return Branch(
        commit,
        held(told, latest(git, tuple(told))),
        landing,
        landed,
        has_base=git.is_ancestor(base, commit),
        has_tip=git.is_ancestor(state.result, commit),
    )


def make_offer(
    scene: Scene, branch: Branch, change: Difference, *, whole: bool, squash: bool
) -> Candidate | Conflict:
    """The commit that the branch would move to; nothing names it yet. Blocking."""
    git, state = scene.workplace.git, scene.state
    tree = merged_whole(git, state, branch) if whole else _part(git, state, branch, change)
    if isinstance(tree, Conflict):
        return tree
    with_history = whole and not squash and branch.has_base and not branch.has_tip
    parents = (branch.commit, state.result) if with_history else (branch.commit,)
    message = _message(state, change)
    made = git.commit_tree(tree, parents, message, scene.author, signing=scene.signing)
    return Candidate(made, tree)


def merged_whole(git: Git, state: RunState, branch: Branch) -> Sha | Conflict:
    """The tree that the branch would have with the whole result. Blocking."""
    before = _held_tree(git, state, branch) if branch.holds != branch.landed else None
    if before is None:
        merged = merge_heads(git, branch.commit, (Head(state.result),), attributes=branch.commit)
        return merged if isinstance(merged, Conflict) else merged.tree
    trees = before, git.tree_of(branch.commit), git.tree_of(state.result)
    return three_way(git, *trees, attributes=branch.commit)


def _part(git: Git, state: RunState, branch: Branch, change: Difference) -> Sha | Conflict:
    now = git.tree_of(branch.commit)
    steps = _steps(state, change.goes, change.comes)
    made: Sha | Conflict = Conflict(0, (), branch.commit)
    for before in (_held_tree(git, state, branch), now):
        if before is None:
            continue
        made = changed_tree(git, before, steps, attributes=branch.commit)
        if not isinstance(made, Conflict):
            return three_way(git, before, now, made, attributes=branch.commit)
    return made


def _held_tree(git: Git, state: RunState, branch: Branch) -> Sha | None:
    """The tree of the run's work that a branch holds, and of nothing else; None: not known."""
    apart = _steps(
        state,
        _in_order(state, branch.landed - branch.holds)[::-1],
        _in_order(state, branch.holds - branch.landed),
    )
    tree = changed_tree(git, branch.landing, apart, attributes=branch.commit)
    return None if isinstance(tree, Conflict) else tree


def _in_order(state: RunState, heads: Heads) -> tuple[HeadRef, ...]:
    return tuple(ref for landing in state.landings for ref in landing.heads if ref in heads)


def _steps(
    state: RunState, goes: tuple[HeadRef, ...], comes: tuple[HeadRef, ...]
) -> tuple[Change, ...]:
    """The changes that take the ones out and bring the others."""
    away = [(head, base) for base, head in (_ends(state, ref) for ref in goes)]
    return (*away, *(_ends(state, ref) for ref in comes))


def _ends(state: RunState, ref: HeadRef) -> Change:
    attempt = state.attempt(ref)
    assert attempt.head is not None  # it has landed
    return attempt.started.base, attempt.head


def _message(state: RunState, change: Difference) -> str:
    comes = [ref.task for ref in change.comes]
    goes = [ref.task for ref in change.goes if ref.task not in comes]
    goal = goal_line(state.plan.goal, state.run)
    subject = goal if comes or not goes else f"Take out {', '.join(goes)}"[:72]
    lines = [f"- {title_of(state.tasks[task].task)}" for task in comes]
    lines += [f"- without {title_of(state.tasks[task].task)}" for task in goes]
    gates = gates_of(state, tuple(ref.task for ref in change.holds))
    trailers = [
        f"Orch-Run: {state.run}",
        *(f"Orch-Task: {task}" for task in comes),
        *(f"Orch-Attempt: {ref.task}/{ref.attempt}" for ref in change.comes),
        *(f"Orch-Rejected: {task}" for task in goes),
        "Orch-Gates: " + " ".join(definition_hash(gate) for gate in gates),
    ]
    return "\n".join([subject, "", *lines, "", *trailers]) + "\n"


# --- judged -----------------------------------------------------------------------------------


def judged_here(journal: Journal, holds: tuple[HeadRef, ...], tree: Sha) -> bool:
    """Whether gates that ran on this machine passed the tree, and no file merely says so."""
    gates = gates_of(journal.state, tuple(ref.task for ref in holds))
    store = journal.store
    return all(
        any(one.outcome == "passed" for one in store.verdicts(tree, gate.name)) for gate in gates
    )


async def judge(
    scene: Scene, target: Sha, change: Difference, made: Candidate
) -> tuple[Verdict | None, bool]:
    """The verdict that was not green, if any, and whether a gate had to run."""
    state = scene.state
    carried = tuple(ref.task for ref in change.holds)
    gates = order_by_cost(gates_of(state, carried), state.started.estimates.gate_s)
    ran = False
    async with scene.judge.bench(made.commit, made.tree, mark=scene.mark("accept")) as bench:
        for gate in gates:
            verdict = await scene.ask(
                bench,
                gate,
                f"accept/{gate.name}",
                measure=measure_of_accept(state, gate.name, change.holds, target),
                reuse_failed=False,
            )
            scene.append(e.AcceptGateJudged(verdict=verdict))
            ran = ran or not verdict.reused
            if verdict.outcome != "passed":
                return verdict, ran
    return None, ran
