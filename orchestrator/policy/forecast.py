"""How long a plan will take and what it will cost, before it runs. Pure.

1. A plan of at most `SIMULATED_AT_MOST` tasks is run a few times in virtual time, by the real
   policy; the middle one is the forecast, the shortest and the longest its span.
2. Attempts take what history says, more or less; first tries are red at the recorded rate,
   repairs half as often. Chance is a hash of the seed and the head: equal plans, equal
   forecasts.
3. A longer plan is reckoned: no run ends before its longest chain, nor before its work is done
   by all workers, nor before the gate runs that a search needs are over.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import log2

from ledger.events import Estimates, HeadRef, RunStarted
from ledger.model import Identity, Outcome, Plan, Settings, TaskId
from ledger.state import longest_paths
from orchestrator.policy.paths import PathIndex
from orchestrator.policy.readiness import Guide
from orchestrator.policy.simulate import AttemptOutcome, Heads, simulate

SIMULATED_AT_MOST = 200
TASK_RUNS = 150
"""Tasks simulated altogether: small plans are run more often than large ones."""
SPREAD = 0.4
"""Attempts take up to this share more or less than the estimate."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is to be expected of a plan."""

    makespan_s: float
    low_s: float
    high_s: float
    full_gate_runs: float
    """Times that all gates judge a tree, the baseline's included."""
    worker_s: float
    """Seconds of all workers together."""
    critical_path_s: float
    """The longest chain of attempts, each judged before the next begins."""
    gate_s: float
    """Seconds of one full gate run."""
    simulated: bool


@dataclass(frozen=True, slots=True)
class _Try:
    makespan_s: float
    gate_runs: int
    worker_s: float


def forecast(
    plan: Plan, settings: Settings, estimates: Estimates, seeds: int | None = None
) -> Forecast:
    """What is to be expected of a plan, by what the ledger's history says."""
    start = _start(plan, settings, estimates)
    gate_s = full_gate_s(settings, estimates)
    critical_path_s = _critical_path_s(start, gate_s)
    if len(plan.tasks) > SIMULATED_AT_MOST:
        return _reckoned(start, gate_s, critical_path_s)
    count = seeds or max(3, min(15, TASK_RUNS // len(plan.tasks)))
    index = PathIndex({task.id: task.paths for task in plan.tasks})
    guide = Guide(index.fence)
    tries = [_try(start, guide, gate_s, seed) for seed in range(count)]
    spans = sorted(tried.makespan_s for tried in tries)
    return Forecast(
        makespan_s=spans[count // 2],
        low_s=spans[0],
        high_s=spans[-1],
        full_gate_runs=sum(tried.gate_runs for tried in tries) / count,
        worker_s=sum(tried.worker_s for tried in tries) / count,
        critical_path_s=critical_path_s,
        gate_s=gate_s,
        simulated=True,
    )


def full_gate_s(settings: Settings, estimates: Estimates) -> float:
    """Seconds that all gates which judge every tree take; what is not known counts nothing."""
    return sum(
        estimates.gate_s.get(gate.name, 0.0) for gate in settings.gates if gate.when == "always"
    )


def _start(plan: Plan, settings: Settings, estimates: Estimates) -> RunStarted:
    return RunStarted(
        run="forecast",
        plan=plan,
        # neither a deadline nor a full disk belongs to what the plan needs
        settings=settings.model_copy(
            update={"limits": settings.limits.model_copy(update={"deadline": None})}
        ),
        base="base",
        base_tree="base-tree",
        identity=Identity(name="", email=""),
        estimates=estimates,
    )


def _attempt_s(start: RunStarted, worker: str | None) -> float:
    name = worker or start.settings.worker or ""
    return start.estimates.attempt_s_by_worker.get(name, start.estimates.attempt_s)


def _critical_path_s(start: RunStarted, gate_s: float) -> float:
    known = start.estimates
    judged = Estimates(
        attempt_s=known.attempt_s + gate_s,
        attempt_s_by_worker={w: s + gate_s for w, s in known.attempt_s_by_worker.items()},
    )
    return max(longest_paths(start.model_copy(update={"estimates": judged})).values())


# --- simulated --------------------------------------------------------------------------------


def _try(start: RunStarted, guide: Guide, gate_s: float, seed: int) -> _Try:
    world = _World(start, gate_s, seed)
    simulation = simulate(start, world, guide)
    return _Try(simulation.makespan_s, simulation.judgings, world.worker_s)


class _World:
    """What would happen, by the numbers of history and a seed."""

    def __init__(self, start: RunStarted, gate_s: float, seed: int) -> None:
        self.gate_s, self.seed = gate_s, seed
        self.rate = start.estimates.failure_rate
        self.seconds = {task.id: _attempt_s(start, task.worker) for task in start.plan.tasks}
        self.worker_s = 0.0
        self.bad: dict[HeadRef, bool] = {}

    def attempt(self, task: TaskId, attempt: int, base: Heads) -> tuple[float, AttemptOutcome]:
        head = HeadRef(task=task, attempt=attempt)
        rate = self.rate if attempt == 1 else self.rate / 2
        self.bad[head] = _chance(self.seed, "bad", task, attempt) < rate
        spread = 1 + SPREAD * (2 * _chance(self.seed, "long", task, attempt) - 1)
        seconds = self.seconds[task] * spread
        self.worker_s += seconds
        return seconds, "green"

    def judge(self, heads: Heads) -> tuple[float, Outcome]:
        return self.gate_s, "failed" if any(self.bad[head] for head in heads) else "passed"

    def merges(self, tip: Heads, head: HeadRef) -> bool:
        return True


def _chance(*what: object) -> float:
    """A number from 0 to 1, equal for equal words."""
    text = " ".join(map(str, what))
    number = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
    return number / 2**64


# --- reckoned ---------------------------------------------------------------------------------


def _reckoned(start: RunStarted, gate_s: float, critical_path_s: float) -> Forecast:
    limits, rate = start.settings.limits, min(0.9, start.estimates.failure_rate)
    tasks = len(start.plan.tasks)
    tries_a_task = 1 + rate / (1 - rate / 2)
    worker_s = tries_a_task * sum(_attempt_s(start, task.worker) for task in start.plan.tasks)
    tries = tasks * tries_a_task
    searched = 1 + tries * search_runs(rate)
    working_s = worker_s / limits.parallel
    judging_s = searched * gate_s / limits.gates_parallel
    low_s = max(critical_path_s, working_s, judging_s)
    high_s = critical_path_s + max(working_s, judging_s)
    makespan_s = min(high_s, low_s + gate_s + worker_s / tries)
    # gates that would idle judge each head as it comes
    room = makespan_s * limits.gates_parallel / gate_s if gate_s else tries
    return Forecast(
        makespan_s=makespan_s,
        low_s=low_s,
        high_s=high_s,
        full_gate_runs=max(searched, min(1 + tries * (1 + rate), room)),
        worker_s=worker_s,
        critical_path_s=critical_path_s,
        gate_s=gate_s,
        simulated=False,
    )


def search_runs(rate: float) -> float:
    """Gate runs for each queued head: the search is near the entropy, each blame is confirmed."""
    if not 0.0 < rate < 1.0:
        return 0.0 if rate <= 0.0 else 2.0
    entropy = -rate * log2(rate) - (1 - rate) * log2(1 - rate)
    return min(1.0, 1.1 * entropy) + rate
