"""Where things stand: `evolve` folds one fact at a time into a `RunState`.

1. A task is `ready` when each of its needs has landed or is unchanged; `skipped` while one of
   them is failed, skipped or rejected; both are derived, no fact says so.
2. A green head joins the end of the queue. The queue's order never changes before a place
   that something is known of (`suspects`, `cut`), so what is known of a prefix stays true.
3. `suspects` is the length of the shortest prefix of the queue that is known to be red on
   the tip (0: none). Landing a part of it shortens it: the tree is the same. `cut` is the
   length beyond which the queue does not merge (0: not known of any).
4. What is known of a tree (`TreeRecord`) outlives the candidate that carried it.
5. An engine's start reopens a run; a person's fact does too.
6. What a gate says of a tip that somebody else moved counts while the tip is there. Red twice,
   it was never the fault of the attempts that began there: none of them is charged for it.
7. An illegal fact raises `IllegalEvent` and changes nothing; so does any fact of a cleaned run
   but another clean or a notice.

The fold works in place: `evolve` changes the state it is given. At 10,000 tasks a fact
costs microseconds, not a copy of everything.
"""

from __future__ import annotations

from collections.abc import Iterable

from ledger import events as e
from ledger.accept_fold import evolve_accept, refuse_after_clean
from ledger.calls_fold import abandon_calls, evolve_calls, forget_budgets
from ledger.events import HeadRef
from ledger.forge_fold import evolve_forge
from ledger.queue_fold import evolve_candidate, evolve_sent_back, prune
from ledger.standing import DONE as DONE
from ledger.standing import STUCK as STUCK
from ledger.standing import AttemptState as AttemptState
from ledger.standing import BaselineStatus as BaselineStatus
from ledger.standing import CandidateState as CandidateState
from ledger.standing import CandidateStatus as CandidateStatus
from ledger.standing import IllegalEvent as IllegalEvent
from ledger.standing import Landing as Landing
from ledger.standing import RoundState as RoundState
from ledger.standing import RunState as RunState
from ledger.standing import Status as Status
from ledger.standing import TaskState as TaskState
from ledger.standing import TipMove as TipMove
from ledger.standing import TreeRecord as TreeRecord
from ledger.standing import head_commits as head_commits
from ledger.standing import require
from ledger.task_fold import attempt_under_way, evolve_attempt, find_task, renew, settle, spread
from ledger.task_fold import longest_paths as longest_paths
from ledger.task_fold import reindex as reindex
from ledger.tip_fold import evolve_tip, start_over

FOLD_VERSION = 7
"""Raised when the fold changes, so that snapshots of an older fold are not used."""


def fold(facts: Iterable[tuple[e.Event, float]]) -> RunState:
    """The state after all facts; the first must be `RunStarted`."""
    iterator = iter(facts)
    try:
        first, at = next(iterator)
    except StopIteration:
        raise IllegalEvent("a run without facts") from None
    if not isinstance(first, e.RunStarted):
        raise IllegalEvent(f"a run starts with RunStarted, not {first.kind}")
    state = begin(first, at)
    for event, at in iterator:
        evolve(state, event, at)
    return state


def begin(event: e.RunStarted, at: float) -> RunState:
    """The state of a run that has only started."""
    state = RunState(
        started=event,
        started_at=at,
        limits=event.settings.limits,
        tip=event.base,
        tip_tree=event.base_tree,
        seq=1,
    )
    ranks = longest_paths(event)
    for place, task in enumerate(event.plan.tasks):
        state.tasks[task.id] = TaskState(task=task, place=place, rank=ranks[task.id])
    reindex(state)
    for task_state in state.tasks.values():
        if not task_state.task.needs:
            settle(state, task_state, "ready")
    return state


def _reopen(state: RunState) -> None:
    if state.finished:
        state.flakes_told = len(state.flakes)
    state.finished = state.finished_at = None


def evolve(state: RunState, event: e.Event, at: float) -> RunState:
    """Fold one fact into the state, in place; the same state is returned."""
    refuse_after_clean(state, event)
    match event:
        case e.RunStarted():
            raise IllegalEvent("the run has started already")
        case e.EngineStarted():
            state.engines += 1
            state.stop = None
            abandon_calls(state)
            start_over(state)
            _reopen(state)
            if state.baseline == "red":
                state.baseline = "unknown"
        case e.LimitsChanged():
            state.limits = event.limits
            forget_budgets(state)
            _reopen(state)
        case e.StopRequested():
            state.stop = event
        case e.RunFinished():
            state.finished, state.finished_at = event, at
        case e.Notified():
            state.notified = event
        case e.Noticed():
            state.notices.append(event)
        case e.BaselineStarted() | e.BaselineGateJudged() | e.BaselineFinished():
            _evolve_baseline(state, event)
        case e.BaselineLost():
            require(state.baseline == "running", "no baseline is under way")
            state.baseline = "unknown"
        case (
            e.AttemptStarted()
            | e.AttemptPrepared()
            | e.RoundFinished()
            | e.RoundGateJudged()
            | e.CheckerJudged()
            | e.AttemptFinished()
        ):
            evolve_attempt(state, event, at)
        case (
            e.CandidateBuilt()
            | e.PrefixCut()
            | e.JudgingStarted()
            | e.CandidateGateJudged()
            | e.CandidateJudged()
            | e.CandidateDropped()
            | e.LandingIntended()
            | e.Landed()
            | e.CandidateStale()
        ):
            evolve_candidate(state, event, at)
        case e.CallReserved() | e.CallSettled() | e.BudgetReached() | e.ProviderPaused():
            evolve_calls(state, event)
        case e.McpToolCalled():
            attempt_under_way(state, event.task, event.attempt)
        case e.HeadSentBack():
            evolve_sent_back(state, event)
        case e.FlakeSeen():
            state.flakes.append(event)
            record = state.trees.get(event.tree)
            if record:
                record.reds = 0
            if state.moved and state.moved.tree == event.tree and event.gate in state.moved.said:
                state.moved.said[event.gate].reds = 0
        case e.TipMoved() | e.TipJudgingStarted() | e.TipGateJudged() | e.TipJudgingLost():
            evolve_tip(state, event, at)
        case e.TaskGivenUp() | e.TaskHeld():
            task = find_task(state, event.task)
            require(task.status in ("ready", "waiting", "held"), f"{event.task} is {task.status}")
            task.note = event.why
            settle(state, task, "failed" if isinstance(event, e.TaskGivenUp) else "held")
            spread(state, event.task)
        case (
            e.PathAllowed()
            | e.RetryRequested()
            | e.QuestionAnswered()
            | e.TaskTaken()
            | e.HeadSubmitted()
            | e.RejectRequested()
            | e.TaskRejected()
            | e.RejectRefused()
        ):
            _evolve_person(state, event, at)
        case e.AcceptIntended() | e.Accepted():
            evolve_accept(state, event)
        case e.AcceptGateJudged():
            pass
        case (
            e.PushIntended()
            | e.Pushed()
            | e.PullRequestIntended()
            | e.PullRequestOpened()
            | e.PullRequestUpdated()
        ):
            evolve_forge(state, event)
        case e.RunCleaned():
            state.cleaned = event
    state.seq += 1
    return state


def _evolve_baseline(
    state: RunState, event: e.BaselineStarted | e.BaselineGateJudged | e.BaselineFinished
) -> None:
    match event:
        case e.BaselineStarted():
            require(state.baseline in ("unknown", "red"), f"the baseline is {state.baseline}")
            state.baseline = "running"
            state.baseline_verdicts = {}
        case e.BaselineGateJudged():
            require(state.baseline == "running", "no baseline is under way")
            state.baseline_verdicts[event.verdict.gate] = event.verdict
        case e.BaselineFinished():
            require(state.baseline == "running", "no baseline is under way")
            red = [v for v in state.baseline_verdicts.values() if v.outcome != "passed"]
            if not red:
                state.baseline = "green"
                state.trees.setdefault(state.started.base_tree, TreeRecord()).passed = True
            else:
                state.baseline = "advisory" if state.started.allow_red_base else "red"


def _evolve_person(
    state: RunState,
    event: e.PathAllowed
    | e.RetryRequested
    | e.QuestionAnswered
    | e.TaskTaken
    | e.HeadSubmitted
    | e.RejectRequested
    | e.TaskRejected
    | e.RejectRefused,
    at: float,
) -> None:
    match event:
        case e.PathAllowed():
            task = find_task(state, event.task)
            task.allowed.append(event.path)
            wanted = state.to_allow(task)
            if task.last and wanted and all(path in task.allowed for path in wanted):
                task.last.sent_back = None
                settle(state, task, "queued")
                state.queue.append(HeadRef(task=event.task, attempt=task.last.number))
            _reopen(state)
        case e.RetryRequested():
            task = find_task(state, event.task)
            require(
                task.status in ("failed", "held", "rejected", "unchanged", "skipped"),
                f"{event.task} is {task.status}",
            )
            task.charged = task.lost = 0
            task.budget_reached = None
            task.note = task.asked = event.note
            renew(state, task)
            spread(state, event.task)
            _reopen(state)
        case e.QuestionAnswered():
            task = find_task(state, event.task)
            require(task.question is not None, f"{event.task} has asked nothing")
            # Whoever reads it, the worker first, is to know that no person said so.
            by = f" (said by {event.said_by}, an agent)" if event.said_by else ""
            task.answers.append((task.question or "", f"{event.answer}{by}"))
            task.note = ""
            renew(state, task)
            _reopen(state)
        case e.TaskTaken():
            find_task(state, event.task)
        case e.HeadSubmitted():
            task = find_task(state, event.task)
            require(
                task.status not in ("working", "queued", "landed"),
                f"{event.task} is {task.status}",
            )
            require(event.attempt == len(task.attempts) + 1, "a submission out of turn")
            started = e.AttemptStarted(
                task=event.task, attempt=event.attempt, base=event.base, worker="person"
            )
            finished = e.AttemptFinished(
                task=event.task,
                attempt=event.attempt,
                outcome="green",
                head=event.head,
                tree=event.tree,
            )
            task.attempts.append(
                AttemptState(started, at, finished=finished, finished_at=at, submitted=True)
            )
            settle(state, task, "queued")
            spread(state, event.task)
            state.queue.append(HeadRef(task=event.task, attempt=event.attempt))
            _reopen(state)
        case e.RejectRequested():
            for task_id in event.tasks:
                require(find_task(state, task_id).status == "landed", f"{task_id} has not landed")
            state.rejections.append(event.tasks)
            _reopen(state)
        case e.TaskRejected():
            task = find_task(state, event.task)
            require(task.status == "held", f"{event.task} is {task.status}, not held")
            settle(state, task, "rejected")
            spread(state, event.task)
            _reopen(state)
        case e.RejectRefused():
            state.rejections = [r for r in state.rejections if r != event.tasks]
            prune(state)
