"""How many full gate runs a landed task costs, by the real policy in virtual time."""

from __future__ import annotations

import random
import statistics
from dataclasses import dataclass, field
from math import log2

from benchmarks.rows import Row, print_table
from ledger.events import Estimates, HeadRef, RunStarted
from ledger.model import Identity, Limits, Outcome, Plan, Settings, Task, TaskId
from orchestrator.policy.readiness import Guide
from orchestrator.policy.simulate import AttemptOutcome, Heads, Simulation, simulate

BRANCHES = 100
SEEDS = 30
JOB_SEEDS = 200
NOBODY = Guide(neighbours=lambda task: frozenset())


def start(tasks: int, failure_rate: float, limits: Limits) -> RunStarted:
    """A run of independent tasks."""
    return RunStarted(
        run="bench",
        plan=Plan(goal="g", tasks=tuple(Task(id=f"t{n}", prompt="p") for n in range(tasks))),
        settings=Settings(limits=limits),
        base="base",
        base_tree="base-tree",
        identity=Identity(name="", email=""),
        estimates=Estimates(failure_rate=failure_rate),
    )


# --- a hundred branches -----------------------------------------------------------------------


@dataclass
class Branches:
    """All branches are there at once; the bad ones are red wherever they are."""

    bad: frozenset[HeadRef]

    def attempt(self, task: TaskId, attempt: int, base: Heads) -> tuple[float, AttemptOutcome]:
        """It is there."""
        return 0.0, "green"

    def judge(self, heads: Heads) -> tuple[float, Outcome]:
        """Red with a bad branch in it."""
        return 1.0, "failed" if heads & self.bad else "passed"

    def merges(self, tip: Heads, head: HeadRef) -> bool:
        """No textual conflicts."""
        return True


@dataclass(frozen=True)
class Search:
    """What landing a hundred branches took."""

    searching: float
    """Gate runs for each landed branch, the confirming ones left out."""
    confirming: float
    lost: int
    """Good branches that did not land."""


def land_branches(rate: float, prior: float, seed: int) -> Search:
    """One queue of branches, each bad with that probability."""
    rng = random.Random(seed)
    bad = frozenset(
        HeadRef(task=f"t{n}", attempt=1) for n in range(BRANCHES) if rng.random() < rate
    )
    limits = Limits(parallel=BRANCHES, gates_parallel=1, attempts=1)
    done = simulate(start(BRANCHES, prior, limits), Branches(bad), NOBODY)
    landed = len(done.state.with_status("landed"))
    search = done.judgings - 1 - done.confirmations  # the baseline's is one
    return Search(
        search / max(landed, 1), done.confirmations / max(landed, 1), BRANCHES - len(bad) - landed
    )


def land_one_by_one(rate: float, seed: int) -> float:
    """Gate runs for each landed branch when each is judged alone on the tip."""
    rng = random.Random(seed)
    good = sum(rng.random() >= rate for _ in range(BRANCHES))
    return BRANCHES / max(good, 1)


def branch_rows(rate: float, target: float) -> list[Row]:
    """Against the entropy bound; with the rate known from history, then with the default."""
    bits = -rate * log2(rate) - (1 - rate) * log2(1 - rate)
    floor = bits / (1 - rate)
    found = []
    for prior, what in ((rate, "known rate"), (0.1, "default rate")):
        if prior == rate and what == "default rate":
            continue
        runs = [land_branches(rate, prior, seed) for seed in range(SEEDS)]
        searching = statistics.mean(run.searching for run in runs)
        confirming = statistics.mean(run.confirming for run in runs)
        lost = sum(run.lost for run in runs)
        found.append(
            Row(
                f"gate runs a landed branch, 100 branches, p={rate:.0%}, {what}",
                f"{searching:.2f} (+{confirming:.2f} confirming, {lost} good lost)",
                f"{floor:.2f} (entropy)",
                searching,
                target,
                searching <= target and lost == 0,
            )
        )
    return found


def half_row() -> Row:
    """Where every second branch is bad, against one by one on the same branches."""
    runs = [land_branches(0.5, 0.5, seed) for seed in range(SEEDS)]
    ours = statistics.mean(run.searching for run in runs)
    serial = statistics.mean(land_one_by_one(0.5, seed) for seed in range(SEEDS))
    confirming = statistics.mean(run.confirming for run in runs)
    lost = sum(run.lost for run in runs)
    return Row(
        "gate runs a landed branch, 100 branches, p=50%",
        f"{ours:.2f} (+{confirming:.2f} confirming, {lost} good lost)",
        f"{serial:.2f} (one by one)",
        ours / serial,
        1.01,  # no worse, but for what a rate that is still being learned may cost
        ours <= serial * 1.01 and lost == 0,
    )


# --- a real day's job -------------------------------------------------------------------------

MINUTE_S = 60.0


@dataclass
class Job:
    """Attempts of 3 to 10 minutes, a 2-minute check in each round that finds 90 % of what is
    bad, a 9-minute suite; repairs are bad half as often as first tries."""

    rate: float
    rng: random.Random
    checked: bool = True
    rounds: int = 3
    bad: set[HeadRef] = field(default_factory=set)

    def attempt(self, task: TaskId, attempt: int, base: Heads) -> tuple[float, AttemptOutcome]:
        """Rounds until the check finds nothing."""
        seconds = 0.0
        for number in range(self.rounds):
            first = attempt == 1 and number == 0
            seconds += self.rng.uniform(3, 10) * MINUTE_S
            bad = self.rng.random() < (self.rate if first else self.rate / 2)
            if self.checked:
                seconds += 2 * MINUTE_S
                if bad and self.rng.random() < 0.9:
                    continue
            if bad:
                self.bad.add(HeadRef(task=task, attempt=attempt))
            return seconds, "green"
        return seconds, "failed"

    def judge(self, heads: Heads) -> tuple[float, Outcome]:
        """Red with a bad head in it."""
        return 9 * MINUTE_S, "failed" if heads & self.bad else "passed"

    def merges(self, tip: Heads, head: HeadRef) -> bool:
        """No textual conflicts."""
        return True


def run_job(seed: int, *, checked: bool) -> Simulation:
    """Twelve independent tasks, four workers, one slot."""
    limits = Limits(parallel=4, gates_parallel=1, attempts=5)
    job = Job(0.3, random.Random(seed), checked)
    return simulate(start(12, 0.1, limits), job, NOBODY)


def job_row() -> Row:
    """All full runs, the baseline's and the confirming ones too, for each landed task."""
    ours = [run_job(seed, checked=True) for seed in range(JOB_SEEDS)]
    bare = [run_job(seed, checked=False) for seed in range(JOB_SEEDS)]
    per_task = _runs_a_task(ours)
    minutes = statistics.mean(job.makespan_s for job in ours) / MINUTE_S
    bare_minutes = statistics.mean(job.makespan_s for job in bare) / MINUTE_S
    confirming = statistics.mean(job.confirmations for job in ours) / 12
    return Row(
        "full gate runs a landed task: 12 tasks, 9-minute suite, p=30%",
        f"{per_task:.2f} ({confirming:.2f} of it confirming, 0.08 baseline; {minutes:.0f} min)",
        f"{_runs_a_task(bare):.2f} ({bare_minutes:.0f} min, no quick check)",
        per_task,
        0.75,
        per_task <= 0.75,
    )


def _runs_a_task(jobs: list[Simulation]) -> float:
    landed = sum(len(job.state.with_status("landed")) for job in jobs)
    return sum(job.judgings for job in jobs) / landed


def rows() -> list[Row]:
    """The figures of the queue."""
    return [
        *branch_rows(0.02, 0.18),
        *branch_rows(0.05, 0.38),
        *branch_rows(0.10, 0.62),
        half_row(),
        job_row(),
    ]


if __name__ == "__main__":
    print_table(rows())
