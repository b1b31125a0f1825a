"""The ledger as one small JSON value, for people and for agents. Pure.

1. The shape is fixed: `session_id`, `target_goal`, and for each task `max_allowed_attempts`,
   `current_attempt` and an `execution_log` of `attempt`, `action`, `gate_status` and
   `error_payload`. With the whole run comes what is to be said of it each time: `warnings`.
2. `gate_status` is what judged the action said: `passed`, `failed`, `could-not-run`, or
   `not-judged` where no gate did. `error_payload` is null unless something went wrong.
3. It is bounded: the newest entries of each task, the first lines of each failure. The order is
   that of the plan and of what happened, so the same state always gives the same text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ledger.events import Event
from ledger.model import Task, TaskId, Verdict
from ledger.state import AttemptState, RoundState, RunState, TaskState

ENTRIES_AT_MOST = 50
ENTRIES_AT_MOST_EACH = 12
"""How many entries of the log a task has alone, and among all tasks."""
LINES_AT_MOST = 20
LINES_AT_MOST_EACH = 5
LINE_CHARS = 200
PATHS_AT_MOST = 20
GOAL_CHARS = 2000
TITLE_CHARS = 300

Entry = dict[str, Any]
_Landed = dict[tuple[TaskId, int], int]
"""By task and attempt, the candidate that it landed in last."""


def state_ledger(state: RunState, warnings: Iterable[str]) -> dict[str, Any]:
    """The whole run: every task in the plan's order; `warnings`: what each report repeats."""
    landed = _landed(state)
    each = ENTRIES_AT_MOST_EACH, LINES_AT_MOST_EACH, TITLE_CHARS
    return {
        "session_id": state.run,
        "target_goal": _short(state.plan.goal, GOAL_CHARS),
        "warnings": [_short(warning) for warning in warnings],
        "tasks": {id: _task(state, landed, task, *each) for id, task in state.tasks.items()},
    }


def task_ledger(state: RunState, task_id: TaskId) -> dict[str, Any]:
    """One task; KeyError where the plan has none of that id."""
    own = ENTRIES_AT_MOST, LINES_AT_MOST, GOAL_CHARS
    return _task(state, _landed(state), state.tasks[task_id], *own)


def _landed(state: RunState) -> _Landed:
    return {(h.task, h.attempt): one.candidate for one in state.landings for h in one.heads}


def _task(
    state: RunState, landed: _Landed, task: TaskState, entries: int, lines: int, goal_chars: int
) -> dict[str, Any]:
    log: list[Entry] = []
    for attempt in task.attempts[-entries:]:
        log += _attempt(state, landed, attempt, lines)
    return {
        "session_id": state.run,
        "target_goal": _short(_goal(task.task), goal_chars),
        "max_allowed_attempts": state.limits.attempts,
        "current_attempt": len(task.attempts),
        "execution_log": log[-entries:],
    }


def _goal(task: Task) -> str:
    return task.title.strip() or task.prompt.strip()


def event_as_json(run: str, seq: int, at: float, fact: Event) -> dict[str, object]:
    """An event with its place, time and body."""
    body = fact.model_dump(mode="json", exclude_defaults=True, exclude={"kind"})
    return {"run": run, "seq": seq, "at": at, "event": fact.kind, "body": body}


# --- entries ----------------------------------------------------------------------------------


def _attempt(state: RunState, landed: _Landed, attempt: AttemptState, lines: int) -> list[Entry]:
    entries = [_round(attempt, done, lines) for done in attempt.rounds]
    end = _end(state, landed, attempt, lines)
    if end:
        entries.append(end)
    return entries


def _entry(attempt: AttemptState, action: str, status: str, error: Entry | None) -> Entry:
    return {
        "attempt": attempt.number,
        "action": action,
        "gate_status": status,
        "error_payload": error,
    }


def _round(attempt: AttemptState, done: RoundState, lines: int) -> Entry:
    fact = done.finished
    action = f"round {fact.round}: " + _changed(fact.paths, fact.paths_count)
    bad = [verdict for verdict in done.verdicts if verdict.outcome != "passed"]
    if bad:
        status: str = bad[0].outcome
    else:
        status = "passed" if done.verdicts else "not-judged"
    error: Entry = {}
    if fact.worker_outcome != "done":
        error["worker"] = fact.worker_outcome
        error["exit_code"] = fact.exit_code
        error["why"] = _short(fact.why)
    if fact.outside:
        error["outside_paths"] = [_short(path) for path in fact.outside[:PATHS_AT_MOST]]
    if fact.refusals:
        error["refused"] = [
            {"path": _short(refusal.path), "why": _short(refusal.why)}
            for refusal in fact.refusals[:PATHS_AT_MOST]
        ]
    if bad:
        error["gates"] = [_verdict(verdict, lines) for verdict in bad[:PATHS_AT_MOST]]
    return _entry(attempt, action, status, error or None)


def _end(state: RunState, landed: _Landed, attempt: AttemptState, lines: int) -> Entry | None:
    """What became of the attempt after its rounds."""
    back, finished = attempt.sent_back, attempt.finished
    if back is not None:
        error: Entry = {"cause": back.cause, "why": _short(back.why)}
        if back.paths:
            error["paths"] = [_short(path) for path in back.paths[:PATHS_AT_MOST]]
        red = _red(state, back.candidate)
        if red:
            error["gates"] = [_verdict(red, lines)]
        return _entry(attempt, "sent back", red.outcome if red else "not-judged", error)
    if finished is None:
        return None
    task = state.tasks[attempt.started.task]
    if task.landed_attempt == attempt.number:
        return _entry(attempt, "landed", _judged(state, landed, attempt), None)
    if attempt.taken_out:
        return _entry(attempt, "landed, taken out again", _judged(state, landed, attempt), None)
    match finished.outcome:
        case "green":
            who = "submitted by a person" if attempt.submitted else "queued"
            return _entry(attempt, who, "not-judged", None)
        case "unchanged":
            return _entry(attempt, "unchanged", "not-judged", None)
        case "held" | "failed" | "lost":
            error = {"cause": finished.cause, "why": _short(finished.why)}
            if finished.held_paths:
                error["paths"] = [_short(path) for path in finished.held_paths[:PATHS_AT_MOST]]
            if finished.findings:
                found = finished.findings[:PATHS_AT_MOST]
                error["findings"] = [_short(finding.said) for finding in found]
            status = {"check": "failed", "could-not-run": "could-not-run"}
            judged = status.get(finished.cause or "", "not-judged")
            return _entry(attempt, finished.outcome, judged, error)


def _judged(state: RunState, landed: _Landed, attempt: AttemptState) -> str:
    """Whether a gate passed what the attempt landed in, or none was asked."""
    candidate = landed.get((attempt.started.task, attempt.number))
    verdicts = [] if candidate is None else state.candidates[candidate].verdicts
    return "passed" if verdicts else "not-judged"


def _red(state: RunState, number: int | None) -> Verdict | None:
    candidate = state.candidates.get(number) if number is not None else None
    verdicts = candidate.verdicts if candidate else []
    return next((v for v in reversed(verdicts) if v.outcome != "passed"), None)


def _verdict(verdict: Verdict, lines: int) -> Entry:
    entry: Entry = {
        "gate": verdict.gate,
        "outcome": verdict.outcome,
        "exit_code": verdict.exit_code,
        "why": _short(verdict.why),
        "lines": [_short(line) for line in verdict.lines[:lines]],
    }
    if verdict.tests is not None:
        entry["tests"] = verdict.tests.model_dump()
    for key, names in (
        ("failed_tests", verdict.failed_tests),
        ("new_failures", verdict.new_failures),
    ):
        if names:
            entry[key] = [_short(name) for name in names[:lines]]
    return entry


def _changed(paths: tuple[str, ...], count: int) -> str:
    if not count:
        return "nothing was changed"
    shown = ", ".join(_short(path, 80) for path in paths[:5])
    more = f" and {count - 5} more" if count > 5 else ""
    return f"changed {shown}{more}"


def _short(text: str, limit: int = LINE_CHARS) -> str:
    # A name that is no UTF-8 comes as lone surrogates, which no JSON file can hold.
    text = text.encode("utf-8", "replace").decode("utf-8") if not text.isascii() else text
    return text if len(text) <= limit else text[: limit - 1] + "…"
