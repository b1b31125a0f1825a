"""Which part of the result a person accepts, and what that changes in a branch. Pure.

1. A selection names landed tasks; what it comes to is said. `only` takes along what they need,
   `without` leaves out what needs them.
2. Nothing is taken without what it needs.
3. Of what is chosen, what the branch does not hold comes. An earlier head of the same task that
   the branch holds goes; where the whole result is accepted, so does every head that the branch
   holds and the result does not.
4. What goes, goes first, the newest first; what comes, comes in the order in which it landed.
5. Afterwards the branch holds what it held, without the one and with the other.
6. The result is a chain where nothing but landings led from the run's base to it: each step on
   the way was judged, and may be a step of the branch's.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.events import HeadRef
from ledger.model import TaskId
from ledger.state import RunState
from orchestrator.policy.accepted import Heads
from orchestrator.policy.persons import Refused, named, with_dependents, with_needs


@dataclass(frozen=True, slots=True)
class Selection:
    """Which part of the result to accept; neither: all of it."""

    only: tuple[TaskId, ...] = ()
    without: tuple[TaskId, ...] = ()

    @property
    def whole(self) -> bool:
        return not (self.only or self.without)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A selection, worked out, in the plan's order."""

    tasks: tuple[TaskId, ...]
    added: tuple[TaskId, ...] = ()
    """Taken along, since a selected task needs them."""
    left_out: tuple[TaskId, ...] = ()
    """Left out too, since they need what was left out."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What an accept changes in a branch, by heads."""

    comes: tuple[HeadRef, ...]
    goes: tuple[HeadRef, ...]
    holds: tuple[HeadRef, ...]
    """What the branch holds of the run afterwards."""


def choose(state: RunState, selection: Selection) -> Chosen | Refused:
    """The landed tasks that a selection means."""
    for task_id in (*selection.only, *selection.without):
        task = named(state, task_id)
        if isinstance(task, Refused):
            return task
        if task.status != "landed":
            why = f"{task_id} is {task.status}, not landed"
            return Refused(why, "orch status names what has landed")
    gone = dict.fromkeys(with_dependents(state, selection.without))
    torn = [task_id for task_id in selection.only if task_id in gone]
    if torn:
        why = f"{', '.join(torn)} cannot be accepted without what it needs"
        return Refused(why, f"leave --without {' '.join(selection.without)} away")
    meant = with_needs(state, selection.only) if selection.only else tuple(state.tasks)
    tasks = tuple(t for t in meant if state.tasks[t].status == "landed" and t not in gone)
    names, reach = {*selection.only, *selection.without}, set(meant)
    return Chosen(
        tasks,
        added=tuple(t for t in tasks if selection.only and t not in names),
        left_out=tuple(t for t in gone if t in reach and t not in names),
    )


def difference(
    state: RunState, chosen: tuple[TaskId, ...], held: Heads, *, whole: bool
) -> Difference:
    """What comes into a branch that holds those heads, and what goes."""
    standing, wanted = state.landed_heads(), set(chosen)
    landed = [ref for landing in state.landings for ref in landing.heads]
    comes = [r for r in landed if r.task in wanted and standing.get(r.task) == r and r not in held]
    goes = [
        ref
        for ref in landed
        if ref in held and standing.get(ref.task) != ref and (whole or ref.task in wanted)
    ]
    kept = held.difference(goes)
    stays = [ref for ref in landed if ref in kept]
    return Difference(tuple(comes), tuple(reversed(goes)), (*stays, *comes))


def is_chain(state: RunState) -> bool:
    """Whether landings lead from the run's base to the result without a gap."""
    at = state.started.base
    for landing in state.landings:
        if landing.before != at:
            return False
        at = landing.commit
    return True
