"""The fold's part for tasks and their attempts, and the indexes over them."""

from __future__ import annotations

from bisect import bisect_left, insort

from ledger import events as e
from ledger.events import HeadRef
from ledger.model import TaskId
from ledger.standing import (
    DONE,
    STUCK,
    AttemptState,
    IllegalEvent,
    RoundState,
    RunState,
    Status,
    TaskState,
    no_tasks,
    require,
)


def reindex(state: RunState) -> None:
    """Derive the indexes from the rest of the state."""
    dependents: dict[TaskId, list[TaskId]] = {task_id: [] for task_id in state.tasks}
    state.by_status = no_tasks()
    for task_id, task_state in state.tasks.items():
        for need in task_state.task.needs:
            dependents[need].append(task_id)
        state.by_status[task_state.status][task_id] = None
    state.dependents = {task_id: tuple(ids) for task_id, ids in dependents.items()}
    state.ready = sorted(ready_key(state.tasks[task_id]) for task_id in state.by_status["ready"])
    state.ready_paths = {}
    for *_, task_id in state.ready:
        _count_paths(state, state.tasks[task_id], 1)
    state.again = {task_id: None for *_, task_id in state.ready if state.tasks[task_id].attempts}
    state.open_candidates = {
        number: None for number, candidate in state.candidates.items() if candidate.status != "over"
    }


def longest_paths(event: e.RunStarted) -> dict[TaskId, float]:
    """Seconds from each task's start to the end of the plan, by the recorded estimates."""
    plan, estimates = event.plan, event.estimates
    default = event.settings.worker
    unmet: dict[TaskId, int] = {task.id: 0 for task in plan.tasks}
    for task in plan.tasks:
        for need in task.needs:
            unmet[need] += 1
    by_id = {task.id: task for task in plan.tasks}
    rank: dict[TaskId, float] = dict.fromkeys(by_id, 0.0)
    last = [task_id for task_id, count in unmet.items() if count == 0]
    while last:
        task = by_id[last.pop()]
        worker = task.worker or default or ""
        rank[task.id] += estimates.attempt_s_by_worker.get(worker, estimates.attempt_s)
        for need in task.needs:
            rank[need] = max(rank[need], rank[task.id])
            unmet[need] -= 1
            if unmet[need] == 0:
                last.append(need)
    return rank


def ready_key(task: TaskState) -> tuple[float, int, TaskId]:
    return (-task.rank, task.place, task.task.id)


def settle(state: RunState, task: TaskState, status: Status) -> None:
    """Move one task to a status and keep the indexes right."""
    if task.status == status:
        return
    state.by_status[task.status].pop(task.task.id, None)
    if task.status == "ready":
        del state.ready[bisect_left(state.ready, ready_key(task))]
        state.again.pop(task.task.id, None)
        _count_paths(state, task, -1)
    task.status = status
    state.by_status[status][task.task.id] = None
    if status == "ready":
        insort(state.ready, ready_key(task))
        _count_paths(state, task, 1)
        if task.attempts:
            state.again[task.task.id] = None


def by_needs(state: RunState, task: TaskState) -> Status:
    """What a task that nobody works on is, going by what it needs."""
    needs = [state.tasks[need].status for need in task.task.needs]
    if any(status in STUCK for status in needs):
        return "skipped"
    return "ready" if all(status in DONE for status in needs) else "waiting"


def renew(state: RunState, task: TaskState) -> None:
    """The task may be tried again, if what it needs still stands: a person may have rejected it."""
    settle(state, task, by_needs(state, task))
    if task.status == "skipped":
        spread(state, task.task.id)


def _count_paths(state: RunState, task: TaskState, step: int) -> None:
    paths = "\0".join(task.task.paths)  # a key that JSON can carry too
    count = state.ready_paths.get(paths, 0) + step
    if count:
        state.ready_paths[paths] = count
    else:
        del state.ready_paths[paths]


def spread(state: RunState, source: TaskId) -> None:
    """Derive anew what follows for the tasks that need `source`, directly or not."""
    pending = [source]
    while pending:
        for task_id in state.dependents[pending.pop()]:
            task = state.tasks[task_id]
            if task.status not in ("waiting", "ready", "skipped"):
                continue
            new = by_needs(state, task)
            if new != task.status:
                settle(state, task, new)
                pending.append(task_id)


def find_task(state: RunState, task_id: TaskId) -> TaskState:
    task = state.tasks.get(task_id)
    if task is None:
        raise IllegalEvent(f"no task {task_id} in run {state.run}")
    return task


def attempt_under_way(
    state: RunState, task_id: TaskId, number: int
) -> tuple[TaskState, AttemptState]:
    task = find_task(state, task_id)
    attempt = task.last
    if attempt is None or attempt.number != number or attempt.finished is not None:
        raise IllegalEvent(f"attempt {number} at {task_id} is not under way")
    return task, attempt


def evolve_attempt(
    state: RunState,
    event: e.AttemptStarted
    | e.AttemptPrepared
    | e.RoundFinished
    | e.RoundGateJudged
    | e.CheckerJudged
    | e.AttemptFinished,
    at: float,
) -> None:
    if isinstance(event, e.AttemptStarted):
        task = find_task(state, event.task)
        require(task.status == "ready", f"{event.task} is {task.status}, not ready")
        require(event.attempt == len(task.attempts) + 1, f"attempt {event.attempt} out of turn")
        task.attempts.append(AttemptState(started=event, started_at=at))
        task.note = ""
        settle(state, task, "working")
        return
    task, attempt = attempt_under_way(state, event.task, event.attempt)
    match event:
        case e.AttemptPrepared():
            attempt.prepared = event
        case e.RoundFinished():
            require(event.round == len(attempt.rounds) + 1, f"round {event.round} out of turn")
            attempt.rounds.append(RoundState(event))
        case e.RoundGateJudged():
            require(0 < event.round == len(attempt.rounds), f"round {event.round} is not the last")
            attempt.rounds[-1].verdicts.append(event.verdict)
        case e.CheckerJudged():
            require(0 < event.round == len(attempt.rounds), f"round {event.round} is not the last")
            attempt.rounds[-1].checked = event
        case e.AttemptFinished():
            needs_head = event.outcome in ("green", "held") and event.cause != "question"
            require(not needs_head or event.head is not None, "a green attempt has a head")
            attempt.finished, attempt.finished_at = event, at
            task.lost = task.lost + event.trouble if event.outcome == "lost" else 0
            task.note = event.why
            if event.outcome != "lost":
                state.attempt_s = event.duration_s
            match event.outcome:
                case "green":
                    settle(state, task, "queued")
                    state.queue.append(HeadRef(task=event.task, attempt=event.attempt))
                case "unchanged":
                    settle(state, task, "unchanged")
                    spread(state, event.task)
                case "held":
                    settle(state, task, "held")
                case "failed":
                    task.charged += 1
                    renew(state, task)
                case "lost":
                    renew(state, task)
