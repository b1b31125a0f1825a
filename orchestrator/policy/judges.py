"""Which gates judge what of a run, and what none of them judged. Pure.

1. A tree is judged by the run's gates, and by those that tasks whose work it holds name.
2. A gate that was red on the base is set aside where the person allowed that: it judges nothing.
3. A landing that no gate judges by these rules is unjudged, whatever else is recorded of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ledger.model import Gate, Sha, TaskId
    from ledger.state import Landing, RunState


def advisory(state: RunState) -> frozenset[str]:
    """The gates that are set aside (rule 2)."""
    if state.baseline != "advisory":
        return frozenset()
    return frozenset(n for n, v in state.baseline_verdicts.items() if v.outcome != "passed")


def gates_of(state: RunState, tasks: Iterable[TaskId]) -> tuple[Gate, ...]:
    """The gates that judge a tree which holds these tasks' work (rules 1 and 2)."""
    named = {name for task_id in tasks for name in state.tasks[task_id].task.gates}
    red = advisory(state)
    return tuple(
        g
        for g in state.started.settings.gates
        if (g.when == "always" or g.name in named) and g.name not in red
    )


def order_by_cost(gates: Iterable[Gate], seconds: Mapping[str, float]) -> tuple[Gate, ...]:
    """Check gates before land gates, the quickest first; those never timed come last."""
    unknown = float("inf")
    return tuple(
        sorted(gates, key=lambda gate: (gate.stage != "check", seconds.get(gate.name, unknown)))
    )


def held_at(state: RunState) -> dict[Sha, list[TaskId]]:
    """By landing, the tasks whose work its tree holds: its own, and what had landed before."""
    found: dict[Sha, list[TaskId]] = {}
    carried: dict[TaskId, None] = {}
    for landing in state.landings:
        carried |= dict.fromkeys(ref.task for ref in landing.heads)
        carried = {task: None for task in carried if task not in landing.removes}
        found[landing.commit] = list(carried)
    return found


def unjudged(state: RunState) -> tuple[Landing, ...]:
    """The landings that no gate judged (rule 3)."""
    if not state.landings or gates_of(state, ()):
        return ()
    held = held_at(state)
    return tuple(la for la in state.landings if not gates_of(state, held[la.commit]))
