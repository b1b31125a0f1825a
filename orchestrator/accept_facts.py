"""What an accept records: the fact after the intent, also where a crash or a person came between.

1. An intent whose commit the target holds has happened, whoever moved it there.
2. A branch that was found to hold what has landed is recorded once, at the commit where it stood.
"""

from __future__ import annotations

from ledger import events as e
from ledger.model import Sha
from ledger.state import RunState
from orchestrator.policy.accepted import accepted_heads
from orchestrator.policy.selection import Difference
from orchestrator.scene import Scene
from worktree.git import Git


def fact_of(intent: e.AcceptIntended) -> e.Accepted:
    """The fact that an intent leads to."""
    return e.Accepted(
        target=intent.target,
        before=intent.before,
        commit=intent.commit,
        tree=intent.tree,
        heads=intent.heads,
        said_by=intent.said_by,
    )


def intended(git: Git, state: RunState) -> e.Accepted | None:
    """The fact that a crash swallowed: the target holds the commit that it was to move to."""
    intent = state.accepting
    if intent is None or not git.exists(intent.commit):
        return None
    now = git.read_ref(f"refs/heads/{intent.target}")
    if now is None or not git.is_ancestor(intent.commit, now):
        return None
    return fact_of(intent)


async def record_found(scene: Scene, target: str, found: Sha, change: Difference) -> None:
    """Record what a branch holds of the run, where nothing recorded says so."""
    if accepted_heads(scene.state).issuperset(change.holds) and not (change.comes or change.goes):
        return
    tree = await scene.git(scene.workplace.git.tree_of, found)
    scene.append(
        e.Accepted(target=target, before=found, commit=found, tree=tree, heads=change.holds)
    )
