"""Whole runs in virtual time: what they cost, and what becomes of who is to blame."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from ledger import events as e
from ledger.model import Outcome
from orchestrator.policy.simulate import Happening, Heads, Simulation, simulate
from tests.support.builders import FREE, CalmWorld, guide_for, head, started, task_ids


def statuses(simulation: Simulation) -> dict[str, list[str]]:
    """Tasks by what became of them."""
    found: dict[str, list[str]] = {}
    for task_id, task in simulation.state.tasks.items():
        found.setdefault(task.status, []).append(task_id)
    return found


def kinds(simulation: Simulation, cls: type[e.Fact]) -> list[e.Event]:
    """The facts of one kind."""
    return [fact for fact, _ in simulation.facts if isinstance(fact, cls)]


def test_a_calm_run_lands_everything_with_few_gate_runs():
    done = simulate(started(20, parallel=20), CalmWorld(), FREE)
    assert statuses(done) == {"landed": list(task_ids(20))}
    assert done.state.finished is not None
    assert done.state.finished.exit_code == 0
    assert done.judgings <= 6
    assert done.confirmations == 0


def test_four_workers_share_independent_tasks():
    done = simulate(started(8, parallel=4), CalmWorld(attempt_s=100.0), FREE)
    assert done.makespan_s == pytest.approx(200.0, abs=5.0)


def test_tasks_on_the_same_paths_run_one_after_the_other():
    start = started(3, parallel=3, paths={task: ["src/**"] for task in task_ids(3)})
    done = simulate(start, CalmWorld(attempt_s=100.0), guide_for(start))
    assert done.makespan_s > 300.0
    assert statuses(done) == {"landed": list(task_ids(3))}


def test_a_bad_head_is_repaired_and_only_it_is_blamed():
    done = simulate(started(9, parallel=9), CalmWorld(bad=[head("t5")]), FREE)
    assert statuses(done) == {"landed": list(task_ids(9))}
    (blame,) = kinds(done, e.HeadSentBack)
    assert isinstance(blame, e.HeadSentBack)
    assert (blame.task, blame.cause) == ("t5", "red")
    assert len(done.state.tasks["t5"].attempts) == 2
    assert sum(len(task.attempts) for task in done.state.tasks.values()) == 10


def test_of_two_that_are_red_together_the_second_is_repaired():
    world = CalmWorld(together=[frozenset(("t2", "t4"))])
    done = simulate(started(5, parallel=5), world, FREE)
    assert statuses(done) == {"landed": list(task_ids(5))}
    (blame,) = kinds(done, e.HeadSentBack)
    assert isinstance(blame, e.HeadSentBack)
    assert blame.task == "t4"


def test_a_hopeless_task_is_given_up_and_only_what_needs_it_is_skipped():
    needs = {"a": [], "b": ["a"], "c": ["b"], "d": [], "e": ["d"]}
    world = CalmWorld(bad=[head("a", 1), head("a", 2)])
    done = simulate(started(needs, attempts=2), world, FREE)
    assert statuses(done) == {"failed": ["a"], "skipped": ["b", "c"], "landed": ["d", "e"]}
    assert done.state.finished is not None
    assert done.state.finished.exit_code == 1


@dataclass
class FirstRed(CalmWorld):
    """The first run of all gates on a tree with work in it is red, and none after it."""

    seen: set[Heads] = field(default_factory=set)

    def judge(self, heads: Heads) -> tuple[float, Outcome]:
        """Red once for each tree."""
        first = bool(heads) and heads not in self.seen
        self.seen.add(heads)
        return self.gate_s, "failed" if first else "passed"


def test_gates_that_change_their_mind_all_night_end_a_run_that_nobody_attends():
    chain = {f"t{n}": [f"t{n - 1}"] if n > 1 else [] for n in range(1, 9)}
    attended = simulate(started(chain), FirstRed(), FREE)
    assert statuses(attended) == {"landed": list(chain)}
    assert len(kinds(attended, e.FlakeSeen)) == 8
    alone = simulate(started(chain, unattended=True), FirstRed(), FREE)
    assert len(kinds(alone, e.FlakeSeen)) == len(alone.state.with_status("landed")) == 4
    assert alone.state.finished and alone.state.finished.exit_code == 5
    assert not kinds(alone, e.HeadSentBack)


def crash_at(*numbers: int):
    """The engine dies after these facts."""

    def interruption(simulation: Simulation) -> Happening:
        return "crash" if simulation.state.seq in numbers else "nothing"

    return interruption


def test_a_crash_at_any_fact_ends_in_the_same_result():
    start = started({"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}, parallel=2)
    whole = simulate(start, CalmWorld(), FREE)
    for number in range(2, len(whole.facts)):
        done = simulate(start, CalmWorld(), FREE, crash_at(number))
        assert statuses(done) == statuses(whole), number
        assert done.crashes == 1
        assert all(task.charged == 0 for task in done.state.tasks.values())


@pytest.mark.parametrize(("rate", "most"), [(0.02, 0.21), (0.05, 0.42), (0.1, 0.66)])
def test_a_hundred_branches_need_few_gate_runs_and_lose_no_good_one(rate, most):
    searching = landed = 0
    for seed in range(6):
        rng = random.Random(seed)
        bad = [head(task) for task in task_ids(100) if rng.random() < rate]
        start = started(100, parallel=100, attempts=1, failure_rate=rate)
        done = simulate(start, CalmWorld(attempt_s=0.0, bad=bad), FREE)
        assert set(done.state.with_status("failed")) == {ref.task for ref in bad}
        assert done.confirmations == len(bad)
        searching += done.judgings - 1 - done.confirmations
        landed += len(done.state.with_status("landed"))
    assert searching / landed <= most


def test_two_slots_waste_no_run_on_what_is_known():
    start = started(40, parallel=40, gates_parallel=2)
    done = simulate(start, CalmWorld(attempt_s=0.0, gate_s=10.0), FREE)
    verdicts = [f.verdict for f, _ in done.facts if isinstance(f, e.CandidateGateJudged)]
    fresh = [verdict.tree for verdict in verdicts if not verdict.reused]
    assert len(fresh) == len(set(fresh))
    assert any(verdict.reused for verdict in verdicts)
    assert done.judgings <= 10


def test_a_run_that_makes_no_progress_is_said_to_stall():
    with pytest.raises(RuntimeError, match="no end after 50 facts"):
        simulate(started(20), CalmWorld(), FREE, facts_at_most=50)
