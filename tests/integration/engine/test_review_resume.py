"""What a lost attempt, a stop at the wrong moment and a crash must not change."""

import subprocess
from collections.abc import Callable, Sequence

import pytest

from ledger.events import (
    AcceptIntended,
    AttemptPrepared,
    AttemptStarted,
    EngineStarted,
    Event,
    HeadRef,
    Landed,
)
from ledger.state import RunState
from orchestrator import persons
from orchestrator.journal import Journal
from orchestrator.scene import open_scene
from tests.integration.engine.test_persons import accepted
from tests.support.project import Project, task

WRITE = '[[step]]\nwrite = { "{task}.txt" = "by {task}\\n" }\n'


class When:
    """A person who does something once, as soon as a fact of that kind is recorded."""

    def __init__(self, wanted: Callable[[Event], bool], act: Callable[[], object]) -> None:
        self.wanted, self.act, self.done = wanted, act, False

    def on_facts(self, state: RunState, facts: Sequence[tuple[Event, float]]) -> None:
        if not self.done and any(self.wanted(fact) for fact, _ in facts):
            self.done = True
            self.act()

    def on_line(self, where: str, text: str) -> None:
        """Nobody reads along."""


def stop(project: Project, run: str) -> None:
    with project.store() as store:
        persons.request_stop(store, run)


@pytest.mark.thorough
def test_a_lost_attempt_between_two_others_takes_no_neighbours_work_out(project: Project) -> None:
    gate = "! test -e name.txt || ! grep -q broken caller.txt\n"
    project.commit({"test.sh": gate, "caller.txt": "fine\n"}, "a gate")
    project.does(
        """
        [[step]]
        task = "name"
        write = { "name.txt" = "new" }
        [[step]]
        task = "caller"
        attempt = 1
        sleep_s = 1.5
        write = { "caller.txt" = "broken" }
        [[step]]
        task = "caller"
        attempt = [2, 3]
        write = { "caller.txt" = "mended" }
        """
    )
    run = project.start(task("name", paths=()), task("caller", paths=()))
    second = When(
        lambda fact: (
            isinstance(fact, AttemptPrepared) and (fact.task, fact.attempt) == ("caller", 2)
        ),
        lambda: stop(project, run),
    )
    project.drive(run, (second,))
    state = project.drive(run)
    outcomes = [a.finished.outcome for a in state.tasks["caller"].attempts if a.finished]
    assert outcomes == ["green", "lost", "green"]
    assert state.tasks["name"].status == state.tasks["caller"].status == "landed"
    files = project.result(run)
    assert files["caller.txt"] == "mended"
    assert files.get("name.txt") == "new", "what has landed is in the result"


@pytest.mark.thorough
def test_stopping_and_resuming_often_is_no_fault_of_a_worker(project: Project) -> None:
    project.does(WRITE)
    run = project.start(task("a"))
    for _ in range(5):
        prepared = When(lambda fact: isinstance(fact, AttemptPrepared), lambda: stop(project, run))
        project.drive(run, (prepared,))
    assert project.drive(run).tasks["a"].status == "landed"


def test_a_stop_while_the_engine_makes_good_a_crash_is_not_forgotten(project: Project) -> None:
    project.does(WRITE)
    run = project.start(task("a"))
    with project.store() as store:  # as if an engine had been killed at work
        journal = Journal.load(store, run)
        started = AttemptStarted(task="a", attempt=1, base=journal.state.tip, worker="scripted")
        journal.append(EngineStarted(pid=1, host="here"), started)
    lost = When(lambda fact: fact.kind == "AttemptFinished", lambda: stop(project, run))
    state = project.drive(run, (lost,))
    assert lost.done
    assert state.finished and state.finished.outcome == "stopped"


@pytest.mark.thorough
def test_a_squash_whose_fact_a_crash_swallowed_counts_as_accepted(project: Project) -> None:
    project.does(WRITE)
    run = project.run(task("a")).run
    base = project.git("rev-parse", "main")
    result = accepted(project, run, squash=True, to="first")
    assert result.commit
    with project.store() as store:  # as if orch had died between branch and fact
        journal = Journal.load(store, run)
        tree = project.git("rev-parse", f"{result.commit}^{{tree}}")
        heads = (HeadRef(task="a", attempt=1),)
        intended = AcceptIntended(
            target="main", before=base, commit=result.commit, tree=tree, heads=heads
        )
        journal.append(intended)
    project.git("merge", "--quiet", "--ff-only", result.commit)
    accepted(project, run, squash=True)
    state = project.state(run)
    assert state.accepting is None
    assert [fact.target for fact in state.accepted] == ["first", "main"]


def test_a_tip_that_nobody_judged_is_not_accepted_unjudged(project: Project) -> None:
    project.commit({"test.sh": "test ! -e evil.txt\n"}, "a gate")
    project.does(WRITE + '[[step]]\ntask = "b"\nsleep_s = 0.5\n')
    run = project.start(task("a"), task("b", needs=("a",)), attempts=1)

    def push() -> None:
        tip = project.git("rev-parse", f"refs/orch/{run}/tip")
        project.git("switch", "--quiet", "--detach", tip)
        new = project.commit({"evil.txt": "never judged"}, "an outsider's")
        project.git("switch", "--quiet", "main")
        project.git("update-ref", f"refs/orch/{run}/tip", new, tip)

    state = project.drive(run, (When(lambda fact: isinstance(fact, Landed), push),))
    assert state.tasks["a"].status == "landed" and state.tasks["b"].status == "queued"
    assert state.finished and state.finished.exit_code == 5, "b is not to blame for it"
    assert accepted(project, run).outcome == "accepted"
    assert "a.txt" in project.files("main")
    assert "evil.txt" not in project.files("main")


def test_a_lock_that_a_killed_git_left_on_the_runs_own_refs_is_cleared(project: Project) -> None:
    project.does(WRITE)
    run = project.start(task("a"))
    prepared = When(lambda fact: isinstance(fact, AttemptPrepared), lambda: stop(project, run))
    project.drive(run, (prepared,))
    (project.root / ".git" / "refs" / "orch" / run / "tip.lock").touch()
    assert project.drive(run).tasks["a"].status == "landed"


def test_what_a_killed_engine_left_running_is_ended_before_its_run_goes_on(
    project: Project,
) -> None:
    project.does(WRITE)
    run = project.start(task("a"))
    with project.store() as store:
        journal = Journal.load(store, run)
        journal.append(EngineStarted(pid=1, host="here"))
        mark = open_scene(project.workplace(), journal, lambda: None).mark_of_run
    orphan = subprocess.Popen(
        ["sleep", "60"], env={**project.environ, "ORCH_MARK": f"{mark}/a/1/nonce"}
    )
    try:
        assert project.drive(run).tasks["a"].status == "landed"
        assert orphan.poll() is not None
    finally:
        orphan.kill()
        orphan.wait()
