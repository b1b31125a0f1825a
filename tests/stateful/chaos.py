"""A world where much goes wrong, and people who meddle, all from one seed."""

from __future__ import annotations

import random

from ledger import events as e
from ledger.events import HeadRef
from ledger.model import Limits, Outcome, TaskId
from ledger.state import RunState
from orchestrator.policy.simulate import OUTSIDER, AttemptOutcome, Happening, Heads, Simulation
from tests.support.builders import random_needs, started


class Chaos:
    """Bad heads, pairs red together, conflicts, flaky gates, lost and held attempts."""

    def __init__(self, rng: random.Random, tasks: tuple[TaskId, ...]) -> None:
        self.rng = rng
        self.salt = rng.random()
        self.deterministic = rng.random() < 0.6
        self.bad_rate = rng.choice((0.0, 0.1, 0.4, 0.9))
        self.failed_rate = rng.choice((0.0, 0.1, 0.4))
        self.odd_rate = rng.choice((0.0, 0.05, 0.2))
        self.flaky_rate = 0.0 if self.deterministic else rng.choice((0.05, 0.3, 0.6))
        self.unable_rate = rng.choice((0.0, 0.0, 0.1, 0.4))
        self.careless_rate = rng.choice((0.0, 0.3, 0.9))
        self.attempt_s = rng.choice((0.0, 1.0, 20.0))
        self.gate_s = rng.choice((0.0, 1.0, 50.0))
        everybody = (*tasks, OUTSIDER)
        self.together = self.pairs(everybody)
        self.conflicting = self.pairs(everybody)
        self.bases: dict[HeadRef, Heads] = {}

    def pairs(self, tasks: tuple[TaskId, ...]) -> set[frozenset[TaskId]]:
        """Some pairs of tasks."""
        count = self.rng.choice((0, 0, 1, len(tasks)))
        return {frozenset(self.rng.sample(tasks, 2)) for _ in range(count if tasks[1:] else 0)}

    def attempt(self, task: TaskId, attempt: int, base: Heads) -> tuple[float, AttemptOutcome]:
        """Mostly green; repairs are bad half as often, and on a red tree most checks are red."""
        self.bases[HeadRef(task=task, attempt=attempt)] = base
        seconds = self.rng.uniform(0.5, 1.5) * self.attempt_s
        if self.truth(base) == "failed" and self.rng.random() < 0.8:
            return seconds, "check"
        if self.rng.random() < self.failed_rate:
            return seconds, self.rng.choice(("failed", "check"))
        if self.rng.random() < self.odd_rate:
            return seconds, self.rng.choice(("unchanged", "held", "lost"))
        return seconds, "green"

    def is_bad(self, head: HeadRef) -> bool:
        """Whether a head is red wherever it is; so is what a careless outsider pushed."""
        rate = self.bad_rate / (1 if head.attempt == 1 else 2)
        if head.task == OUTSIDER:
            rate = self.careless_rate
        return random.Random(f"{self.salt} {head.task} {head.attempt}").random() < rate

    def knows(self, one: HeadRef, other: HeadRef) -> bool:
        """Whether one of the two was made on top of the other."""
        nothing: Heads = frozenset()
        return one in self.bases.get(other, nothing) or other in self.bases.get(one, nothing)

    def truth(self, heads: Heads) -> Outcome:
        """Red for a bad head, and for two that do not go together and did not know it."""
        ordered = sorted(heads, key=lambda ref: (ref.task, ref.attempt))
        if any(self.is_bad(ref) for ref in ordered):
            return "failed"
        for place, one in enumerate(ordered):
            for other in ordered[:place]:
                if {one.task, other.task} in self.together and not self.knows(one, other):
                    return "failed"
        return "passed"

    def judge(self, heads: Heads) -> tuple[float, Outcome]:
        """The truth, where gates run and are not flaky."""
        seconds = self.rng.uniform(0.8, 1.2) * self.gate_s
        # a base that cannot be judged ends a run at once, which is another story
        if heads and self.rng.random() < self.unable_rate:
            return seconds, "could-not-run"
        if heads and self.rng.random() < self.flaky_rate:
            return seconds, "failed"
        return seconds, self.truth(heads)

    def merges(self, tip: Heads, head: HeadRef) -> bool:
        """Whether no head in the tip touched the same lines unknown to this one."""
        return not any(
            {other.task, head.task} in self.conflicting and not self.knows(other, head)
            for other in tip
        )


class Meddlers:
    """Crashes, pushes and people, at most a few of them, at random facts."""

    def __init__(self, rng: random.Random, *, people: bool) -> None:
        self.rng = rng
        self.rate = rng.choice((0.0, 0.02, 0.1))
        self.left = rng.randint(0, 8)
        self.people = people
        self.submissions = 0

    def next(self, simulation: Simulation) -> Happening:
        """What happens after the newest fact."""
        state = simulation.state
        if state.finished:
            return self.reopen(simulation)
        newest = simulation.facts[-1][0].kind
        # the narrowest window of all deserves more than its share
        rate = max(self.rate, 0.1) if newest == "LandingIntended" and self.rate else self.rate
        if not self.left or self.rng.random() >= rate:
            return "nothing"
        self.left -= 1
        choices: list[Happening] = ["crash", "crash-after-landing", "push", "push", "touch"]
        choices.append("take-back")
        if self.people:
            choices += [facts for facts in self.words(state) if facts]
        return self.rng.choice(choices)

    def reopen(self, simulation: Simulation) -> Happening:
        """A person sees the end and is not content; another engine goes on."""
        state = simulation.state
        if not self.people or not self.left:
            return "nothing"
        self.left -= 1
        words = [facts for facts in self.words(state) if facts]
        word = self.rng.choice(words) if words else ()
        back: tuple[e.Event, ...] = ()
        if state.moved and self.rng.random() < 0.7:
            back = (simulation.step_to(state.result),)
        engine = e.EngineStarted(pid=2, host="simulated")
        return (*self.acceptance(state), *word, engine, *back)

    def acceptance(self, state: RunState) -> tuple[e.Event, ...]:
        """Some of what stands in the result is accepted; at times the fact is swallowed."""
        standing = sorted(state.landed_heads().values(), key=lambda ref: ref.task)
        heads = tuple(ref for ref in standing if self.rng.random() < 0.7)
        if not heads or self.rng.random() < 0.3:
            return ()
        commit = f"accepted{len(state.accepted) + 1}"
        intent = e.AcceptIntended(
            target="main", before=state.started.base, commit=commit, tree=commit, heads=heads
        )
        accepted = e.Accepted.model_validate(intent.model_dump(exclude={"kind"}))
        return (intent, accepted) if self.rng.random() < 0.8 else (intent,)

    def words(self, state: RunState) -> list[tuple[e.Event, ...]]:
        """One example of everything that a person may say now."""
        rng = self.rng
        again = [
            t
            for s in ("failed", "held", "rejected", "unchanged", "skipped")
            for t in state.with_status(s)
        ]
        mine = [t for s in ("failed", "held", "ready", "waiting") for t in state.with_status(s)]
        limits: Limits = state.limits.model_copy(
            update={"parallel": rng.randint(1, 4), "gates_parallel": rng.randint(1, 4)}
        )
        return [
            (e.RetryRequested(task=rng.choice(again)),) if again else (),
            (self.submission(state, rng.choice(mine)),) if mine else (),
            self.allowance(state),
            self.rejection(state),
            (e.LimitsChanged(limits=limits),),
            (e.StopRequested(),) if rng.random() < 0.3 else (),
        ]

    def submission(self, state: RunState, task: TaskId) -> e.HeadSubmitted:
        """A head that a person made."""
        self.submissions += 1
        return e.HeadSubmitted(
            task=task,
            attempt=len(state.tasks[task].attempts) + 1,
            base=state.tip,
            head=f"person{self.submissions}",
            tree=f"person-tree{self.submissions}",
        )

    def allowance(self, state: RunState) -> tuple[e.Event, ...]:
        """A person's yes to what is held."""
        held = state.with_status("held")
        return (e.PathAllowed(task=self.rng.choice(held), path="protected"),) if held else ()

    def rejection(self, state: RunState) -> tuple[e.Event, ...]:
        """A final no to a held task; else a landed one is to go, with what landed on top of it."""
        held = state.with_status("held")
        if held and self.rng.random() < 0.5:
            return (e.TaskRejected(task=self.rng.choice(held)),)
        landed = state.with_status("landed")
        if not landed:
            return ()
        chosen = {self.rng.choice(landed)}
        pending = list(chosen)
        while pending:
            for other in state.dependents[pending.pop()]:
                if state.tasks[other].status == "landed" and other not in chosen:
                    chosen.add(other)
                    pending.append(other)
        return (e.RejectRequested(tasks=tuple(sorted(chosen))),)


def random_run(rng: random.Random) -> e.RunStarted:
    """A run of a random DAG with random limits."""
    needs = random_needs(rng, rng.randint(1, 14))
    patterns = ("src/a/**", "src/b/**", "src/**", "docs/*.md", "src/a/x.py")
    boundaries = rng.random() < 0.5
    paths = {t: rng.sample(patterns, rng.randint(0, 2)) for t in sorted(needs)}
    return started(
        needs,
        paths=paths if boundaries else None,
        failure_rate=rng.choice((0.01, 0.1, 0.5)),
        parallel=rng.randint(1, 4),
        gates_parallel=rng.randint(1, 4),
        attempts=rng.randint(1, 3),
        unattended=rng.random() < 0.5,
    )
