"""What a person took of a task, and gives back: made whole where the result lacks it, and named.

1. git merges only what is newer than the history that two commits share. A head that landed and
   was taken out again is such history: its change is made anew, as a commit of its own.
2. A ref names a head before the ledger speaks of it. What a crash left in that place, unspoken
   of, is moved aside, never lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ledger.model import Sha, TaskId
from ledger.state import RunState
from orchestrator.errors import OrchError
from worktree.candidate import Conflict, reapply
from worktree.git import Git, Person, RefMoved, RefUpdate
from worktree.names import attempt_ref, discarded_ref


def taken_out_since(git: Git, state: RunState, task_id: TaskId, shared: Sha) -> Sha | None:
    """The base of the task's change, where `shared` has the change and the result has not.

    git merges only what is newer than the history that both share.
    """
    out = [landing.commit for landing in state.landings if task_id in landing.removes]
    if not out or git.is_ancestor(out[-1], shared):
        return None
    for attempt in reversed(state.tasks[task_id].attempts):
        if attempt.head and git.is_ancestor(attempt.head, shared):
            return attempt.started.base
    return None


def made_anew(git: Git, state: RunState, base: Sha, head: Sha) -> Sha:
    """A commit of its own with what changed from base to head, on the tip where that goes.

    Else on its base: it merges, or does not, like any other head.
    """
    author = Person(state.started.identity.name, state.started.identity.email)
    tree = reapply(git, state.tip, base, head, attributes=state.started.base)
    message = git.read_commit(head).message
    if isinstance(tree, Conflict):
        return git.commit_tree(git.tree_of(head), (base,), message, author)
    return git.commit_tree(tree, (state.tip,), message, author)


@contextmanager
def named(git: Git, run: str, task_id: TaskId, number: int, head: Sha) -> Iterator[None]:
    """A ref names the head before the ledger speaks of it, and no more where that fails.

    What the ref names already, the ledger never spoke of: a crash left it. It is moved aside.
    """
    ref = attempt_ref(run, task_id, number)
    found = git.read_ref(ref)
    moves = [RefUpdate(ref, head, found)]
    if found is not None and not git.is_ancestor(found, head):
        aside = discarded_ref(run, f"{ref}-{found[:12]}")
        moves.append(RefUpdate(aside, found, "any"))
    git.update_refs(moves)
    try:
        yield
    except OrchError:
        # An engine, quicker, may use that very ref for an attempt of its own.
        with suppress(RefMoved):
            git.update_refs([RefUpdate(ref, found, head)])
        raise
