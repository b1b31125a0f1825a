"""Small builders: plans, started runs, facts in a row, and worlds for `simulate`."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger import events as e
from ledger.events import HeadRef
from ledger.model import (
    CommandWorker,
    Gate,
    Identity,
    Limits,
    ModelWorkerSettings,
    Outcome,
    Plan,
    Settings,
    Task,
    TaskId,
    Tokens,
    Verdict,
)
from ledger.state import RunState, begin, evolve
from orchestrator.policy.now import Now
from orchestrator.policy.paths import PathIndex
from orchestrator.policy.readiness import Guide
from orchestrator.policy.simulate import AttemptOutcome, Heads

Needs = Mapping[str, Sequence[str]] | int
"""What each task needs; a number: that many independent tasks `t1`, `t2` ..."""

BASE = "base"
NOW = Now(at=1000.0)


def task_ids(count: int) -> tuple[str, ...]:
    """The ids of `count` tasks."""
    return tuple(f"t{number}" for number in range(1, count + 1))


def plan_of(needs: Needs, paths: Mapping[str, Sequence[str]] | None = None) -> Plan:
    """A plan of these tasks, with the paths that each may change."""
    wanted = dict.fromkeys(task_ids(needs), ()) if isinstance(needs, int) else needs
    return Plan(
        goal="a goal",
        tasks=tuple(
            Task(
                id=task_id,
                prompt=f"do {task_id}",
                needs=tuple(own),
                paths=tuple((paths or {}).get(task_id, ())),
            )
            for task_id, own in wanted.items()
        ),
    )


def started(
    needs: Needs = 3,
    *,
    paths: Mapping[str, Sequence[str]] | None = None,
    failure_rate: float = 0.1,
    attempt_s: float = 60.0,
    allow_red_base: bool = False,
    unattended: bool = False,
    models: tuple[str, ...] = (),
    **limits: Any,
) -> e.RunStarted:
    """The first fact of a run of these tasks; keywords are limits.

    `models`: the ladder of its worker, which is no command then.
    """
    command = CommandWorker(kind="command", command="true")
    model = ModelWorkerSettings(kind="model", models=models) if models else None
    return e.RunStarted(
        run="20261122-goal-a1",
        plan=plan_of(needs, paths),
        settings=Settings(
            limits=Limits(**limits),
            worker="coder",
            gates=(Gate(name="unit", command="true"),),
            workers={"coder": model or command},
        ),
        base=BASE,
        base_tree="base-tree",
        identity=Identity(name="A Person", email="person@example.org"),
        estimates=e.Estimates(failure_rate=failure_rate, attempt_s=attempt_s),
        allow_red_base=allow_red_base,
        unattended=unattended,
    )


def guide_for(start: e.RunStarted) -> Guide:
    """The real fence of a plan."""
    index = PathIndex({task.id: task.paths for task in start.plan.tasks})
    return Guide(neighbours=index.neighbours)


FREE = Guide(neighbours=lambda task: frozenset())
"""Nobody is fenced from anybody."""


def verdict(outcome: Outcome = "passed", tree: str = "base-tree", gate: str = "unit") -> Verdict:
    """What a gate said."""
    return Verdict(gate=gate, tree=tree, key=f"{gate}:{tree}", outcome=outcome)


def head(task: TaskId, attempt: int = 1) -> HeadRef:
    """A head by its task and attempt."""
    return HeadRef(task=task, attempt=attempt)


@dataclass
class Story:
    """A run told fact by fact, in the words of what happens."""

    state: RunState
    facts: list[tuple[e.Event, float]] = field(default_factory=list)

    @classmethod
    def of(cls, needs: Needs = 3, **keywords: Any) -> Story:
        """A run that only has started."""
        first = started(needs, **keywords)
        return cls(begin(first, 0.0), [(first, 0.0)])

    def tell(self, *facts: e.Event) -> Story:
        """Fold facts, one a second."""
        for fact in facts:
            at = float(len(self.facts))
            evolve(self.state, fact, at)
            self.facts.append((fact, at))
        return self

    def baseline(self, outcome: Outcome = "passed") -> Story:
        """Every gate judges the base."""
        return self.tell(
            e.BaselineStarted(),
            e.BaselineGateJudged(verdict=verdict(outcome)),
            e.BaselineFinished(),
        )

    def starts(self, *tasks: TaskId) -> Story:
        """A worker takes each of the tasks."""
        for task in tasks:
            number = len(self.state.tasks[task].attempts) + 1
            self.tell(
                e.AttemptStarted(task=task, attempt=number, base=self.state.tip, worker="coder")
            )
        return self

    def ends(self, task: TaskId, outcome: str = "green", **keywords: Any) -> Story:
        """The attempt under way at the task ends."""
        number = len(self.state.tasks[task].attempts)
        if outcome in ("green", "held"):
            keywords.setdefault("head", f"h-{task}-{number}")
            keywords.setdefault("tree", f"t-{task}-{number}")
        if outcome == "lost":
            keywords.setdefault("trouble", True)
        return self.tell(
            e.AttemptFinished.model_validate(
                {"task": task, "attempt": number, "outcome": outcome, **keywords}
            )
        )

    def calls(
        self,
        task: TaskId,
        came_to: Tokens | None = None,
        cost_usd: float | None = 0.01,
        *,
        worker: str = "coder",
        model: str = "small",
        worst: int = 1000,
        worst_usd: float | None = 0.05,
        settled: bool = True,
    ) -> Story:
        """A model is called in the attempt under way at the task, and answers."""
        number = self.state.calls + 1
        self.tell(
            e.CallReserved(
                call=number,
                task=task,
                attempt=len(self.state.tasks[task].attempts),
                worker=worker,
                provider="acme",
                model=model,
                tokens=worst,
                cost_usd=worst_usd,
            )
        )
        if settled:
            self.tell(e.CallSettled(call=number, tokens=came_to, cost_usd=cost_usd))
        return self

    def queues(self, *tasks: TaskId) -> Story:
        """Each of the tasks is started and ends green."""
        for task in tasks:
            self.starts(task).ends(task)
        return self

    def builds(self, length: int, tree: str | None = None) -> int:
        """The first `length` heads of the queue become a candidate; its number."""
        heads = tuple(self.state.queue[:length])
        return self._built(tree or f"{self.state.tip_tree}+{length}", heads=heads)

    def builds_without(self, *tasks: TaskId) -> int:
        """Landed tasks are taken out of the tip; the candidate's number."""
        return self._built(f"{self.state.tip_tree}-{'-'.join(tasks)}", removes=tasks)

    def _built(self, tree: str, **keywords: Any) -> int:
        number = len(self.state.candidates) + 1
        self.tell(
            e.CandidateBuilt(
                candidate=number,
                base=self.state.tip,
                commit=f"c{number}",
                tree=tree,
                **keywords,
            )
        )
        return number

    def judges(
        self, candidate: int, outcome: Outcome = "passed", *, confirms: bool = False
    ) -> Story:
        """All gates judge the candidate."""
        tree = self.state.candidates[candidate].built.tree
        return self.tell(
            e.JudgingStarted(candidate=candidate, confirms=confirms),
            e.CandidateGateJudged(candidate=candidate, verdict=verdict(outcome, tree)),
            e.CandidateJudged(
                candidate=candidate,
                outcome=outcome,
                gate=None if outcome == "passed" else "unit",
            ),
        )

    def lands(self, candidate: int) -> Story:
        """The tip moves to the candidate."""
        return self.tell(e.LandingIntended(candidate=candidate), e.Landed(candidate=candidate))

    def lands_at_once(self, *tasks: TaskId) -> Story:
        """Each of the tasks is queued, judged green and landed, one by one."""
        for task in tasks:
            self.queues(task)
            number = self.builds(1, f"{self.state.tip_tree}+{task}")
            self.judges(number).lands(number)
        return self

    def statuses(self) -> dict[str, str]:
        """Each task's status."""
        return {task_id: task.status for task_id, task in self.state.tasks.items()}


# --- worlds -----------------------------------------------------------------------------------


@dataclass
class CalmWorld:
    """Every attempt is green, every tree passes, except what is named."""

    attempt_s: float | Callable[[TaskId, int], float] = 10.0
    gate_s: float = 1.0
    bad: Collection[HeadRef] = ()
    """Heads that are red wherever they are."""
    together: Collection[frozenset[TaskId]] = ()
    """Tasks that are red together, unless one was tried again knowing the other."""

    def attempt(self, task: TaskId, attempt: int, base: Heads) -> tuple[float, AttemptOutcome]:
        """Green, after its time."""
        seconds = self.attempt_s if isinstance(self.attempt_s, float) else 0.0
        if callable(self.attempt_s):
            seconds = self.attempt_s(task, attempt)
        return seconds, "green"

    def judge(self, heads: Heads) -> tuple[float, Outcome]:
        """Red where a bad head is in, or first tries that do not go together."""
        if any(ref in heads for ref in self.bad):
            return self.gate_s, "failed"
        first = {ref.task for ref in heads if ref.attempt == 1}
        red = any(pair <= first for pair in self.together)
        return self.gate_s, "failed" if red else "passed"

    def merges(self, tip: Heads, head: HeadRef) -> bool:
        """Everything merges."""
        return True


def random_needs(rng: random.Random, count: int) -> dict[str, list[str]]:
    """A random DAG of so many tasks, listed in random order."""
    ids = list(task_ids(count))
    density = rng.choice((0.0, 0.1, 0.3))
    needs = {
        task_id: [other for other in ids[:place] if rng.random() < density]
        for place, task_id in enumerate(ids)
    }
    rng.shuffle(ids)
    return {task_id: needs[task_id] for task_id in ids}
