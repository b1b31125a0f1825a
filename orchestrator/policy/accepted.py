"""What the branches of the user's hold of what a run made. Pure.

1. Work is told by its head, never by its task: what was accepted, rejected and made anew is work
   again.
2. A head is accepted once an accept that held it was recorded, in whichever branch. What becomes
   of the branch later is the user's own doing. Whether one branch was given a head, only the
   accepts into that branch tell.
3. What one branch holds, its history tells: the accepts in it, and the newest landing in it. Of
   two of which one grew from the other, the later one counts.
4. Of a task that has not landed, its newest head is the work: the tries before it are told in it.
5. A run that began at another one's result holds all that landed there, as each round of an
   automation holds the rounds before it: whoever accepts the later has both.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from ledger.events import HeadRef
from ledger.model import RunId, Sha, TaskId
from ledger.state import RunState

Heads = frozenset[HeadRef]


def accepted_heads(state: RunState, into: str | None = None) -> Heads:
    """The heads that some branch of the user's has, or had; `into`: that this one has, or had."""
    facts = (fact for fact in state.accepted if into in (None, fact.target))
    return frozenset(ref for fact in facts for ref in fact.heads)


def unaccepted(state: RunState, into: str | None = None) -> tuple[TaskId, ...]:
    """The landed tasks whose head no branch of the user's has yet, in the plan's order.

    `into`: whose head that branch has not, whatever others have.
    """
    accepted, standing = accepted_heads(state, into), state.landed_heads()
    return tuple(
        task_id
        for task_id in state.tasks
        if task_id in standing and standing[task_id] not in accepted
    )


def accepted_elsewhere(state: RunState) -> tuple[str, ...]:
    """The branches, other than the target, that were given what the target was not."""
    target, standing = state.started.target, state.landed_heads()
    if target is None:
        return ()
    missing = {standing[task_id] for task_id in unaccepted(state, target)}
    others = (f.target for f in state.accepted if f.target != target and missing & {*f.heads})
    return tuple(dict.fromkeys(others))


def unlanded(state: RunState) -> tuple[TaskId, ...]:
    """The tasks that have not landed and whose newest head is nobody's yet, in the plan's order."""
    accepted = accepted_heads(state)
    return tuple(
        task_id
        for task_id, task in state.tasks.items()
        if task.status not in ("landed", "unchanged")
        for newest in [next((a for a in reversed(task.attempts) if a.head), None)]
        if newest and HeadRef(task=task_id, attempt=newest.number) not in accepted
    )


def withdrawn(state: RunState) -> tuple[TaskId, ...]:
    """The tasks that were accepted into the target and are not in the result any more."""
    newest = next((f for f in reversed(state.accepted) if f.target == state.started.target), None)
    standing = state.landed_heads()
    return tuple(ref.task for ref in newest.heads if ref.task not in standing) if newest else ()


# --- 3. one branch ----------------------------------------------------------------------------


def newest_landing(state: RunState, history: Collection[Sha]) -> tuple[Sha, Heads]:
    """The newest landing in a branch's history, or the run's base, and the heads that it holds."""
    found: tuple[Sha, Heads] = (state.started.base, frozenset())
    for commit, heads in _landings(state):
        if commit in history:
            found = commit, heads
    return found


def told_by(state: RunState, history: Collection[Sha]) -> Mapping[Sha, Heads]:
    """The commits in a branch's history that tell what they hold of the run, and what that is."""
    landing, standing = newest_landing(state, history)
    accepts = {f.commit: frozenset(f.heads) for f in state.accepted if f.commit in history}
    return {landing: standing, **accepts} if landing in history else accepts


def held(told: Mapping[Sha, Heads], latest: Iterable[Sha]) -> Heads:
    """What a branch holds; `latest`: of the commits that tell, those that no other grew from."""
    by_task: dict[TaskId, HeadRef] = {}
    for commit in latest:
        for ref in told[commit]:
            # Two lines were merged by hand: the later try came last.
            if ref.attempt >= by_task.get(ref.task, ref).attempt:
                by_task[ref.task] = ref
    return frozenset(by_task.values())


def _landings(state: RunState) -> Iterator[tuple[Sha, Heads]]:
    standing: dict[TaskId, HeadRef] = {}
    for landing in state.landings:
        standing |= {ref.task: ref for ref in landing.heads}
        for task_id in landing.removes:
            standing.pop(task_id, None)
        yield landing.commit, frozenset(standing.values())


# --- 5. one run in another ---------------------------------------------------------------------


def holders(states: Iterable[RunState]) -> dict[RunId, RunId]:
    """The runs that a later one of them holds, each with the last that holds it."""
    landed = [state for state in states if state.landings and state.cleaned is None]
    begun = {(state.started.base, state.started.target): state.run for state in landed}
    found = {
        state.run: begun[key]
        for state in landed
        if (key := (state.result, state.started.target)) in begun
    }
    return {run: _last(found, run) for run in found}


def _last(found: Mapping[RunId, RunId], run: RunId) -> RunId:
    # Each landing makes a new commit, so no run begins where a later one ended.
    while run in found:
        run = found[run]
    return run
