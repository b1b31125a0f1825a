"""What a run keeps beside its ledger: snapshots, the view for agents, pools, disk space."""

import json
import os
import shlex
import signal
import subprocess
import time

import anyio
import pytest

from ledger.model import CommandWorker
from ledger.snapshot import restore_snapshot
from ledger.state import fold
from orchestrator import patience
from orchestrator.journal import load_state, read_facts
from orchestrator.persons import retry
from orchestrator.policy.settling import LOST_AT_MOST
from orchestrator.runs import mark_of_run, run_folder
from tests.support.faults import Boundary
from tests.support.killed import ended, killed_at, start_engine
from tests.support.project import Project, task
from workers.tree import marked

WRITE = '[[step]]\nwrite = { "{task}.txt" = "by {task}\\n" }\n'


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots after a few facts already."""
    monkeypatch.setattr("orchestrator.journal.EVERY", 5)


@pytest.mark.usefixtures("often")
def test_a_snapshot_is_the_state_that_all_facts_make(project: Project) -> None:
    project.does(WRITE)
    run = project.run(task("a"), task("b", needs=("a",))).run
    with project.store() as store:
        snapshot = store.load_snapshot(run)
        assert snapshot
        facts = [(fact, at) for _, at, fact in read_facts(store, run)]
        assert len(facts) - 5 < snapshot.seq <= len(facts)
        assert restore_snapshot(snapshot) == fold(facts[: snapshot.seq])
        assert load_state(store, run) == fold(facts)


def test_a_short_run_needs_none(project: Project) -> None:
    project.does(WRITE)
    run = project.run(task("a")).run
    with project.store() as store:
        assert store.load_snapshot(run) is None


@pytest.mark.usefixtures("often")
def test_a_snapshot_of_another_fold_or_a_damaged_one_is_not_used(project: Project) -> None:
    from dataclasses import replace

    project.does(WRITE)
    run = project.run(task("a")).run
    with project.store() as store:
        good = store.load_snapshot(run)
        assert good
        assert restore_snapshot(replace(good, fold_version=good.fold_version + 1)) is None
        assert restore_snapshot(replace(good, body=good.body[: len(good.body) // 2])) is None
        expected = load_state(store, run)
        store.save_snapshot(run, replace(good, fold_version=good.fold_version + 1, body=b"{}"))
        assert load_state(store, run) == expected


def test_the_view_for_agents_is_written_where_git_ignores_it(project: Project) -> None:
    project.does(WRITE)
    project.commit({".agent/.gitignore": "state_ledger.json\n"}, "ignore the view")
    run = project.run(task("a")).run
    view = json.loads((project.root / ".agent" / "state_ledger.json").read_text())
    assert view["session_id"] == run and "a" in view["tasks"]
    assert project.git("status", "--porcelain") == ""


def test_the_view_is_not_written_where_git_would_see_it(project: Project) -> None:
    project.does(WRITE)
    project.commit({".agent/RULES.md": "be kind\n"}, "rules")
    project.run(task("a"))
    assert project.git("status", "--porcelain") == ""
    assert not (project.root / ".agent" / "state_ledger.json").exists()


def test_a_full_disk_starts_nothing_new_and_loses_nothing(project: Project) -> None:
    project.does(WRITE)
    state = project.run(task("a"), min_free_gb=1e9)
    assert state.finished and state.finished.outcome == "no-space"
    assert state.finished.exit_code == 4
    assert not state.tasks["a"].attempts


@pytest.mark.thorough
def test_what_a_dead_engine_left_of_its_pools_is_given_back_by_another_run(
    project: Project,
) -> None:
    project.does("[[step]]\nsleep_s = 0.5\n" + WRITE.removeprefix("[[step]]\n"))
    dead = project.start(task("a"))
    assert killed_at(project.root.parent, dead, Boundary("ledger", 8, "after"))
    left = project.git("worktree", "list").splitlines()
    assert any(dead in line for line in left)
    project.run(task("b"))
    assert not any(dead in line for line in project.git("worktree", "list").splitlines())
    state = project.drive(dead)
    assert state.tasks["a"].status == "landed"


def test_what_a_dead_engine_left_at_work_is_ended_before_another_run_begins(
    project: Project,
) -> None:
    at_work = project.root.parent / "at-work"
    command = f"touch {shlex.quote(str(at_work))}; exec sleep 600"
    project.more_settings = {
        "worker": "sh",
        "workers": {"sh": CommandWorker(kind="command", command=command)},
    }
    dead = project.start(task("a"))
    engine = start_engine(project.root.parent, dead)
    deadline = time.monotonic() + 60
    while not at_work.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(engine.pid or 0, signal.SIGKILL)
    ended(engine)
    project.more_settings = {}
    common = project.workplace().repository.common_dir
    left = marked(mark_of_run(common, dead))
    assert left
    project.does(WRITE)
    project.run(task("b"))
    assert not marked(mark_of_run(common, dead))


def test_nothing_of_a_finished_run_lies_in_its_folder(project: Project) -> None:
    project.does(WRITE)
    run = project.run(task("a")).run
    assert not run_folder(project.workplace().place, run).exists()


def test_a_garbage_collection_in_the_middle_loses_nothing(project: Project) -> None:
    """With `--prune=now` git may take an object in the moment between its writing and its naming.

    git says so of that option, and nobody can close that gap from outside. So more than one end is
    right: an attempt that was just committing is lost, is nobody's fault, and another one follows,
    or a person lets it be tried again who sees how often it was.
    What has a name, and what orch can make again by itself, is never lost.
    """
    project.does('[[step]]\nsleep_s = 0.2\nwrite = { "{task}.txt" = "by {task}\\n" }\n')

    class Collector:
        """Takes what no ref names, whenever a candidate was built or judged."""

        def on_facts(self, state, facts) -> None:  # type: ignore[no-untyped-def]
            if facts[-1][0].kind in ("CandidateBuilt", "CandidateJudged", "RoundFinished"):
                # It may meet what itself has just taken, and then says so and changes nothing.
                command = ("git", "gc", "--quiet", "--prune=now")
                subprocess.run(command, cwd=project.root, env=project.environ, check=False)

        def on_line(self, where: str, text: str) -> None:
            pass

    run = project.start(*(task(f"t{n}") for n in range(4)))
    state = project.drive(run, (Collector(),))
    if held := state.with_status("held"):
        with project.store() as store:
            for task_id in held:
                assert state.tasks[task_id].lost >= LOST_AT_MOST
                retry(store, run, task_id)
        state = project.drive(run)
    assert len(state.with_status("landed")) == 4
    for one in state.tasks.values():
        assert one.charged == 0
        *lost, last = [attempt.finished for attempt in one.attempts]
        assert last and last.outcome == "green"
        assert all(finished and finished.outcome == "lost" for finished in lost)


class Workspaces:
    """Counts the workers' workspaces as facts come, and hears what orch itself does."""

    def __init__(self, project: Project) -> None:
        self.root = project.root.parent / "state"
        self.counts: dict[str, int] = {}
        self.heard: list[str] = []

    def on_facts(self, state, facts) -> None:  # type: ignore[no-untyped-def]
        there = [path for path in self.root.rglob("orch-*-worker-*") if path.is_dir()]
        for fact, _ in facts:
            self.counts[f"{fact.kind} {getattr(fact, 'task', '')}".strip()] = len(there)

    def on_line(self, where: str, text: str) -> None:
        if not where:
            self.heard.append(text)


def test_workspaces_that_no_task_will_need_go_while_the_run_goes_on(project: Project) -> None:
    project.does(
        '[[step]]\nsleep_s = 0.3\nwrite = { "{task}.txt" = "by {task}\\n" }\n'
        '[[step]]\ntask = "last"\nsleep_s = 2\n'
    )
    first = [f"t{number}" for number in range(4)]
    run = project.start(*map(task, first), task("last", needs=tuple(first)), parallel=4)
    seen = Workspaces(project)
    state = project.drive(run, (seen,))
    assert state.finished and state.finished.outcome == "complete"
    assert max(seen.counts[f"AttemptFinished {name}"] for name in first) >= 2
    assert seen.counts["AttemptFinished last"] == 1
    assert not [path for path in seen.root.rglob("orch-*-worker-*") if path.is_dir()]


@pytest.mark.thorough
def test_what_takes_its_time_at_the_end_is_said(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.does(WRITE)
    run = project.start(task("a"))
    quick, slow = Workspaces(project), Workspaces(project)
    project.drive(run, (quick,))
    assert quick.heard == []
    monkeypatch.setattr(patience, "MOMENT_S", 0.0)
    project.drive(project.start(task("b")), (slow,))
    assert [text for text in slow.heard if text.startswith("removing 2 workspaces")]
    assert not [path for path in slow.root.rglob("orch-*-worker-*") if path.is_dir()]


async def test_only_what_is_slow_is_told_and_an_error_comes_as_it_is() -> None:
    told: list[str] = []
    await patience.patiently(lambda: anyio.sleep(0), "quick", told.append)
    assert told == []
    await patience.patiently(lambda: anyio.sleep(patience.MOMENT_S + 0.3), "slow", told.append)

    async def fails() -> None:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        await patience.patiently(fails, "failing", told.append)
    assert told == ["slow"]
