"""What no branch of the user's holds yet of what a run made. Pure.

1. Work is told by its head, never by its task: a task that was accepted, rejected and made anew
   is work again.
2. An accepted commit that is a landing holds the heads that stood there. Any other (a merge, a
   selection) holds at least those that stood as soon as all of its tasks had landed, and what was
   accepted before it. What is not certain counts as not accepted.
3. Of a task that has not landed, its newest head is the work: the tries before it are told in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.events import HeadRef
    from ledger.model import TaskId
    from ledger.state import RunState

    Standing = dict[TaskId, HeadRef]


def unaccepted(state: RunState) -> tuple[TaskId, ...]:
    """The landed tasks whose head no branch of the user's has yet, in the plan's order."""
    accepted, standing = accepted_heads(state), landed_heads(state)
    return tuple(
        task_id
        for task_id, task in state.tasks.items()
        if task.status == "landed" and standing.get(task_id) not in accepted
    )


def unlanded(state: RunState) -> tuple[TaskId, ...]:
    """The tasks that have not landed and whose newest head is nobody's yet, in the plan's order."""
    accepted = {(ref.task, ref.attempt) for ref in accepted_heads(state)}
    return tuple(
        task_id
        for task_id, task in state.tasks.items()
        if task.status not in ("landed", "unchanged")
        for newest in [next((a for a in reversed(task.attempts) if a.head), None)]
        if newest and (task_id, newest.number) not in accepted
    )


def landed_heads(state: RunState) -> Standing:
    """By task, the head that stands in the result as it is now."""
    *_, (_, standing) = ("", {}), *_steps(state)
    return standing


def accepted_heads(state: RunState) -> frozenset[HeadRef]:
    """The heads that surely are in some branch of the user's."""
    steps = [("", {}), *_steps(state)] if state.accepted else []
    places = {commit: place for place, (commit, _) in enumerate(steps)}
    heads: set[HeadRef] = set()
    known = 0
    for fact in state.accepted:
        place = places.get(fact.commit)
        if place is None:
            whole = (n for n in range(known, len(steps)) if steps[n][1].keys() >= set(fact.tasks))
            place = next(whole, known)
        known = max(known, place)
        standing = steps[known][1]
        heads |= {standing[task_id] for task_id in fact.tasks if task_id in standing}
    return frozenset(heads)


def _steps(state: RunState) -> Iterator[tuple[str, Standing]]:
    """Each landing's commit, and by task the heads that stand after it."""
    standing: Standing = {}
    for landing in state.landings:
        standing = {t: ref for t, ref in standing.items() if t not in landing.removes}
        standing |= {ref.task: ref for ref in landing.heads}
        yield landing.commit, standing
