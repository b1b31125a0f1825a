"""What the ledger says of how long things take here, and how often they fail.

1. The newest facts of all runs count, and of their durations the middle one.
2. A gate's time is learnt from every verdict that it gave, in whatever run, for an accept, by
   `orch gate` or `orch init --try`. What has no verdict has no time: none is made up.
3. The rate of heads that fail begins as an assumption, which weighs as much as ten heads.
"""

from __future__ import annotations

import json

from ledger.events import Estimates, parse_event
from ledger.model import Settings, Tokens
from ledger.store import Store
from orchestrator.policy.spending import Done

HISTORY = 200
"""How many of the newest facts of a kind estimates are made from."""
VERDICTS = 50
CALLS = 5_000
"""The newest model calls that are looked at."""
ASSUMED_WEIGHT = 10
"""As many heads the assumed rate counts for."""


def estimate(store: Store, settings: Settings) -> Estimates:
    """Durations and the rate of failures; what was never measured is left out."""
    attempts, workers = _attempts(store)
    blamed, judged = _heads(store)
    assumed = Estimates()
    prior = assumed.failure_rate * ASSUMED_WEIGHT
    return Estimates(
        failure_rate=(prior + blamed) / (ASSUMED_WEIGHT + judged),
        heads_judged=judged,
        attempt_s=_middle(attempts) or assumed.attempt_s,
        attempt_s_by_worker={name: _middle(values) for name, values in workers.items()},
        gate_s=gate_seconds(store, settings),
    )


def gate_seconds(store: Store, settings: Settings) -> dict[str, float]:
    """The usual seconds of each gate that ever gave a verdict."""
    found: dict[str, float] = {}
    for gate in settings.gates:
        verdicts = store.recent_verdicts(gate.name, VERDICTS)
        seconds = [json.loads(verdict.body).get("duration_s", 0.0) for verdict in verdicts]
        if seconds:
            found[gate.name] = _middle(seconds)
    return found


def _attempts(store: Store) -> tuple[list[float], dict[str, list[float]]]:
    """Seconds of attempts that came to an end: of all, and by worker."""
    attempts: list[float] = []
    workers: dict[str, list[float]] = {}
    worker_of: dict[tuple[str, str, int], str] = {}
    for row in store.recent("AttemptStarted", HISTORY):
        started = parse_event(row.kind, row.version, row.body)
        if started.kind == "AttemptStarted":
            worker_of[row.run, started.task, started.attempt] = started.worker
    for row in store.recent("AttemptFinished", HISTORY):
        finished = parse_event(row.kind, row.version, row.body)
        if finished.kind == "AttemptFinished" and finished.outcome != "lost":
            attempts.append(finished.duration_s)
            worker = worker_of.get((row.run, finished.task, finished.attempt))
            if worker:
                workers.setdefault(worker, []).append(finished.duration_s)
    return attempts, workers


def done_by_worker(store: Store) -> dict[str, list[Done]]:
    """What the model calls for tasks that came to an end were, by the worker of the task.

    Calls of a checker count with the task that they were made for, but it is none of its models.
    """
    finished: dict[tuple[str, str], None] = {}
    worker_of: dict[tuple[str, str], str] = {}
    for row in store.recent("AttemptStarted", HISTORY):
        started = parse_event(row.kind, row.version, row.body)
        if started.kind == "AttemptStarted":
            worker_of.setdefault((row.run, started.task), started.worker)
    for row in store.recent("AttemptFinished", HISTORY):
        ended = parse_event(row.kind, row.version, row.body)
        if ended.kind == "AttemptFinished" and ended.outcome in ("green", "unchanged", "held"):
            finished[row.run, ended.task] = None
    task_of: dict[tuple[str, int], tuple[str, str]] = {}
    models: dict[tuple[str, str], set[str]] = {}
    for row in store.recent("CallReserved", CALLS):
        call = parse_event(row.kind, row.version, row.body)
        if call.kind == "CallReserved":
            task = task_of[row.run, call.call] = (row.run, call.task)
            # A checker's calls were once told from others by who called alone.
            if call.purpose == "work" and call.worker == worker_of.get(task):
                models.setdefault(task, set()).add(f"{call.provider}:{call.model}")
    sums: dict[tuple[str, str], Done] = {}
    for row in store.recent("CallSettled", CALLS):
        settled = parse_event(row.kind, row.version, row.body)
        if settled.kind != "CallSettled" or settled.tokens is None:
            continue
        of = task_of.get((row.run, settled.call))
        if of is not None:
            before = sums.get(of, Done(Tokens(), 0.0))
            known = before.cost_usd is not None and settled.cost_usd is not None
            cost = (before.cost_usd or 0.0) + (settled.cost_usd or 0.0) if known else None
            by = frozenset(models.get(of, ()))
            sums[of] = Done(before.tokens + settled.tokens, cost, by)
    found: dict[str, list[Done]] = {}
    for task, done in sums.items():
        if task in finished and task in worker_of:
            found.setdefault(worker_of[task], []).append(done)
    return found


def _heads(store: Store) -> tuple[int, int]:
    """How many heads were blamed, and how many were blamed or landed."""
    heads: dict[tuple[str, int], int] = {}
    for row in store.recent("CandidateBuilt", HISTORY):
        built = parse_event(row.kind, row.version, row.body)
        if built.kind == "CandidateBuilt":
            heads[row.run, built.candidate] = len(built.heads)
    landings = store.recent("Landed", HISTORY)
    landed = 0
    for row in landings:
        fact = parse_event(row.kind, row.version, row.body)
        landed += heads.get((row.run, fact.candidate), 0) if fact.kind == "Landed" else 0
    # Both sides over the same time: the older end of what was read of either.
    since = landings[-1].at if len(landings) == HISTORY else 0.0
    back = (row for row in store.recent("HeadSentBack", HISTORY) if row.at >= since)
    blamed = sum(1 for row in back if '"red"' in row.body)
    return blamed, landed + blamed


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2] if values else 0.0
