"""What must hold after every fact of a run, told by a second, simpler model than `RunState`.

1. The tip moves only from where it is, to a tree that all gates passed in this run (L1).
2. A task starts only when all that it needs has landed or is unchanged, beside no task whose
   paths overlap, from the tip. Half as many more attempts than `parallel` may be under way where
   they are brisk (`policy.readiness`, rule 4), and exactly `parallel` where they are not; that no
   more than `parallel` workers work, the engine sees to, and a test of the engine.
3. Judgings, the baseline's included, stay within `gates_parallel`.
4. A head is blamed only for a tree that is the tip plus itself, red in two real runs, and only
   on a tip that orch landed or that a gate of this run passed. No attempt is given up for a check
   that was red where it began.
5. What is known of a prefix is true: `suspects` is red, `cut` does not merge.
6. No more attempts are charged than the limits allow; no index differs from what it indexes.
7. What stands in the result, and what of it is accepted, is told by heads.
8. A tip that somebody else moved is judged only when something on it was not green, and ends the
   run only when it was not green itself, twice. No head brings back what was taken out.
9. A run that nobody attends ends when more than three tests were flaky, and only then.
10. A run that ends leaves nothing under way and every task in a final state.
"""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from ledger import events as e
from ledger.events import HeadRef
from ledger.model import Outcome, TaskId
from ledger.state import RunState
from orchestrator.policy.accepted import unaccepted
from orchestrator.policy.readiness import Guide
from orchestrator.policy.simulate import Heads, Simulation

FINAL = {"landed", "unchanged", "held", "failed", "skipped", "rejected"}


class Truth(Protocol):
    """What is so in the world, whatever its gates say of it."""

    deterministic: bool
    """Whether its gates never err where they run."""
    unable_rate: float
    """How often they do not run."""

    def truth(self, heads: Heads) -> Outcome:
        """What gates that never err say of a tree."""

    def merges(self, tip: Heads, head: HeadRef) -> bool:
        """Whether a head merges with that tree."""


class Watcher:
    """Follows a simulation and asserts the rules above."""

    def __init__(self, world: Truth, guide: Guide) -> None:
        self.world, self.guide = world, guide
        self.seen = 0
        self.tip = ""
        self.stray = False
        self.doubtful: set[str] = set()
        """Commits that something was made on which was not green, and trees that were not."""
        self.tip_said: Counter[str] = Counter()
        self.tip_judging = False
        self.blamed_checks: dict[TaskId, list[str]] = {}
        self.gone: set[str] = set()
        self.ours: set[str] = set()
        self.flaky: set[str] = set()
        self.base_known = False
        self.base_running = False
        self.built: dict[int, e.CandidateBuilt] = {}
        self.passed: set[str] = set()
        self.passed_candidates: set[int] = set()
        self.red_runs: Counter[str] = Counter()
        self.working: set[TaskId] = set()
        self.judging: set[int] = set()
        self.done: set[TaskId] = set()
        self.standing: dict[TaskId, HeadRef] = {}
        self.accepted: set[HeadRef] = set()
        self.submitted: set[TaskId] = set()
        self.attempt_s: float | None = None
        self.limits_changed = False
        self.told: Counter[str] = Counter()

    def look(self, simulation: Simulation) -> None:
        """Check every fact since the last look, then the state."""
        new = simulation.facts[self.seen :]
        self.seen = len(simulation.facts)
        for fact, _ in new:
            self.told[fact.kind] += 1
            self.check(fact, simulation)
        self.check_state(simulation)

    def check(self, fact: e.Event, simulation: Simulation) -> None:
        """One fact against what was told before."""
        state = simulation.state
        match fact:
            case e.RunStarted():
                self.tip = fact.base
                self.ours.add(fact.base)
            case e.BaselineStarted():
                self.base_running = True
                self.check_slots(state)
            case e.BaselineFinished():
                self.base_running, self.base_known = False, True
            case e.BaselineLost():
                self.base_running = False
            case e.LimitsChanged():
                self.limits_changed = True
            case e.EngineStarted():
                if not self.tip_said["passed"]:
                    self.tip_said.clear()
            case e.AttemptStarted():
                self.check_start(fact, state)
            case e.RoundGateJudged() if fact.verdict.outcome != "passed":
                self.doubtful.add(state.tasks[fact.task].attempts[fact.attempt - 1].started.base)
            case e.AttemptFinished():
                self.working.remove(fact.task)
                if fact.outcome != "lost":
                    self.attempt_s = fact.duration_s
                if fact.cause == "check":
                    base = state.tasks[fact.task].attempts[fact.attempt - 1].started.base
                    self.blamed_checks.setdefault(fact.task, []).append(base)
                if fact.outcome == "unchanged":
                    self.done.add(fact.task)
            case e.HeadSubmitted():
                self.submitted.add(fact.task)
                self.done.discard(fact.task)
            case e.RetryRequested():
                self.done.discard(fact.task)
                self.blamed_checks.pop(fact.task, None)
            case e.TaskGivenUp():
                self.check_given_up(fact, simulation)
            case e.TipMoved():
                self.move(fact)
            case e.TipJudgingStarted():
                assert self.stray and fact.tip == self.tip, "a tip that orch put there is judged"
                here = {c.tree for c in self.built.values() if c.base == self.tip}
                assert {self.tip, *here} & self.doubtful, "a tip is judged that nothing was red on"
                self.tip_judging = True
                self.check_slots(state)
            case e.TipGateJudged():
                self.tip_judging = False
                if fact.verdict.outcome == "failed" and not fact.verdict.reused:
                    self.red_runs[fact.verdict.tree] += 1
                if fact.tip == self.tip:
                    self.tip_said[fact.verdict.outcome] += 1
            case e.TipJudgingLost():
                self.tip_judging = False
            case e.CandidateBuilt():
                assert fact.base == self.tip
                for ref in fact.heads:
                    attempt = state.attempt(ref)
                    assert attempt.submitted or attempt.started.base not in self.gone
                self.built[fact.candidate] = fact
            case e.JudgingStarted():
                assert not self.too_flaky(state), "who would look at that many flakes?"
                self.judging.add(fact.candidate)
                self.check_slots(state)
            case e.CandidateGateJudged():
                if fact.verdict.outcome == "failed" and not fact.verdict.reused:
                    self.red_runs[fact.verdict.tree] += 1
            case e.CandidateJudged():
                self.note_judged(fact)
            case e.CandidateDropped():
                self.judging.discard(fact.candidate)
            case e.FlakeSeen():
                assert self.red_runs[fact.tree], "a flake that was never red"
                assert fact.tests, "a flake without a name"
                self.red_runs[fact.tree] = 0
                self.flaky |= set(fact.tests)
            case e.LandingIntended():
                assert fact.candidate in self.passed_candidates, "landing what nobody judged"
                assert self.base_known, "landing before the base is known"
            case e.Landed():
                self.check_landing(self.built[fact.candidate], simulation)
            case e.CandidateStale():
                self.move(fact)
            case e.HeadSentBack(cause="could-not-run"):
                assert not self.stray or self.tip_said["passed"], "held on a tip nobody judged"
            case e.HeadSentBack(cause="red"):
                self.check_blame(fact, simulation)
            case e.Accepted():
                self.accepted |= set(fact.heads)
            case e.RunFinished():
                self.check_end(fact, state)
                self.flaky.clear()

    def too_flaky(self, state: RunState) -> bool:
        """Rule 9."""
        return state.started.unattended and len(self.flaky) > 3

    def check_start(self, fact: e.AttemptStarted, state: RunState) -> None:
        """Rule 2."""
        task = state.tasks[fact.task].task
        assert set(task.needs) <= self.done, f"{fact.task} started before what it needs"
        assert fact.base == self.tip
        under_way = self.working | {ref.task for ref in state.queue}
        if task.paths:
            assert not under_way & self.guide.neighbours(fact.task), f"{fact.task} is fenced"
        self.working.add(fact.task)
        assert len(self.working) <= self.under_way_at_most(state)

    def under_way_at_most(self, state: RunState) -> int:
        """`parallel`, and half as many more after an attempt of less than five seconds."""
        parallel = state.limits.parallel
        brisk = self.attempt_s is not None and self.attempt_s < 5.0
        return parallel + parallel // 2 if brisk else parallel

    def check_slots(self, state: RunState) -> None:
        """Rule 3."""
        judging = len(self.judging) + self.base_running + self.tip_judging
        assert judging <= state.limits.gates_parallel

    def note_judged(self, fact: e.CandidateJudged) -> None:
        """What a judging said of a tree."""
        self.judging.remove(fact.candidate)
        built = self.built[fact.candidate]
        if fact.outcome == "passed":
            self.passed.add(built.tree)
            self.passed_candidates.add(fact.candidate)
        else:
            self.doubtful |= {built.base, built.tree}

    def move(self, fact: e.TipMoved | e.CandidateStale) -> None:
        """Somebody else moved the tip, or the same tip is looked at again."""
        if fact.tip != self.tip:
            self.tip_said.clear()
            self.gone = set(fact.without)
        self.tip, self.stray = fact.tip, fact.tip not in self.ours

    def check_landing(self, built: e.CandidateBuilt, simulation: Simulation) -> None:
        """Rule 1."""
        assert built.base == self.tip, "a landing that is not on the tip"
        assert built.tree in self.passed, "a tree landed that was not judged passed"
        if self.world.deterministic:
            assert self.world.truth(simulation.trees[built.commit]) == "passed"
        self.tip, self.stray = built.commit, False
        self.ours.add(built.commit)
        self.done |= {ref.task for ref in built.heads}
        self.done -= set(built.removes)
        self.standing |= {ref.task: ref for ref in built.heads}
        for task_id in built.removes:
            del self.standing[task_id]

    def check_blame(self, fact: e.HeadSentBack, simulation: Simulation) -> None:
        """Rule 4."""
        assert fact.candidate is not None
        built = self.built[fact.candidate]
        assert built.heads == (HeadRef(task=fact.task, attempt=fact.attempt),), "not alone"
        assert built.base == self.tip, "not on the tip"
        assert self.red_runs[built.tree] >= 2, "blamed without a confirming run"
        assert not self.stray or self.tip_said["passed"], "blamed on a tip that nobody judged"
        if self.world.deterministic:
            tip = simulation.trees[self.tip]
            assert self.world.truth(tip) == "passed", "blamed on a red tip"
            assert self.world.truth(tip | set(built.heads)) == "failed", "a good head was blamed"

    def check_given_up(self, fact: e.TaskGivenUp, simulation: Simulation) -> None:
        """Rule 4, for what check gates said."""
        bases = self.blamed_checks.get(fact.task, [])
        if self.world.deterministic and self.tip in bases:
            assert self.world.truth(simulation.trees[self.tip]) == "passed", "given up on a red tip"

    def check_state(self, simulation: Simulation) -> None:
        """Rules 5 to 7."""
        state = simulation.state
        assert state.landed_heads() == self.standing
        waiting = [t for t, ref in self.standing.items() if ref not in self.accepted]
        assert sorted(unaccepted(state)) == sorted(waiting)
        assert state.tip == self.tip
        assert len(set(state.queue)) == len(state.queue)
        assert {ref.task for ref in state.queue} == set(state.with_status("queued"))
        assert self.working == set(state.with_status("working"))
        assert state.suspects <= len(state.queue)
        assert state.cut <= len(state.queue)
        if not self.limits_changed:
            for task_id, task in state.tasks.items():
                if task_id not in self.submitted:
                    assert task.charged <= state.limits.attempts
        self.check_prefix(simulation)
        self.check_indexes(state)

    def check_prefix(self, simulation: Simulation) -> None:
        """Rule 5, where gates do not err."""
        state = simulation.state
        heads = simulation.trees[state.tip]
        if state.suspects and self.world.deterministic and not self.world.unable_rate:
            suspects = heads | set(state.queue[: state.suspects])
            assert self.world.truth(suspects) == "failed", "a green prefix is suspected"
        if state.cut:
            for head in state.queue[: state.cut]:
                assert self.world.merges(heads, head)
                heads = heads | {head}
            assert not self.world.merges(heads, state.queue[state.cut]), "cut for nothing"

    def check_indexes(self, state: RunState) -> None:
        """Rule 6."""
        for status, ids in state.by_status.items():
            assert all(state.tasks[task_id].status == status for task_id in ids)
        assert sum(map(len, state.by_status.values())) == len(state.tasks)
        ready = state.with_status("ready")
        assert {task_id for *_, task_id in state.ready} == set(ready)
        assert state.ready == sorted(state.ready)
        declared = Counter("\0".join(state.tasks[task_id].task.paths) for task_id in ready)
        assert state.ready_paths == declared
        assert set(state.again) == {task_id for task_id in ready if state.tasks[task_id].attempts}
        still_open = {n for n, c in state.candidates.items() if c.status != "over"}
        assert set(state.open_candidates) == still_open

    def check_end(self, fact: e.RunFinished, state: RunState) -> None:
        """Rules 8 to 10."""
        assert not self.working
        assert not self.judging
        assert not self.base_running
        assert not self.tip_judging
        if fact.outcome == "person-needed" and self.stray and not self.tip_said["passed"]:
            twice = max(self.tip_said["failed"], self.tip_said["could-not-run"]) >= 2
            others = state.with_status("held") or self.too_flaky(state)
            assert twice or others, "a tip was not green twice, nobody said"
            if twice:
                return
        assert ("nobody attends" in fact.why) <= self.too_flaky(state)
        if fact.outcome not in ("complete", "person-needed") or "nobody attends" in fact.why:
            return
        assert not self.too_flaky(state)
        held = set(state.with_status("held"))
        for task_id, task in state.tasks.items():
            if task.status == "waiting":
                assert waits_for(state, task_id) & held, f"{task_id} waits for nothing"
            else:
                assert task.status in FINAL, f"{task_id} ended {task.status}"
        if fact.exit_code == 0:
            assert {t.status for t in state.tasks.values()} <= {"landed", "unchanged", "rejected"}
        assert (fact.outcome == "person-needed") == bool(held)


def waits_for(state: RunState, task_id: TaskId) -> set[TaskId]:
    """All that a task needs, directly or not."""
    found: set[TaskId] = set()
    pending = [task_id]
    while pending:
        for need in state.tasks[pending.pop()].task.needs:
            if need not in found:
                found.add(need)
                pending.append(need)
    return found
