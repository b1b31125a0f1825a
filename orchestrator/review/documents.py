"""A task, or a run, told in full as plain lists, tables and values: what `show` tells in words.

Pure but for `read_log`, which the caller gives: the text of a blob, or why it cannot be had.

1. The keys of the generated view of the ledger (`ledger.export`) stay what they are; the rest is
   beside them.
2. Times are seconds, moments seconds since the epoch. What is not there is null or empty, and
   every key is always there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from ledger.export import state_ledger, task_ledger
from ledger.model import Verdict
from ledger.state import AttemptState, CandidateState, RoundState, RunState, TaskState
from orchestrator.review.judged import warnings_of
from orchestrator.review.spent import Spent, budget_of, spent
from orchestrator.review.status import why_so

Table = dict[str, Any]
ReadLog = Callable[[str], str]


def run_document(state: RunState, now: float, read_log: ReadLog | None = None) -> Table:
    """The run: what judges it, its baseline, its landings, every task in short."""
    started, ledger = state.started, state_ledger(state, warnings_of(state))
    tasks = {
        task_id: ledger["tasks"][task_id] | _in_short(state, task, now)
        for task_id, task in state.tasks.items()
    }
    return ledger | {
        "tasks": tasks,
        "started_at": state.started_at,
        "base": started.base,
        "target": started.target,
        "unattended": started.unattended,
        "started_by": started.started_by,
        "gates": [{"name": gate.name, "stage": gate.stage} for gate in started.settings.gates],
        "limits": state.limits.model_dump(mode="json"),
        "spent": spent_document(spent(state)),
        "budget": asdict(budget_of(state)),
        "baseline": {
            "status": state.baseline,
            "verdicts": verdict_documents(state.baseline_verdicts.values(), read_log),
        },
        "landings": [
            {
                "at": landing.at,
                "commit": landing.commit,
                "tasks": [ref.task for ref in landing.heads],
                "removes": list(landing.removes),
            }
            for landing in state.landings
        ],
        "moves": [
            {
                "at": move.at,
                "before": move.before,
                "tip": move.tip,
                "verdicts": verdict_documents(move.verdicts, read_log),
            }
            for move in state.moves
        ],
    }


def task_document(
    state: RunState, task_id: str, now: float, read_log: ReadLog | None = None
) -> Table:
    """One task: what it was told, every attempt at it, where it landed."""
    task = state.tasks[task_id]
    plan = task.task
    landing = next((la for la in state.landings if la.candidate == task.landed_by), None)
    judged = [
        candidate
        for candidate in state.candidates.values()
        if candidate.verdicts and any(ref.task == task_id for ref in candidate.built.heads)
    ]
    return (
        task_ledger(state, task_id)
        | _in_short(state, task, now)
        | {
            "warnings": list(warnings_of(state)),
            "needs": list(plan.needs),
            "needed_by": list(state.dependents[task_id]),
            "paths": list(plan.paths),
            "may_change": [*plan.may_change, *task.allowed],
            "gates": list(plan.gates),
            "worker": plan.worker or state.started.settings.worker,
            "prompt": plan.prompt,
            "asked": [{"question": asked, "answer": said} for asked, said in task.answers],
            "question": task.question,
            "attempts": [
                attempt_document(state, task_id, attempt, now, read_log)
                for attempt in task.attempts
            ],
            "candidates": [_candidate(one, read_log) for one in judged],
            "landed": {"commit": landing.commit, "at": landing.at} if landing else None,
        }
    )


def attempt_document(
    state: RunState,
    task_id: str,
    attempt: AttemptState,
    now: float,
    read_log: ReadLog | None = None,
) -> Table:
    """One attempt, with its rounds and what each was told."""
    finished, sent_back = attempt.finished, attempt.sent_back
    findings = finished.findings if finished else ()
    return {
        "attempt": attempt.number,
        "outcome": finished.outcome if finished else None,
        "why": finished.why if finished else "",
        "duration_s": _took(attempt, now),
        "worker": None if attempt.submitted else attempt.started.worker,
        "model": attempt.started.model,
        "by_a_person": attempt.submitted,
        "base": attempt.started.base,
        "started_at": attempt.started_at,
        "head": attempt.head,
        "spent": spent_document(spent(state, task_id, attempt.number)),
        "reapplied": attempt.prepared.reapplied if attempt.prepared else "nothing",
        "rounds": [_round(one, read_log) for one in attempt.rounds],
        "findings": [one.model_dump(mode="json") for one in findings],
        "sent_back": sent_back.model_dump(mode="json", exclude={"kind"}) if sent_back else None,
    }


def verdict_documents(verdicts: Iterable[Verdict], read_log: ReadLog | None = None) -> list[Table]:
    """Verdicts; with `read_log`, the end of the log of each that is not green."""
    return [
        verdict.model_dump(mode="json")
        | (
            {"log_text": read_log(verdict.log)}
            if read_log and verdict.log and verdict.outcome != "passed"
            else {}
        )
        for verdict in verdicts
    ]


def spent_document(amount: Spent) -> Table:
    """What was spent; its cost is null where a part of it is not known."""
    return asdict(amount) | {"cost_usd": amount.cost_usd}


def _in_short(state: RunState, task: TaskState, now: float) -> Table:
    return {
        "task": task.task.id,
        "title": task.task.title,
        "status": task.status,
        "why": why_so(state, task),
        "attempts_count": len(task.attempts),
        "rounds_count": sum(len(attempt.rounds) for attempt in task.attempts),
        "duration_s": sum(_took(attempt, now) for attempt in task.attempts),
        "spent": spent_document(spent(state, task.task.id)),
    }


def _took(attempt: AttemptState, now: float) -> float:
    return attempt.finished.duration_s if attempt.finished else now - attempt.started_at


def _round(done: RoundState, read_log: ReadLog | None) -> Table:
    fact = done.finished
    text = {"log_text": read_log(fact.log)} if read_log and fact.log else {}
    checked = done.checked
    return (
        fact.model_dump(mode="json", exclude={"kind", "task", "attempt"})
        | text
        | {
            "verdicts": verdict_documents(done.verdicts, read_log),
            "checker": checked.model_dump(mode="json", exclude={"kind", "task", "attempt"})
            if checked
            else None,
        }
    )


def _candidate(candidate: CandidateState, read_log: ReadLog | None) -> Table:
    built = candidate.built
    return {
        "candidate": built.candidate,
        "outcome": candidate.judged.outcome if candidate.judged else candidate.status,
        "tasks": [ref.task for ref in built.heads],
        "base": built.base,
        "verdicts": verdict_documents(candidate.verdicts, read_log),
    }
