"""The report of a run, and of all since a time, as plain lists, tables and values. Pure.

It tells what the Markdown tells, under one key for each of its parts, with nothing cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from ledger.state import RunState, TaskState
from orchestrator.policy.accepted import unaccepted
from orchestrator.policy.judges import unjudged
from orchestrator.review.advice import next_steps
from orchestrator.review.cost_table import costs_as_json
from orchestrator.review.documents import (
    Table,
    attempt_document,
    spent_document,
    verdict_documents,
)
from orchestrator.review.firings import Fired
from orchestrator.review.flakes import flaky_on, said_of_flake
from orchestrator.review.judged import warnings_of
from orchestrator.review.moved import said_of_moves
from orchestrator.review.report import gate_times, of_landed
from orchestrator.review.spent import budget_of, spending, spent
from orchestrator.review.status import why_so
from orchestrator.review.tested import tests_on_result
from orchestrator.review.words import result_branch

if TYPE_CHECKING:
    from orchestrator.review.cost import Costs
    from orchestrator.review.morning import Seen
    from orchestrator.target import TargetNow


def report_document(
    state: RunState,
    alive: bool,
    now: float,
    took_s: float,
    *,
    named: bool = False,
    target: TargetNow | None = None,
) -> Table:
    """The whole report of a run; `took_s`: for how long engines drove it."""
    started, finished, pulls = state.started, state.finished, state.pull_requests
    return {
        "run": state.run,
        "goal": state.plan.goal,
        "outcome": finished.outcome if finished else None,
        "exit_code": finished.exit_code if finished else None,
        "why": finished.why if finished else "",
        "alive": alive,
        "cleaned": state.cleaned is not None,
        "started_at": state.started_at,
        "ended_at": state.finished_at,
        "took_s": took_s,
        "base": started.base,
        "target": started.target,
        "target_now": asdict(target) if target else None,
        "automation": started.automation,
        "unattended": started.unattended,
        "counts": {status: len(ids) for status, ids in state.by_status.items() if ids},
        "result": {
            "branch": result_branch(state.run),
            "commit": state.result,
            "landings": len(state.landings),
            "unjudged": len(unjudged(state)),
        },
        "spent": spent_document(spent(state)),
        "budget": asdict(budget_of(state)),
        "tests": [{"gate": gate, "said": said} for gate, said in tests_on_result(state)],
        "accepted": [
            {
                "target": fact.target,
                "before": fact.before,
                "commit": fact.commit,
                "heads": [ref.model_dump(mode="json") for ref in fact.heads],
            }
            for fact in state.accepted
        ],
        "unaccepted": list(unaccepted(state)),
        "pushed": [
            {
                "remote": push.remote,
                "branch": push.branch,
                "commit": push.commit,
                "pull_request": pulls[push.branch].number if push.branch in pulls else None,
            }
            for push in state.pushed.values()
        ],
        "read_first": _read_first(state),
        "waiting": [
            _line(state, task)
            | {
                "question": task.question,
                "to_allow": [path for path in state.to_allow(task) if path not in task.allowed],
                "last_attempt": attempt_document(state, task.task.id, task.last, now)
                if task.last
                else None,
            }
            for task in _tasks(state, "held")
        ],
        "failed": [
            _line(state, task)
            | {
                "attempts": [
                    attempt_document(state, task.task.id, one, now) for one in task.attempts
                ]
            }
            for task in _tasks(state, "failed")
        ],
        "not_tried": [_line(state, t) for t in _tasks(state, "skipped", "waiting", "ready")],
        "under_way": [_line(state, t) for t in _tasks(state, "working", "queued")],
        "landed": [_landed(state, task) for task in _tasks(state, "landed")],
        "unchanged": [_line(state, task) for task in _tasks(state, "unchanged")],
        "taken_out": [_line(state, task) for task in _tasks(state, "rejected")],
        "time": _time(state, took_s),
        "cost": _cost(state),
        "next": [
            {"command": step.command, "why": step.why} for step in next_steps(state, alive, named)
        ],
    }


def since_document(
    project: str,
    runs: Sequence[Seen],
    costs: Costs,
    since: float,
    now: float,
    *,
    more: int = 0,
    fired: Sequence[Fired] = (),
) -> Table:
    """The report of all runs since a time; `more`: runs of that time that are not in it."""
    return {
        "project": project,
        "since": since,
        "written_at": now,
        "runs": [
            report_document(one.state, one.alive, now, one.took_s, named=True, target=one.now)
            for one in runs
        ],
        "more": more,
        "costs": costs_as_json(costs, None, since),
        "automations": [
            {
                "automation": one.name,
                "cut_short": one.cut_short,
                "not_started": [{"at": at, "why": why} for at, why in one.not_started],
                "settled": [
                    firing.settled.model_dump(mode="json", exclude={"kind"})
                    for firing in one.settled
                    if firing.settled
                ],
                "actions": [
                    action.model_dump(mode="json", exclude={"kind"})
                    for firing in one.settled
                    for action in firing.actions
                ],
            }
            for one in fired
        ],
    }


def _tasks(state: RunState, *statuses: str) -> list[TaskState]:
    return [task for task in state.tasks.values() if task.status in statuses]


def _line(state: RunState, task: TaskState) -> Table:
    return {
        "task": task.task.id,
        "title": task.task.title,
        "status": task.status,
        "why": why_so(state, task) or task.note,
        "attempts_count": len(task.attempts),
        "head": next((one.head for one in reversed(task.attempts) if one.head), None),
        "spent": spent_document(spent(state, task.task.id)),
    }


def _landed(state: RunState, task: TaskState) -> Table:
    landing = next((la for la in state.landings if la.candidate == task.landed_by), None)
    return _line(state, task) | {
        "commit": landing.commit if landing else None,
        "flaky": flaky_on(state, task),
    }


def _read_first(state: RunState) -> Table:
    verdicts = state.baseline_verdicts.values()
    return {
        "warnings": list(warnings_of(state)),
        "baseline": state.baseline,
        "red_on_base": verdict_documents(v for v in verdicts if v.outcome != "passed"),
        "excused": [
            {"gate": v.gate, "failed_tests": list(v.failed_tests)}
            for v in verdicts
            if v.outcome == "passed" and v.failed_tests
        ],
        "flaky": list(dict.fromkeys(said_of_flake(flake) for flake in state.flakes)),
        "moved": list(said_of_moves(state)),
        "notices": [{"what": notice.what, "hint": notice.hint} for notice in state.notices],
    }


def _time(state: RunState, took_s: float) -> Table:
    ended = [a.finished for t in state.tasks.values() for a in t.attempts if a.finished]
    return {
        "attempts": sum(len(task.attempts) for task in state.tasks.values()),
        "attempts_s": sum(one.duration_s for one in ended),
        "gates": [
            {"gate": name, "ran": ran, "reused": reused, "took_s": took}
            for name, (ran, reused, took) in gate_times(state).items()
        ],
        "run_s": took_s,
    }


def _cost(state: RunState) -> Table:
    """What models came to: of what landed, and of all."""
    whole = state.books.spent_by() + state.books.held_by()
    landed, good = of_landed(state)
    each = len(landed)
    return {
        "landed": spent_document(spending(good)),
        "run": spent_document(spending(whole)),
        "landed_tasks": each,
        "usd_per_landed_task": whole.nanos / 1e9 / each if each and not whole.unpriced else None,
        "tokens_per_landed_task": whole.tokens // each if each else None,
    }
