"""What facts make of tasks, attempts and the run."""

from __future__ import annotations

import pytest

from ledger import events as e
from ledger.model import Limits
from ledger.state import fold, reindex
from tests.support.builders import Story, head, started, verdict

CHAIN = {"a": [], "b": ["a"], "c": ["b"], "lone": []}


def test_only_tasks_that_need_nothing_are_ready_at_first():
    story = Story.of(CHAIN)
    assert story.statuses() == {"a": "ready", "b": "waiting", "c": "waiting", "lone": "ready"}
    assert story.state.with_status("waiting") == ("b", "c")
    assert story.state.dependents == {"a": ("b",), "b": ("c",), "c": (), "lone": ()}


def test_ranks_follow_the_longest_path_and_the_workers_pace():
    first = started(CHAIN, attempt_s=10.0)
    assert {t: s.rank for t, s in fold([(first, 0.0)]).tasks.items()} == {
        "a": 30.0,
        "b": 20.0,
        "c": 10.0,
        "lone": 10.0,
    }
    slow = e.Estimates(attempt_s=10.0, attempt_s_by_worker={"coder": 100.0})
    assert fold([(first.model_copy(update={"estimates": slow}), 0.0)]).tasks["a"].rank == 300.0


def test_a_task_becomes_ready_when_the_last_of_its_needs_has_landed():
    story = Story.of({"a": [], "b": [], "c": ["a", "b"]}).baseline().lands_at_once("a")
    assert story.state.tasks["c"].status == "waiting"
    story.starts("b").ends("b", "unchanged")
    assert story.state.tasks["c"].status == "ready"


def test_what_needs_a_task_that_was_given_up_is_skipped_all_the_way():
    story = Story.of(CHAIN).tell(e.TaskGivenUp(task="a", why="used up"))
    assert story.statuses() == {"a": "failed", "b": "skipped", "c": "skipped", "lone": "ready"}
    assert story.state.tasks["a"].note == "used up"


def test_a_retry_wakes_what_was_skipped():
    story = Story.of(CHAIN).tell(e.TaskGivenUp(task="a", why="used up"))
    story.tell(e.RetryRequested(task="a", note="try the other way"))
    assert story.statuses() == {"a": "ready", "b": "waiting", "c": "waiting", "lone": "ready"}
    assert story.state.tasks["a"].charged == 0


def test_a_skipped_task_that_is_retried_stays_skipped_while_its_need_is_failed():
    story = Story.of(CHAIN).tell(e.TaskGivenUp(task="a", why="used up"))
    story.tell(e.RetryRequested(task="b"))
    assert story.state.tasks["b"].status == "skipped"


def test_a_failed_attempt_is_charged_and_a_lost_one_is_not():
    story = Story.of(1).starts("t1").ends("t1", "failed", why="exit 1")
    task = story.state.tasks["t1"]
    assert (task.status, task.charged, task.lost, task.note) == ("ready", 1, 0, "exit 1")
    story.starts("t1").ends("t1", "lost").starts("t1").ends("t1", "lost")
    assert (task.status, task.charged, task.lost) == ("ready", 1, 2)
    story.starts("t1").ends("t1", "failed")
    assert (task.charged, task.lost) == (2, 0)
    assert story.state.again == {"t1": None}


def test_rounds_and_their_verdicts_belong_to_the_attempt():
    story = Story.of(1).starts("t1")
    story.tell(
        e.AttemptPrepared(task="t1", attempt=1, workspace="w", reapplied="clean"),
        e.RoundFinished(task="t1", attempt=1, round=1, commit="c1"),
        e.RoundGateJudged(task="t1", attempt=1, round=1, verdict=verdict("failed")),
        e.RoundFinished(task="t1", attempt=1, round=2, commit="c2"),
        e.RoundGateJudged(task="t1", attempt=1, round=2, verdict=verdict("passed")),
        e.CheckerJudged(task="t1", attempt=1, round=2, worker="c", model="m", blocking=1),
    )
    attempt = story.state.tasks["t1"].attempts[0]
    assert attempt.prepared is not None
    assert attempt.prepared.reapplied == "clean"
    assert [r.finished.commit for r in attempt.rounds] == ["c1", "c2"]
    assert [[v.outcome for v in r.verdicts] for r in attempt.rounds] == [["failed"], ["passed"]]
    assert [r.checked and r.checked.blocking for r in attempt.rounds] == [None, 1]


def test_a_held_head_waits_for_every_path_to_be_allowed():
    story = Story.of({"a": [], "b": ["a"]}).starts("a")
    story.ends("a", "held", held_paths=("conftest.py", "tox.ini"))
    assert story.statuses() == {"a": "held", "b": "waiting"}
    story.tell(e.PathAllowed(task="a", path="conftest.py"))
    assert story.state.queue == []
    story.tell(e.PathAllowed(task="a", path="tox.ini"))
    assert story.state.queue == [head("a")]
    assert story.state.tasks["a"].status == "queued"


def test_a_baseline_is_green_advisory_or_red():
    assert Story.of(1).baseline().state.baseline == "green"
    assert Story.of(1).baseline("failed").state.baseline == "red"
    assert Story.of(1).baseline("could-not-run").state.baseline == "red"
    allowed = Story.of(1, allow_red_base=True).baseline("failed")
    assert allowed.state.baseline == "advisory"
    assert allowed.state.baseline_verdicts["unit"].outcome == "failed"


def test_another_engine_judges_a_red_base_anew_and_keeps_a_green_one():
    engine = e.EngineStarted(pid=2, host="here")
    assert Story.of(1).baseline("failed").tell(engine).state.baseline == "unknown"
    assert Story.of(1).baseline().tell(engine).state.baseline == "green"


def test_the_base_counts_as_judged_when_its_gates_are_green():
    assert Story.of(1).baseline().state.trees["base-tree"].passed
    assert "base-tree" not in Story.of(1).baseline("failed").state.trees


@pytest.mark.parametrize(
    "fact",
    [
        e.EngineStarted(pid=2, host="here"),
        e.LimitsChanged(limits=Limits(parallel=1)),
        e.RetryRequested(task="gone"),
        e.PathAllowed(task="held", path="x"),
        e.HeadSubmitted(task="gone", attempt=1, base="base", head="h", tree="t"),
        e.RejectRequested(tasks=("done",)),
        e.TaskRejected(task="held"),
    ],
    ids=lambda fact: fact.kind,
)
def test_a_person_or_another_engine_reopens_a_finished_run(fact):
    story = Story.of({"gone": [], "held": [], "done": []}).baseline().lands_at_once("done")
    story.starts("held").ends("held", "held", held_paths=("x",))
    story.tell(e.TaskGivenUp(task="gone", why="no"))
    story.tell(e.StopRequested(), e.RunFinished(outcome="stopped", exit_code=130))
    assert story.state.finished is not None
    story.tell(fact)
    assert story.state.finished is None
    assert story.state.finished_at is None


def test_another_engine_forgets_that_it_was_told_to_stop():
    story = Story.of(1).tell(e.StopRequested())
    story.tell(e.EngineStarted(pid=2, host="here"))
    assert story.state.stop is None
    assert story.state.engines == 1


def test_accepting_and_cleaning_are_remembered():
    both = {"target": "main", "before": "x", "commit": "c", "tree": "t", "heads": (head("t1"),)}
    story = Story.of(1).baseline().lands_at_once("t1").tell(e.AcceptIntended(**both))
    assert story.state.accepting == e.AcceptIntended(**both)
    story.tell(e.AcceptGateJudged(verdict=verdict()), e.Accepted(**both))
    assert story.state.accepting is None
    assert story.state.accepted == [e.Accepted(**both)]
    story.tell(e.RunCleaned(kept=("ref",)), e.Noticed(what="odd"))
    assert story.state.cleaned == e.RunCleaned(kept=("ref",))
    assert story.state.notices == [e.Noticed(what="odd")]


def test_the_number_of_facts_is_the_place_in_the_ledger():
    story = Story.of(2).baseline().queues("t1")
    assert story.state.seq == len(story.facts)


def test_replaying_the_facts_gives_the_state_and_so_do_fresh_indexes():
    story = Story.of(CHAIN).baseline().lands_at_once("a").queues("lone").starts("b")
    story.tell(e.TaskGivenUp(task="c", why="no"))
    again = fold(story.facts)
    assert again == story.state
    reindex(again)
    assert {s: set(ids) for s, ids in again.by_status.items() if ids} == {
        s: set(ids) for s, ids in story.state.by_status.items() if ids
    }
    assert (again.ready, again.again) == (story.state.ready, story.state.again)
    assert again.ready_paths == story.state.ready_paths
    assert again.dependents == story.state.dependents
    assert again.open_candidates == story.state.open_candidates
