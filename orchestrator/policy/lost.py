"""What is lost when an engine ends without having ended what was under way. Pure.

A landing that was intended is not among it: only the repository knows what became of that.
"""

from __future__ import annotations

from ledger import events as e
from ledger.state import AttemptState, RunState


def lost_facts(state: RunState, why: str) -> list[e.Event]:
    """The facts that end every attempt, judging and baseline that was under way."""
    facts: list[e.Event] = [
        lost_attempt(state.tasks[task_id].attempts[-1], why)
        for task_id in state.with_status("working")
    ]
    facts += [
        e.CandidateDropped(candidate=number, why=why)
        for number in state.open_candidates
        if state.candidates[number].status == "judging"
    ]
    if state.baseline == "running":
        facts.append(e.BaselineLost(why=why))
    if state.tip_judging:
        facts.append(e.TipJudgingLost(why=why))
    return facts


def lost_attempt(attempt: AttemptState, why: str, *, trouble: bool = False) -> e.AttemptFinished:
    """The end of an attempt by nobody's fault; what its last round committed is its head."""
    kept = next((r.finished for r in reversed(attempt.rounds) if r.finished.commit), None)
    return e.AttemptFinished(
        task=attempt.started.task,
        attempt=attempt.number,
        outcome="lost",
        head=kept.commit if kept else None,
        tree=kept.tree if kept else None,
        why=why,
        trouble=trouble,
    )
