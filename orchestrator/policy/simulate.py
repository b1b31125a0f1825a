"""A run in virtual time: the real `decide` and `evolve` against a world made of numbers.

It serves forecasts (`orch plan`), the benchmarks of the queue, and the seeded walks of the
tests, which crash it and push to its tip. Pure: what happens comes from the `World`.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from ledger import events as e
from ledger.events import HeadRef
from ledger.model import Outcome, TaskId, Verdict
from ledger.state import RunState, begin, evolve
from orchestrator.policy.decide import Now, decide
from orchestrator.policy.orders import (
    BuildCandidate,
    EndAll,
    EndJudging,
    JudgeCandidate,
    LandCandidate,
    Order,
    Record,
    RunBaseline,
    StartAttempt,
)
from orchestrator.policy.readiness import Guide

Heads = frozenset[HeadRef]
"""A tree, in a simulation: what it is made of."""


class World(Protocol):
    """What would happen."""

    def attempt(
        self, task: TaskId, attempt: int
    ) -> tuple[float, Literal["green", "unchanged", "failed", "held", "lost"]]:
        """Seconds and outcome of one attempt, its check gates included."""

    def judge(self, heads: Heads) -> tuple[float, Outcome]:
        """Seconds and outcome of all gates on a tree."""

    def merges(self, tip: Heads, head: HeadRef) -> bool:
        """Whether a head merges with that tree."""


@dataclass(slots=True)
class Simulation:
    """What came of it."""

    state: RunState
    facts: list[tuple[e.Event, float]] = field(default_factory=list)
    judgings: int = 0
    """Full gate runs, the baseline's and the confirming ones included."""
    confirmations: int = 0
    makespan_s: float = 0.0
    crashes: int = 0


Interruption = Callable[[int], Literal["nothing", "crash", "push"]]
"""Asked after each fact, by its number, what else happens."""


def simulate(
    started: e.RunStarted,
    world: World,
    guide: Guide,
    interruption: Interruption = lambda seq: "nothing",
    facts_at_most: int = 1_000_000,
) -> Simulation:
    """Drive a run to its end; RuntimeError when it stalls or does not end."""
    return _Engine(started, world, guide, interruption).drive(facts_at_most)


class _Engine:
    def __init__(
        self, started: e.RunStarted, world: World, guide: Guide, interruption: Interruption
    ) -> None:
        self.world, self.guide, self.interruption = world, guide, interruption
        self.clock = 0.0
        self.order = 0
        self.pending: list[tuple[float, int, int, Callable[[], None]]] = []
        self.epoch = 0
        self.trees: dict[str, Heads] = {started.base: frozenset()}
        self.known: dict[str, Outcome] = {}
        self.pushes = 0
        self.result = Simulation(begin(started, 0.0), [(started, 0.0)])
        self.state = self.result.state

    def drive(self, facts_at_most: int) -> Simulation:
        while not self.state.finished:
            if len(self.result.facts) > facts_at_most:
                raise RuntimeError(f"no end after {facts_at_most} facts")
            orders = decide(self.state, self.guide, Now(self.clock))
            epoch = self.epoch
            for order in orders:
                self.act(order)
                if self.epoch != epoch or self.state.finished:
                    break
            if not orders:
                self.wait()
        self.result.makespan_s = self.clock
        return self.result

    def wait(self) -> None:
        while self.pending:
            at, _, epoch, end = heapq.heappop(self.pending)
            if epoch != self.epoch:
                continue
            self.clock = max(self.clock, at)
            end()
            return
        raise RuntimeError("nothing is under way and nothing is ordered")

    def later(self, seconds: float, end: Callable[[], None]) -> None:
        self.order += 1
        heapq.heappush(self.pending, (self.clock + seconds, self.order, self.epoch, end))

    def append(self, *facts: e.Event) -> bool:
        """Fold facts; False when the engine died after one of them."""
        for fact in facts:
            evolve(self.state, fact, self.clock)
            self.result.facts.append((fact, self.clock))
            match self.interruption(self.state.seq):
                case "crash":
                    self.crash()
                    return False
                case "push":
                    self.pushes += 1
                case "nothing":
                    pass
        return True

    def crash(self) -> None:
        """The engine dies; the next one reconciles what was under way."""
        self.result.crashes += 1
        self.epoch += 1
        self.clock += 1.0
        lost = [*reconcile_facts(self.state), e.EngineStarted(pid=1, host="simulated")]
        for fact in lost:
            evolve(self.state, fact, self.clock)
            self.result.facts.append((fact, self.clock))

    def act(self, order: Order) -> None:
        match order:
            case Record(event):
                self.append(event)
            case RunBaseline():
                self.baseline()
            case StartAttempt():
                self.attempt(order)
            case BuildCandidate():
                self.build(order)
            case JudgeCandidate(candidate, confirms):
                self.judge(candidate, confirms)
            case LandCandidate(candidate):
                self.land(candidate)
            case EndJudging(candidate, why):
                self.append(e.CandidateDropped(candidate=candidate, why=why))
            case EndAll():
                self.epoch += 1
                for fact in reconcile_facts(self.state):
                    if not self.append(fact):
                        return

    def baseline(self) -> None:
        if not self.append(e.BaselineStarted()):
            return
        seconds, outcome = self.world.judge(frozenset())
        self.result.judgings += 1

        def end() -> None:
            verdict = Verdict(
                gate="all", tree=self.state.started.base_tree, key="", outcome=outcome
            )
            if self.append(e.BaselineGateJudged(verdict=verdict)):
                self.append(e.BaselineFinished())

        self.later(seconds, end)

    def attempt(self, order: StartAttempt) -> None:
        started = e.AttemptStarted(
            task=order.task, attempt=order.attempt, base=order.base, worker=order.worker
        )
        if not self.append(started):
            return
        seconds, outcome = self.world.attempt(order.task, order.attempt)
        head = f"h:{order.task}:{order.attempt}" if outcome in ("green", "held") else None

        def end() -> None:
            self.append(
                e.AttemptFinished(
                    task=order.task,
                    attempt=order.attempt,
                    outcome=outcome,
                    head=head,
                    tree=head,
                    held_paths=("protected",) if outcome == "held" else (),
                    cause="worker" if outcome == "failed" else None,
                )
            )

        self.later(seconds, end)

    def build(self, order: BuildCandidate) -> None:
        parts = set(self.trees[order.base])
        for place, head in enumerate(order.heads):
            if self.world.merges(frozenset(parts), head):
                parts.add(head)
                continue
            if place and self.world.merges(self.trees[order.base], head):
                self.append(e.PrefixCut(length=place))
            else:
                self.append(
                    e.HeadSentBack(
                        task=head.task, attempt=head.attempt, cause="conflict", charged=False
                    )
                )
            return
        parts = {head for head in parts if head.task not in order.removes}
        tree = "t:" + ",".join(sorted(f"{h.task}.{h.attempt}" for h in parts))
        commit = f"c{order.candidate}:{tree}"
        self.trees[commit] = self.trees[tree] = frozenset(parts)
        self.append(
            e.CandidateBuilt(
                candidate=order.candidate,
                base=order.base,
                heads=order.heads,
                removes=order.removes,
                commit=commit,
                tree=tree,
            )
        )

    def judge(self, number: int, confirms: bool) -> None:
        if not self.append(e.JudgingStarted(candidate=number, confirms=confirms)):
            return
        tree = self.state.candidates[number].built.tree
        known = self.known.get(tree)
        if known and not confirms:
            seconds, outcome = 0.0, known
        else:
            seconds, outcome = self.world.judge(self.trees[tree])
            self.result.judgings += 1
            self.result.confirmations += confirms

        def end() -> None:
            if self.state.candidates[number].status != "judging":
                return
            if outcome != "could-not-run":
                self.known[tree] = outcome
            gate = None if outcome == "passed" else "all"
            self.append(e.CandidateJudged(candidate=number, outcome=outcome, gate=gate))

        self.later(seconds, end)

    def land(self, number: int) -> None:
        if not self.append(e.LandingIntended(candidate=number)):
            return
        if self.pushes:
            self.pushes = 0
            commit = f"{self.state.tip}+push"
            self.trees[commit] = self.trees[self.state.tip]
            self.append(e.CandidateStale(candidate=number, tip=commit, tip_tree=commit))
        else:
            self.append(e.Landed(candidate=number))


def reconcile_facts(state: RunState) -> list[e.Event]:
    """What is lost when an engine ends without having ended what was under way.

    A landing that was intended is not among them: only the repository knows what became of
    it. A simulation never crashes between the two.
    """
    why = "the engine ended"
    facts: list[e.Event] = [
        e.AttemptFinished(
            task=task_id,
            attempt=len(state.tasks[task_id].attempts),
            outcome="lost",
            why=why,
        )
        for task_id in state.with_status("working")
    ]
    facts += [
        e.CandidateDropped(candidate=number, why=why)
        for number in state.open_candidates
        if state.candidates[number].status == "judging"
    ]
    facts += [
        e.CandidateStale(candidate=number, tip=state.tip, tip_tree=state.tip_tree)
        for number in state.open_candidates
        if state.candidates[number].status == "landing"
    ]
    if state.baseline == "running":
        facts.append(e.BaselineLost(why=why))
    return facts
