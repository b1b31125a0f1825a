"""How a run's target stands now to what the run made: how far it has moved, and whether both merge.

1. It is git's own word on the branch as it is this moment, by the merge that `orch accept` would
   make, in the object store. Nothing is judged, nothing is moved. What was accepted into another
   branch says nothing of this one.
2. What cannot be told (no branch any more, a repository that cannot be read) is said as such; a
   report must not fail for it.
3. Only a branch of a person's is one: what lies below `orch/` goes with the run that made it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ledger.state import RunState
from orchestrator.errors import OrchError
from orchestrator.policy.accepted import unaccepted
from worktree.git import Git
from worktree.names import quoted, target_problem
from worktree.values import GitError


@dataclass(frozen=True)
class TargetNow:
    """The target, as it is now."""

    target: str
    how: Literal["holds", "merges", "conflicts", "gone", "unknown"]
    """`holds`: it has all that landed already."""
    ahead: int = 0
    """Commits that it has and the result has not."""
    paths: tuple[str, ...] = ()
    """Where they conflict."""


def refuse_target(option: str, name: str) -> None:
    """OrchError for what cannot be the name of a branch of a person's, to accept into."""
    if why := target_problem(name):
        raise OrchError(f"{option} '{quoted(name)}' {why}", hint=f"for example: {option} my-branch")


def look_at_target(git: Git, state: RunState) -> TargetNow | None:
    """How the target stands now; None where there is nothing to bring into one. Blocking."""
    target = state.started.target
    if target is None or state.cleaned or not state.landings:
        return None
    if not unaccepted(state, target):
        return TargetNow(target, "holds")
    try:
        return _look(git, state, target)
    except GitError:
        return TargetNow(target, "unknown")


def _look(git: Git, state: RunState, target: str) -> TargetNow:
    from orchestrator.offer import look_at, merged_whole
    from worktree.candidate import Conflict
    from worktree.changes import commits_without

    commit = git.read_ref(f"refs/heads/{target}")
    if commit is None:
        return TargetNow(target, "gone")
    if git.is_ancestor(state.result, commit):
        return TargetNow(target, "holds")
    ahead = commits_without(git, commit, state.result)
    tree = merged_whole(git, state, look_at(git, state, commit))
    if isinstance(tree, Conflict):
        return TargetNow(target, "conflicts", ahead, tree.paths)
    return TargetNow(target, "merges", ahead)
