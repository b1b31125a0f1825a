"""How long a plan will take and what it will cost, before it runs. Pure.

1. What was never measured is not made up: where the time of a gate or a worker that the plan asks
   for is not known, nor is that of the run.
2. How often all gates run is a range: from every head passing at its first try to the rate of
   failures. Without times it also depends on who waits for whom: then it goes from heads that are
   judged together, as far as needs allow, to each that is judged alone.
3. A plan of at most `SIMULATED_AT_MOST` tasks is run a few times in virtual time, by the real
   policy; the middle one is the forecast, the shortest and the longest its span.
4. Attempts take what history says, more or less; first tries are red at the recorded rate,
   repairs half as often. Chance is a hash of the seed and the head: equal plans, equal
   forecasts.
5. A longer plan is reckoned: no run ends before its longest chain, nor before its work is done
   by all workers, nor before the gate runs that a search needs are over.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import ceil, log2

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
AT_ONCE_S, AT_LENGTH_S = 0.001, 1000.0
"""Attempts of whose time nothing is known, at both ends, beside a gate run of one second."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is to be expected of a plan; None is what cannot be known yet."""

    makespan_s: float | None
    low_s: float | None
    high_s: float | None
    full_gate_runs_low: int
    """Times that all gates judge a tree, the baseline's included, where all pass at first try."""
    full_gate_runs_high: int
    """The same at the rate of failures."""
    worker_s: float | None
    """Seconds of all workers together."""
    critical_path_s: float | None
    """The longest chain of attempts, each judged before the next begins."""
    gate_s: float | None
    """Seconds of one full gate run."""
    failure_rate: float
    heads_judged: int
    """How many heads the rate was learnt from; the fewer, the more of it is assumed."""
    unknown_gates: tuple[str, ...]
    unknown_workers: tuple[str, ...]
    """Whose time was never measured."""
    simulated: bool


@dataclass(frozen=True, slots=True)
class _Expected:
    """A forecast's numbers, where times are known."""

    makespan_s: float
    low_s: float
    high_s: float
    gate_runs: float
    worker_s: float


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
    gates, workers = unknown_gates(settings, estimates), unknown_workers(start)
    gate_s = None if gates else full_gate_s(settings, estimates)
    simulated = len(plan.tasks) <= SIMULATED_AT_MOST
    count = seeds or max(3, min(15, TASK_RUNS // len(plan.tasks)))
    expected, critical_path_s = None, None
    if gate_s is not None and not workers:
        rough, calm = start, _with(start, failure_rate=0.0)
        expected = _expected(rough, gate_s, count) if simulated else _reckoned(rough, gate_s)
        fewest = _expected(calm, gate_s, 1) if simulated else _reckoned(calm, gate_s)
        low, high = fewest.gate_runs, expected.gate_runs
        critical_path_s = _critical_path_s(start, gate_s)
    elif simulated:
        times = {"attempt_s_by_worker": {}, "failure_rate": 0.0, "attempt_s": AT_ONCE_S}
        low = _expected(_with(start, **times), 1.0, 1).gate_runs
        times |= {"failure_rate": estimates.failure_rate, "attempt_s": AT_LENGTH_S}
        high = _expected(_with(start, **times), 1.0, count).gate_runs
    else:
        rate = min(0.9, estimates.failure_rate)
        low = 1 + _depth(start)
        high = 1 + len(plan.tasks) * _tries_a_task(rate) * (1 + rate)
    return Forecast(
        makespan_s=expected.makespan_s if expected else None,
        low_s=expected.low_s if expected else None,
        high_s=expected.high_s if expected else None,
        full_gate_runs_low=ceil(low) if settings.gates else 0,
        full_gate_runs_high=ceil(max(low, high)) if settings.gates else 0,
        worker_s=expected.worker_s if expected else None,
        critical_path_s=critical_path_s,
        gate_s=gate_s,
        failure_rate=estimates.failure_rate,
        heads_judged=estimates.heads_judged,
        unknown_gates=gates,
        unknown_workers=workers,
        simulated=simulated,
    )


def full_gate_s(settings: Settings, estimates: Estimates) -> float:
    """Seconds that all gates which judge every tree take; what is not known counts nothing."""
    return sum(
        estimates.gate_s.get(gate.name, 0.0) for gate in settings.gates if gate.when == "always"
    )


def unknown_gates(settings: Settings, estimates: Estimates) -> tuple[str, ...]:
    """The gates that judge every tree and whose time was never measured."""
    always = (gate.name for gate in settings.gates if gate.when == "always")
    return tuple(name for name in always if name not in estimates.gate_s)


def unknown_workers(start: RunStarted) -> tuple[str, ...]:
    """The workers that the plan names and of whom no attempt was ever seen."""
    named = dict.fromkeys(_worker(start, task.worker) for task in start.plan.tasks)
    return tuple(name for name in named if name not in start.estimates.attempt_s_by_worker)


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


def _with(start: RunStarted, **estimates: object) -> RunStarted:
    """The same with other estimates."""
    other = start.estimates.model_copy(update=estimates)
    return start.model_copy(update={"estimates": other})


def _worker(start: RunStarted, worker: str | None) -> str:
    return worker or start.settings.worker or ""


def _attempt_s(start: RunStarted, worker: str | None) -> float:
    known = start.estimates
    return known.attempt_s_by_worker.get(_worker(start, worker), known.attempt_s)


def _depth(start: RunStarted) -> int:
    """How many tasks the longest chain of needs has."""
    even = _with(start, attempt_s=1.0, attempt_s_by_worker={})
    return round(max(longest_paths(even).values()))


def _tries_a_task(rate: float) -> float:
    return 1 + rate / (1 - rate / 2)


def _critical_path_s(start: RunStarted, gate_s: float) -> float:
    known = start.estimates
    judged = _with(
        start,
        attempt_s=known.attempt_s + gate_s,
        attempt_s_by_worker={w: s + gate_s for w, s in known.attempt_s_by_worker.items()},
    )
    return max(longest_paths(judged).values())


# --- simulated --------------------------------------------------------------------------------


def _expected(start: RunStarted, gate_s: float, count: int) -> _Expected:
    """By so many runs in virtual time."""
    index = PathIndex({task.id: task.paths for task in start.plan.tasks})
    guide = Guide(index.fence)
    tries = [_try(start, guide, gate_s, seed) for seed in range(count)]
    spans = sorted(tried.makespan_s for tried in tries)
    return _Expected(
        makespan_s=spans[count // 2],
        low_s=spans[0],
        high_s=spans[-1],
        gate_runs=sum(tried.gate_runs for tried in tries) / count,
        worker_s=sum(tried.worker_s for tried in tries) / count,
    )


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


def _reckoned(start: RunStarted, gate_s: float) -> _Expected:
    limits, rate = start.settings.limits, min(0.9, start.estimates.failure_rate)
    tasks, critical_path_s = len(start.plan.tasks), _critical_path_s(start, gate_s)
    tries = tasks * _tries_a_task(rate)
    worker_s = _tries_a_task(rate) * sum(_attempt_s(start, t.worker) for t in start.plan.tasks)
    searched = 1 + max(tries * search_runs(rate), _depth(start))
    working_s = worker_s / limits.parallel
    judging_s = searched * gate_s / limits.gates_parallel
    low_s = max(critical_path_s, working_s, judging_s)
    high_s = critical_path_s + max(working_s, judging_s)
    makespan_s = min(high_s, low_s + gate_s + worker_s / tries)
    # gates that would idle judge each head as it comes
    room = makespan_s * limits.gates_parallel / gate_s if gate_s else tries
    return _Expected(
        makespan_s=makespan_s,
        low_s=low_s,
        high_s=high_s,
        gate_runs=max(searched, min(1 + tries * (1 + rate), room)),
        worker_s=worker_s,
    )


def search_runs(rate: float) -> float:
    """Gate runs for each queued head: the search is near the entropy, each blame is confirmed."""
    if not 0.0 < rate < 1.0:
        return 0.0 if rate <= 0.0 else 2.0
    entropy = -rate * log2(rate) - (1 - rate) * log2(1 - rate)
    return min(1.0, 1.1 * entropy) + rate
