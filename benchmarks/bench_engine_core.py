"""What the core costs the engine: time to decide and to fold, an event; memory of a state."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from benchmarks.rows import Row, print_table
from ledger.events import HeadRef, RunStarted
from ledger.model import Identity, Limits, Outcome, Plan, Settings, Task, TaskId
from orchestrator.policy import simulate as simulation_module
from orchestrator.policy.paths import PathIndex
from orchestrator.policy.readiness import Guide
from orchestrator.policy.simulate import AttemptOutcome, Happening, Heads, Simulation, simulate

P = ParamSpec("P")
T = TypeVar("T")
TASKS = 10_000


@dataclass
class Day:
    """Some first tries are red, some attempts fail, gates take their time."""

    rng: random.Random
    gate_s: float
    red: frozenset[HeadRef]

    def attempt(self, task: TaskId, attempt: int, base: Heads) -> tuple[float, AttemptOutcome]:
        """Ten seconds, more or less."""
        failed = self.rng.random() < 0.1
        return self.rng.uniform(5, 15), "failed" if failed else "green"

    def judge(self, heads: Heads) -> tuple[float, Outcome]:
        """Red with a red head in it."""
        return self.gate_s, "passed" if self.red.isdisjoint(heads) else "failed"

    def merges(self, tip: Heads, head: HeadRef) -> bool:
        """No textual conflicts."""
        return True


def plan_of(tasks: int, shape: str) -> Plan:
    """`layers`: a wide DAG on paths of its own each; `one-folder`: all touch the same paths."""
    width = max(1, tasks // 20)
    return Plan(
        goal="bench",
        tasks=tuple(
            Task(
                id=f"t{n}",
                prompt=f"Modernise module {n}.",
                needs=(f"t{n - width}",) if shape == "layers" and n >= width else (),
                paths=("src/**",) if shape == "one-folder" else (f"src/m{n}/**",),
            )
            for n in range(tasks)
        ),
    )


def day(tasks: int, shape: str, gate_s: float, facts_at_most: int = 10**9) -> Simulation:
    """A run of that plan, to its end or until so many facts."""
    rng = random.Random(1)
    plan = plan_of(tasks, shape)
    red = frozenset(HeadRef(task=t.id, attempt=1) for t in plan.tasks if rng.random() < 0.05)
    start = RunStarted(
        run="bench",
        plan=plan,
        settings=Settings(limits=Limits(parallel=16, gates_parallel=2)),
        base="base",
        base_tree="base-tree",
        identity=Identity(name="", email=""),
    )
    index = PathIndex({task.id: task.paths for task in plan.tasks})
    kept: list[Simulation] = []

    def keep(simulation: Simulation) -> Happening:
        if not kept:
            kept.append(simulation)
        return "nothing"

    try:
        return simulate(
            start,
            Day(rng, gate_s, red),
            Guide(index.fence),
            keep,
            facts_at_most,
        )
    except RuntimeError:
        return kept[0]


@dataclass
class Clock:
    """Seconds and calls of a function."""

    seconds: float = 0.0
    calls: int = 0

    def timed(self, function: Callable[P, T]) -> Callable[P, T]:
        """The same function, measured."""

        def measured(*args: P.args, **keywords: P.kwargs) -> T:
            began = time.perf_counter()
            try:
                return function(*args, **keywords)
            finally:
                self.seconds += time.perf_counter() - began
                self.calls += 1

        return measured


@contextmanager
def measured_core() -> Any:
    """Measures `decide` and `evolve` alone, inside whatever is simulated meanwhile."""
    deciding, folding = Clock(), Clock()
    names = vars(simulation_module)
    real = {name: names[name] for name in ("decide", "evolve")}
    names["decide"] = deciding.timed(real["decide"])
    names["evolve"] = folding.timed(real["evolve"])
    try:
        yield deciding, folding
    finally:
        names.update(real)


def deciding_row(name: str, shape: str, gate_s: float, facts_at_most: int = 10**9) -> Row:
    """Milliseconds an event, against one millisecond."""
    with measured_core() as (deciding, folding):
        done = day(TASKS, shape, gate_s, facts_at_most)
    events = len(done.facts)
    cost_ms = (deciding.seconds + folding.seconds) / events * 1e3
    return Row(
        f"decide + evolve an event, {TASKS:,} tasks, {name}",
        f"{cost_ms:.3f} ms ({deciding.seconds / events * 1e3:.3f} + "
        f"{folding.seconds / events * 1e3:.3f}; {events:,} events)",
        "1 ms",
        cost_ms,
        1.0,
        cost_ms <= 1.0,
    )


# --- memory -----------------------------------------------------------------------------------

CHILD = """
import sys
import psutil
{imports}
bare = psutil.Process().memory_info().rss
from benchmarks.bench_engine_core import day
done = day(1000, "layers", 20.0)
facts = len(done.facts)
state = done.state
done.facts.clear()
done.trees.clear()
print(bare, psutil.Process().memory_info().rss, facts, len(state.tasks))
"""
ENGINE = "import orchestrator.engine\nimport orchestrator.cli.main\nimport git"


def memory_row() -> Row:
    """A fresh process that imports what an engine does and holds a finished 1,000-task state."""
    program = CHILD.format(imports=ENGINE)
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=300
    )
    bare, full, facts, _ = (int(word) for word in answer.stdout.split())
    megabytes = full / 1e6
    return Row(
        "memory of the engine with a finished 1,000-task run",
        f"{megabytes:.0f} MB ({facts:,} facts)",
        f"{bare / 1e6:.0f} MB (its imports)",
        megabytes,
        150.0,
        megabytes <= 150.0,
    )


def rows() -> list[Row]:
    """The figures of the core."""
    return [
        deciding_row("layers, quick gates", "layers", 1.0, 30_000),
        deciding_row("layers, slow gates (long queue)", "layers", 300.0, 30_000),
        deciding_row("all on the same paths", "one-folder", 1.0, 8_000),
        memory_row(),
    ]


if __name__ == "__main__":
    print_table(rows())
