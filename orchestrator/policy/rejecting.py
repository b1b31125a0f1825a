"""Landed tasks that a person wants out of the result again. Pure.

1. One rejection at a time: what stays is built as a candidate without them and judged like any
   other; it lands when it passed.
2. It is refused when one of them is not in the result any more, or when a gate is not green
   without them, twice.
"""

from __future__ import annotations

from ledger import events as e
from ledger.state import RunState
from orchestrator.policy.candidates import free_slots, is_confirmed, still_open
from orchestrator.policy.orders import BuildCandidate, JudgeCandidate, Order, Record


def reject(state: RunState) -> list[Order]:
    """What the oldest rejection needs next."""
    tasks = state.rejections[0]
    gone = [task_id for task_id in tasks if state.tasks[task_id].status != "landed"]
    if gone:
        why = f"not in the result any more: {', '.join(gone)}"
        return [Record(e.RejectRefused(tasks=tasks, why=why))]
    mine = [c for c in still_open(state) if c.built.removes == tasks and c.built.base == state.tip]
    if not mine:
        return [BuildCandidate(len(state.candidates) + 1, state.tip, removes=tasks)]
    candidate = mine[-1]
    match candidate.status:
        case "built" | "failed" | "unable" if free_slots(state) < 1:
            return []
        case "built":
            return [JudgeCandidate(candidate.built.candidate)]
        case "failed" | "unable" if not is_confirmed(state, candidate):
            return [JudgeCandidate(candidate.built.candidate, confirms=True)]
        case "failed" | "unable":
            gate = candidate.judged.gate if candidate.judged else None
            why = f"gate '{gate}' is not green without them"
            return [Record(e.RejectRefused(tasks=tasks, why=why))]
        case _:
            return []
