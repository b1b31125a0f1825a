"""What a person says, while a run goes on and after it."""

from __future__ import annotations

from ledger import events as e
from tests.support.builders import Story, head


def submission(task: str, attempt: int) -> e.HeadSubmitted:
    return e.HeadSubmitted(task=task, attempt=attempt, base="base", head="mine", tree="mine-tree")


def test_a_submitted_head_is_queued_like_any_other():
    story = Story.of({"a": [], "b": ["a"]}, attempts=1).baseline().starts("a").ends("a", "failed")
    story.tell(e.TaskGivenUp(task="a", why="used up"))
    assert story.statuses() == {"a": "failed", "b": "skipped"}
    story.tell(e.TaskTaken(task="a", branch="take/a", head="h"), submission("a", 2))
    assert story.statuses() == {"a": "queued", "b": "waiting"}
    last = story.state.tasks["a"].last
    assert last is not None
    assert (last.submitted, last.head, last.started.worker) == (True, "mine", "person")
    number = story.builds(1)
    story.judges(number).lands(number)
    assert story.statuses() == {"a": "landed", "b": "ready"}


def test_submitting_for_an_unchanged_task_makes_its_dependants_wait():
    story = Story.of({"a": [], "b": ["a"]}).starts("a").ends("a", "unchanged")
    assert story.state.tasks["b"].status == "ready"
    story.tell(submission("a", 2))
    assert story.state.tasks["b"].status == "waiting"


def test_a_rejected_task_leaves_the_result_and_what_needs_it_is_skipped():
    story = Story.of({"a": [], "b": ["a"], "c": []}).baseline().lands_at_once("a", "c")
    story.tell(e.RejectRequested(tasks=("a",)))
    assert story.state.rejections == [("a",)]
    number = story.builds_without("a")
    story.judges(number).lands(number)
    assert story.statuses() == {"a": "rejected", "b": "skipped", "c": "landed"}
    assert story.state.rejections == []
    assert story.state.landings[-1].removes == ("a",)


def test_a_refused_rejection_leaves_everything_as_it_was():
    story = Story.of({"a": [], "b": ["a"]}).baseline().lands_at_once("a")
    story.tell(e.RejectRequested(tasks=("a",)))
    story.judges(story.builds_without("a"), "failed")
    story.tell(e.RejectRefused(tasks=("a",), why="the rest is red without it"))
    assert story.statuses() == {"a": "landed", "b": "ready"}
    assert story.state.open_candidates == {}


def test_a_worker_whose_need_was_rejected_meanwhile_is_not_tried_again():
    for outcome in ("failed", "lost"):
        story = Story.of({"a": [], "b": ["a"], "c": ["b"]}).baseline().lands_at_once("a")
        story.starts("b").tell(e.RejectRequested(tasks=("a",)))
        number = story.builds_without("a")
        story.judges(number).lands(number)
        assert story.state.tasks["b"].status == "working"
        story.ends("b", outcome)
        assert story.statuses() == {"a": "rejected", "b": "skipped", "c": "skipped"}


def test_a_head_sent_back_after_its_need_was_rejected_is_skipped():
    story = Story.of({"a": [], "b": ["a"]}).baseline().lands_at_once("a").queues("b")
    story.tell(e.RejectRequested(tasks=("a",)))
    number = story.builds_without("a")
    story.judges(number).lands(number)
    story.tell(e.HeadSentBack(task="b", attempt=1, cause="red"))
    assert story.statuses() == {"a": "rejected", "b": "skipped"}


def test_a_rejected_task_can_be_tried_again():
    story = Story.of({"a": [], "b": ["a"]}).baseline().lands_at_once("a")
    story.tell(e.RejectRequested(tasks=("a",)))
    number = story.builds_without("a")
    story.judges(number).lands(number).tell(e.RetryRequested(task="a"))
    assert story.statuses() == {"a": "ready", "b": "waiting"}
    story.queues("a")
    assert story.state.queue == [head("a", 2)]


def test_the_queue_survives_a_rejection_and_forgets_its_prefixes():
    story = Story.of(4).baseline().lands_at_once("t1").queues("t2", "t3")
    story.judges(story.builds(2), "failed").tell(e.RejectRequested(tasks=("t1",)))
    number = story.builds_without("t1")
    story.judges(number).lands(number)
    assert story.state.queue == [head("t2"), head("t3")]
    assert (story.state.suspects, story.state.cut) == (0, 0)


def test_a_held_task_that_is_rejected_stops_what_needs_it_until_it_is_tried_again():
    story = Story.of({"a": [], "b": ["a"], "c": ["b"], "d": []}).baseline().lands_at_once("d")
    story.starts("a").ends("a", "held", held_paths=("x",), why="it is protected")
    assert story.statuses() == {"a": "held", "b": "waiting", "c": "waiting", "d": "landed"}
    story.tell(e.TaskRejected(task="a"))
    assert story.statuses() == {"a": "rejected", "b": "skipped", "c": "skipped", "d": "landed"}
    last = story.state.tasks["a"].last
    assert last is not None and last.head and not last.taken_out
    story.tell(e.RetryRequested(task="a"))
    assert story.statuses() == {"a": "ready", "b": "waiting", "c": "waiting", "d": "landed"}
    story.queues("a")
    assert story.state.queue == [head("a", 2)]
