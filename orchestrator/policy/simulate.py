"""A run in virtual time: the real `decide` and `evolve` against a world made of numbers.

It serves forecasts (`orch plan`), the benchmarks of the queue, and the seeded walks of the
tests, which crash it and push to its tip. Pure: what happens comes from the `World`.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Literal

from ledger import events as e
from ledger.events import HeadRef
from ledger.model import Outcome, Verdict
from ledger.state import RunState, begin, evolve
from orchestrator.policy.decide import decide
from orchestrator.policy.lost import lost_facts
from orchestrator.policy.now import Now
from orchestrator.policy.orders import (
    BuildCandidate,
    EndAll,
    EndJudging,
    JudgeCandidate,
    JudgeTip,
    LandCandidate,
    Order,
    Record,
    RunBaseline,
    StartAttempt,
)
from orchestrator.policy.readiness import Guide
from orchestrator.policy.world import OUTSIDER as OUTSIDER
from orchestrator.policy.world import AttemptOutcome as AttemptOutcome
from orchestrator.policy.world import Happening as Happening
from orchestrator.policy.world import Heads as Heads
from orchestrator.policy.world import Simulation as Simulation
from orchestrator.policy.world import World as World

CAUSES: dict[AttemptOutcome, e.Cause] = {"check": "check", "failed": "worker"}
Interruption = Callable[[Simulation], Happening]
"""Asked after each fact what else happens."""


def simulate(
    started: e.RunStarted,
    world: World,
    guide: Guide,
    interruption: Interruption = lambda simulation: "nothing",
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
        self.at_work = 0
        self.waiting: list[StartAttempt] = []
        self.disturbed = False
        self.known: dict[str, Outcome] = {}
        self.pushed: list[Literal["push", "touch", "take-back"]] = []
        self.pushes = 0
        self.result = Simulation(begin(started, 0.0), [(started, 0.0)])
        self.state = self.result.state
        self.trees = self.result.trees
        self.trees[started.base] = self.trees[started.base_tree] = frozenset()
        self.result.names[frozenset()] = started.base_tree

    def drive(self, facts_at_most: int) -> Simulation:
        while not self.state.finished:
            if len(self.result.facts) > facts_at_most:
                raise RuntimeError(f"no end after {facts_at_most} facts")
            orders = decide(self.state, self.guide, Now(self.clock))
            epoch, self.disturbed = self.epoch, False
            for order in orders:
                self.act(order)
                if self.epoch != epoch or self.disturbed or self.state.finished:
                    break  # what is left was decided on a state that is no more
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
        """Fold facts that a ledger takes together; False when the engine died after them."""
        for fact in facts:
            self.fold(fact)
        match self.interruption(self.result):
            case "nothing":
                pass
            case "crash":
                self.crash(landed=False)
                return False
            case "crash-after-landing":
                self.crash(landed=True)
                return False
            case "push" | "touch" | "take-back" as pushed:
                self.pushed.append(pushed)
            case others:
                self.disturbed = True
                for other in others:
                    self.fold(other)
        return True

    def fold(self, fact: e.Event) -> None:
        evolve(self.state, fact, self.clock)
        self.result.facts.append((fact, self.clock))

    def crash(self, *, landed: bool) -> None:
        """The engine dies; the next one reconciles what was under way."""
        self.result.crashes += 1
        self.epoch += 1
        self.at_work, self.waiting = 0, []
        self.clock += 1.0
        if landed:
            for number in list(self.state.open_candidates):
                if self.state.candidates[number].status == "landing":
                    self.fold(e.Landed(candidate=number))
        for fact in (*reconcile_facts(self.state), e.EngineStarted(pid=1, host="simulated")):
            self.fold(fact)
        if moved := self.moved():
            self.fold(moved)

    def act(self, order: Order) -> None:
        match order:
            case Record(event, more):
                self.append(event, *more)
            case RunBaseline():
                self.baseline()
            case StartAttempt():
                self.attempt(order)
            case BuildCandidate():
                self.build(order)
            case JudgeCandidate(candidate, confirms):
                self.judge(candidate, confirms)
            case JudgeTip():
                self.judge_tip(order)
            case LandCandidate(candidate):
                self.land(candidate)
            case EndJudging(candidate, why):
                self.append(e.CandidateDropped(candidate=candidate, why=why))
            case EndAll():
                self.epoch += 1
                self.at_work, self.waiting = 0, []
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
        if self.at_work < self.state.limits.parallel:
            self.work(order)
        else:
            self.waiting.append(order)

    def work(self, order: StartAttempt) -> None:
        self.at_work += 1
        seconds, outcome = self.world.attempt(order.task, order.attempt, self.trees[order.base])
        head = f"h:{order.task}:{order.attempt}" if outcome in ("green", "held") else None

        def end() -> None:
            self.at_work -= 1
            epoch = self.epoch
            if outcome == "check" and not self.check(order):
                return
            self.append(
                e.AttemptFinished(
                    task=order.task,
                    attempt=order.attempt,
                    outcome="failed" if outcome == "check" else outcome,
                    head=head,
                    tree=head,
                    held_paths=("protected",) if outcome == "held" else (),
                    cause=CAUSES.get(outcome),
                    trouble=outcome == "lost",
                    duration_s=seconds,
                )
            )
            if self.waiting and self.epoch == epoch:
                self.work(self.waiting.pop(0))

        self.later(seconds, end)

    def check(self, order: StartAttempt) -> bool:
        """A round, and the gate that is red on it; False when the engine died meanwhile."""
        whose = {"task": order.task, "attempt": order.attempt, "round": 1}
        commit = f"r:{order.task}:{order.attempt}"
        verdict = Verdict(gate="all", tree=commit, key="", outcome="failed")
        return self.append(
            e.RoundFinished.model_validate({**whose, "commit": commit, "tree": commit}),
            e.RoundGateJudged.model_validate({**whose, "verdict": verdict}),
        )

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
        tree = self.result.name(frozenset(parts))
        commit = f"c{order.candidate}:{tree}"
        self.trees[commit] = self.trees[tree]
        self.result.parents[commit] = order.base
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
        reused = known is not None and not confirms
        if known is not None and not confirms:
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
            why = f"red on {tree}" if outcome == "failed" else ""
            verdict = Verdict(
                gate="all", tree=tree, key="", outcome=outcome, why=why, reused=reused
            )
            if self.append(e.CandidateGateJudged(candidate=number, verdict=verdict)):
                self.append(e.CandidateJudged(candidate=number, outcome=outcome, gate=gate))

        self.later(seconds, end)

    def judge_tip(self, order: JudgeTip) -> None:
        if moved := self.moved():
            self.append(moved)
            return
        started = e.TipJudgingStarted(tip=order.tip, gate=order.gate, confirms=order.confirms)
        if not self.append(started):
            return
        tree = self.state.tip_tree
        known = None if order.confirms else self.known.get(tree)
        seconds, outcome = (0.0, known) if known else self.world.judge(self.trees[tree])
        self.result.tip_judgings += known is None

        def end() -> None:
            if outcome != "could-not-run":
                self.known[tree] = outcome
            verdict = Verdict(
                gate=order.gate, tree=tree, key="", outcome=outcome, reused=known is not None
            )
            self.append(e.TipGateJudged(tip=order.tip, verdict=verdict))

        self.later(seconds, end)

    def moved(self) -> e.TipMoved | None:
        """The tip as those left it who pushed to it, or took back what had been pushed."""
        tip, known = self.state.tip, self.result
        for what in self.pushed:
            if what == "take-back":
                tip = self.state.result
                continue
            self.pushes += 1
            before, tip = tip, f"pushed{self.pushes}"
            new = {HeadRef(task=OUTSIDER, attempt=self.pushes)} if what == "push" else ()
            known.trees[tip], known.parents[tip] = known.trees[before].union(new), before
        self.pushed.clear()
        return known.step_to(tip) if tip != self.state.tip else None

    def land(self, number: int) -> None:
        if not self.append(e.LandingIntended(candidate=number)):
            return
        if moved := self.moved():
            fields = moved.model_dump(exclude={"kind"})
            self.append(e.CandidateStale(candidate=number, **fields))
        else:
            self.append(e.Landed(candidate=number))


def reconcile_facts(state: RunState) -> list[e.Event]:
    """What the next engine records; a simulated landing is never half done."""
    facts = lost_facts(state, "the engine ended")
    facts += [
        e.CandidateStale(candidate=number, tip=state.tip, tip_tree=state.tip_tree)
        for number in state.open_candidates
        if state.candidates[number].status == "landing"
    ]
    return facts
