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
6. An illegal fact raises `IllegalEvent` and changes nothing.

The fold works in place: `evolve` changes the state it is given. At 10,000 tasks a fact
costs microseconds, not a copy of everything.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from ledger import events as e
from ledger.events import HeadRef
from ledger.model import Limits, Plan, Sha, Task, TaskId, Verdict

FOLD_VERSION = 1
"""Raised when the fold changes, so that snapshots of an older fold are not used."""

Status = Literal[
    "waiting",
    "ready",
    "working",
    "queued",
    "landed",
    "unchanged",
    "held",
    "failed",
    "skipped",
    "rejected",
]
DONE: frozenset[Status] = frozenset({"landed", "unchanged"})
STUCK: frozenset[Status] = frozenset({"failed", "skipped", "rejected"})
BaselineStatus = Literal["unknown", "running", "green", "advisory", "red"]
CandidateStatus = Literal["built", "judging", "passed", "failed", "unable", "landing", "over"]


class IllegalEvent(Exception):
    """A fact that cannot follow what is recorded; the state is as it was."""


@dataclass(slots=True)
class RoundState:
    """One round: what the worker did, and what the check gates said of it."""

    finished: e.RoundFinished
    verdicts: list[Verdict] = field(default_factory=list)


@dataclass(slots=True)
class AttemptState:
    """One attempt, as its facts tell it."""

    started: e.AttemptStarted
    started_at: float
    prepared: e.AttemptPrepared | None = None
    rounds: list[RoundState] = field(default_factory=list)
    finished: e.AttemptFinished | None = None
    finished_at: float | None = None
    sent_back: e.HeadSentBack | None = None
    submitted: bool = False
    """A person's head, not a worker's."""

    @property
    def number(self) -> int:
        return self.started.attempt

    @property
    def head(self) -> Sha | None:
        return self.finished.head if self.finished else None


@dataclass(slots=True)
class TaskState:
    """One task, its attempts and where it stands."""

    task: Task
    place: int
    """Its place in the plan."""
    rank: float = 0.0
    """Seconds of the longest path from its start to the end of the plan."""
    status: Status = "waiting"
    attempts: list[AttemptState] = field(default_factory=list)
    charged: int = 0
    """Attempts used up since the start, or since a person asked for another."""
    lost: int = 0
    """Attempts lost one after the other, by nobody's fault."""
    note: str = ""
    """What a person, or the reason for its state, has to say."""
    asked: str = ""
    """What a person said when they asked for another try; every later attempt is told."""
    allowed: list[str] = field(default_factory=list)
    landed_by: int | None = None
    """The candidate that carried it."""

    @property
    def last(self) -> AttemptState | None:
        return self.attempts[-1] if self.attempts else None


@dataclass(slots=True)
class CandidateState:
    """One candidate, from its building to its end."""

    built: e.CandidateBuilt
    status: CandidateStatus = "built"
    confirms: bool = False
    verdicts: list[Verdict] = field(default_factory=list)
    judged: e.CandidateJudged | None = None
    judging_at: float | None = None


@dataclass(slots=True)
class TreeRecord:
    """What all gates together said of a tree in this run."""

    passed: bool = False
    reds: int = 0
    unable: int = 0
    red_gate: str | None = None


@dataclass(slots=True)
class Landing:
    """One step of the result."""

    candidate: int
    commit: Sha
    tree: Sha
    before: Sha
    heads: tuple[HeadRef, ...]
    removes: tuple[TaskId, ...]
    at: float


@dataclass(slots=True)
class RunState:
    """Where a run stands after the facts so far."""

    started: e.RunStarted
    started_at: float
    limits: Limits
    tip: Sha
    tip_tree: Sha
    seq: int = 0
    tasks: dict[TaskId, TaskState] = field(default_factory=dict)
    baseline: BaselineStatus = "unknown"
    baseline_verdicts: dict[str, Verdict] = field(default_factory=dict)
    queue: list[HeadRef] = field(default_factory=list)
    suspects: int = 0
    cut: int = 0
    candidates: dict[int, CandidateState] = field(default_factory=dict)
    trees: dict[Sha, TreeRecord] = field(default_factory=dict)
    landings: list[Landing] = field(default_factory=list)
    rejections: list[tuple[TaskId, ...]] = field(default_factory=list)
    flakes: list[e.FlakeSeen] = field(default_factory=list)
    notices: list[e.Noticed] = field(default_factory=list)
    accepted: list[e.Accepted] = field(default_factory=list)
    accepting: e.AcceptIntended | None = None
    blamed: int = 0
    stop: e.StopRequested | None = None
    finished: e.RunFinished | None = None
    finished_at: float | None = None
    cleaned: e.RunCleaned | None = None
    engines: int = 0
    # indexes, derived from the above
    dependents: dict[TaskId, tuple[TaskId, ...]] = field(default_factory=dict)
    by_status: dict[Status, dict[TaskId, None]] = field(default_factory=dict)
    ready: list[tuple[float, int, TaskId]] = field(default_factory=list)
    """Ready tasks, the longest remaining path first."""
    ready_paths: dict[tuple[str, ...], int] = field(default_factory=dict)
    """How many ready tasks declare each list of paths."""
    again: dict[TaskId, None] = field(default_factory=dict)
    """Ready tasks that were tried before."""
    open_candidates: dict[int, None] = field(default_factory=dict)
    """Candidates that something may still come of."""

    @property
    def run(self) -> str:
        return self.started.run

    @property
    def plan(self) -> Plan:
        return self.started.plan

    def with_status(self, status: Status) -> tuple[TaskId, ...]:
        """The ids of the tasks in that state, in the order in which they came into it."""
        return tuple(self.by_status.get(status, ()))

    def attempt(self, ref: HeadRef) -> AttemptState:
        """The attempt that a head came from; IllegalEvent where there is none."""
        state = self.tasks.get(ref.task)
        if state is None or not 1 <= ref.attempt <= len(state.attempts):
            raise IllegalEvent(f"no attempt {ref.attempt} at {ref.task}")
        return state.attempts[ref.attempt - 1]

    def prefix_of(self, candidate: CandidateState) -> int | None:
        """How many heads of the queue, from its front, the candidate covers.

        Heads of it that have landed since do not count: its tree is the same. None where it
        is no prefix (any more), or where the tip is not one that it could lead to.
        """
        built = candidate.built
        if built.removes:
            return None
        rest = [h for h in built.heads if self.tasks[h.task].status != "landed"]
        landed = len(built.heads) - len(rest)
        if landed == 0:
            if built.base != self.tip:
                return None
        elif not self._led_to(built, landed):
            return None
        if self.queue[: len(rest)] != rest:
            return None
        return len(rest)

    def _led_to(self, built: e.CandidateBuilt, landed: int) -> bool:
        """Whether the tip is the candidate's base plus the first `landed` of its heads."""
        want = list(built.heads[:landed])
        tip = self.tip
        for landing in reversed(self.landings):
            # a tip that somebody else moved, now or in between, leads to another tree
            if landing.commit != tip or not landing.heads:
                return False
            rest = len(want) - len(landing.heads)
            if rest < 0 or tuple(want[rest:]) != landing.heads:
                return False
            del want[rest:]
            tip = landing.before
            if not want:
                return tip == built.base
        return False


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
            _settle(state, task_state, "ready")
    return state


def reindex(state: RunState) -> None:
    """Derive the indexes from the rest of the state."""
    dependents: dict[TaskId, list[TaskId]] = {task_id: [] for task_id in state.tasks}
    state.by_status = {}
    for task_id, task_state in state.tasks.items():
        for need in task_state.task.needs:
            dependents[need].append(task_id)
        state.by_status.setdefault(task_state.status, {})[task_id] = None
    state.dependents = {task_id: tuple(ids) for task_id, ids in dependents.items()}
    state.ready = sorted(
        _ready_key(state.tasks[task_id]) for task_id in state.by_status.get("ready", ())
    )
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


def _ready_key(task: TaskState) -> tuple[float, int, TaskId]:
    return (-task.rank, task.place, task.task.id)


def _settle(state: RunState, task: TaskState, status: Status) -> None:
    """Move one task to a status and keep the indexes right."""
    if task.status == status:
        return
    state.by_status.get(task.status, {}).pop(task.task.id, None)
    if task.status == "ready":
        del state.ready[bisect_left(state.ready, _ready_key(task))]
        state.again.pop(task.task.id, None)
        _count_paths(state, task, -1)
    task.status = status
    state.by_status.setdefault(status, {})[task.task.id] = None
    if status == "ready":
        insort(state.ready, _ready_key(task))
        _count_paths(state, task, 1)
        if task.attempts:
            state.again[task.task.id] = None


def _by_needs(state: RunState, task: TaskState) -> Status:
    """What a task that nobody works on is, going by what it needs."""
    needs = [state.tasks[need].status for need in task.task.needs]
    if any(status in STUCK for status in needs):
        return "skipped"
    return "ready" if all(status in DONE for status in needs) else "waiting"


def _renew(state: RunState, task: TaskState) -> None:
    """The task may be tried again, if what it needs still stands: a person may have rejected it."""
    _settle(state, task, _by_needs(state, task))
    if task.status == "skipped":
        _spread(state, task.task.id)


def _count_paths(state: RunState, task: TaskState, step: int) -> None:
    paths = task.task.paths
    count = state.ready_paths.get(paths, 0) + step
    if count:
        state.ready_paths[paths] = count
    else:
        del state.ready_paths[paths]


def _spread(state: RunState, source: TaskId) -> None:
    """Derive anew what follows for the tasks that need `source`, directly or not."""
    pending = [source]
    while pending:
        for task_id in state.dependents[pending.pop()]:
            task = state.tasks[task_id]
            if task.status not in ("waiting", "ready", "skipped"):
                continue
            new = _by_needs(state, task)
            if new != task.status:
                _settle(state, task, new)
                pending.append(task_id)


def _close(state: RunState, candidate: CandidateState) -> None:
    candidate.status = "over"
    state.open_candidates.pop(candidate.built.candidate, None)


def _task(state: RunState, task_id: TaskId) -> TaskState:
    task = state.tasks.get(task_id)
    if task is None:
        raise IllegalEvent(f"no task {task_id} in run {state.run}")
    return task


def _attempt(state: RunState, task_id: TaskId, number: int) -> tuple[TaskState, AttemptState]:
    task = _task(state, task_id)
    attempt = task.last
    if attempt is None or attempt.number != number or attempt.finished is not None:
        raise IllegalEvent(f"attempt {number} at {task_id} is not under way")
    return task, attempt


def _candidate(state: RunState, number: int, *statuses: CandidateStatus) -> CandidateState:
    candidate = state.candidates.get(number)
    if candidate is None or candidate.status not in statuses:
        now = candidate.status if candidate else "unknown"
        raise IllegalEvent(f"candidate {number} is {now}, not {' or '.join(statuses)}")
    return candidate


def _prune(state: RunState, replaced_by: e.CandidateBuilt | None = None) -> None:
    """Close the candidates that nothing can come of any more.

    One that is being judged stays until its judging ends: policy says when to end it.
    """
    for number in list(state.open_candidates):
        candidate = state.candidates[number]
        if candidate.status in ("judging", "landing"):
            continue
        if candidate.built.removes:
            alive = (
                candidate.built.base == state.tip and candidate.built.removes in state.rejections
            )
        else:
            alive = bool(state.prefix_of(candidate))
            if replaced_by and candidate.built.base != state.tip and replaced_by.heads:
                alive = alive and replaced_by.heads[-1] != candidate.built.heads[-1]
        if not alive:
            _close(state, candidate)


def _forget_prefix(state: RunState, place: int) -> None:
    """The head at that place leaves the queue without landing."""
    if place < state.suspects:
        state.suspects = 0
    if place < state.cut:
        state.cut = 0


def _dequeue(state: RunState, ref: HeadRef) -> None:
    place = state.queue.index(ref)
    del state.queue[place]
    _forget_prefix(state, place)


def _require(condition: bool, why: str) -> None:
    if not condition:
        raise IllegalEvent(why)


def _reopen(state: RunState) -> None:
    state.finished = state.finished_at = None


def evolve(state: RunState, event: e.Event, at: float) -> RunState:
    """Fold one fact into the state, in place; the same state is returned."""
    match event:
        case e.RunStarted():
            raise IllegalEvent("the run has started already")
        case e.EngineStarted():
            state.engines += 1
            state.stop = None
            _reopen(state)
            if state.baseline == "red":
                state.baseline = "unknown"
        case e.LimitsChanged():
            state.limits = event.limits
            _reopen(state)
        case e.StopRequested():
            state.stop = event
        case e.RunFinished():
            state.finished, state.finished_at = event, at
        case e.Noticed():
            state.notices.append(event)
        case e.BaselineStarted() | e.BaselineGateJudged() | e.BaselineFinished():
            _evolve_baseline(state, event)
        case e.BaselineLost():
            _require(state.baseline == "running", "no baseline is under way")
            state.baseline = "unknown"
        case (
            e.AttemptStarted()
            | e.AttemptPrepared()
            | e.RoundFinished()
            | e.RoundGateJudged()
            | e.AttemptFinished()
        ):
            _evolve_attempt(state, event, at)
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
            _evolve_candidate(state, event, at)
        case e.HeadSentBack():
            _evolve_sent_back(state, event)
        case e.FlakeSeen():
            state.flakes.append(event)
            record = state.trees.get(event.tree)
            if record:
                record.reds = 0
        case e.TaskGivenUp() | e.TaskHeld():
            task = _task(state, event.task)
            _require(task.status in ("ready", "waiting", "held"), f"{event.task} is {task.status}")
            task.note = event.why
            _settle(state, task, "failed" if isinstance(event, e.TaskGivenUp) else "held")
            _spread(state, event.task)
        case (
            e.PathAllowed()
            | e.RetryRequested()
            | e.TaskTaken()
            | e.HeadSubmitted()
            | e.RejectRequested()
            | e.RejectRefused()
        ):
            _evolve_person(state, event, at)
        case e.AcceptIntended():
            state.accepting = event
        case e.AcceptGateJudged():
            pass
        case e.Accepted():
            state.accepted.append(event)
            state.accepting = None
        case e.RunCleaned():
            state.cleaned = event
    state.seq += 1
    return state


def _evolve_baseline(
    state: RunState, event: e.BaselineStarted | e.BaselineGateJudged | e.BaselineFinished
) -> None:
    match event:
        case e.BaselineStarted():
            _require(state.baseline in ("unknown", "red"), f"the baseline is {state.baseline}")
            state.baseline = "running"
            state.baseline_verdicts = {}
        case e.BaselineGateJudged():
            _require(state.baseline == "running", "no baseline is under way")
            state.baseline_verdicts[event.verdict.gate] = event.verdict
        case e.BaselineFinished():
            _require(state.baseline == "running", "no baseline is under way")
            red = [v for v in state.baseline_verdicts.values() if v.outcome != "passed"]
            if not red:
                state.baseline = "green"
                state.trees.setdefault(state.started.base_tree, TreeRecord()).passed = True
            else:
                state.baseline = "advisory" if state.started.allow_red_base else "red"


def _evolve_attempt(
    state: RunState,
    event: e.AttemptStarted
    | e.AttemptPrepared
    | e.RoundFinished
    | e.RoundGateJudged
    | e.AttemptFinished,
    at: float,
) -> None:
    if isinstance(event, e.AttemptStarted):
        task = _task(state, event.task)
        _require(task.status == "ready", f"{event.task} is {task.status}, not ready")
        _require(event.attempt == len(task.attempts) + 1, f"attempt {event.attempt} out of turn")
        task.attempts.append(AttemptState(started=event, started_at=at))
        task.note = ""
        _settle(state, task, "working")
        return
    task, attempt = _attempt(state, event.task, event.attempt)
    match event:
        case e.AttemptPrepared():
            attempt.prepared = event
        case e.RoundFinished():
            _require(event.round == len(attempt.rounds) + 1, f"round {event.round} out of turn")
            attempt.rounds.append(RoundState(event))
        case e.RoundGateJudged():
            _require(0 < event.round == len(attempt.rounds), f"round {event.round} is not the last")
            attempt.rounds[-1].verdicts.append(event.verdict)
        case e.AttemptFinished():
            _require(
                event.outcome not in ("green", "held") or event.head is not None,
                "a green attempt has a head",
            )
            attempt.finished, attempt.finished_at = event, at
            task.lost = task.lost + 1 if event.outcome == "lost" else 0
            task.note = event.why
            match event.outcome:
                case "green":
                    _settle(state, task, "queued")
                    state.queue.append(HeadRef(task=event.task, attempt=event.attempt))
                case "unchanged":
                    _settle(state, task, "unchanged")
                    _spread(state, event.task)
                case "held":
                    _settle(state, task, "held")
                case "failed":
                    task.charged += 1
                    _renew(state, task)
                case "lost":
                    _renew(state, task)


def _evolve_candidate(
    state: RunState,
    event: e.CandidateBuilt
    | e.PrefixCut
    | e.JudgingStarted
    | e.CandidateGateJudged
    | e.CandidateJudged
    | e.CandidateDropped
    | e.LandingIntended
    | e.Landed
    | e.CandidateStale,
    at: float,
) -> None:
    match event:
        case e.CandidateBuilt():
            _require(event.candidate == len(state.candidates) + 1, "a candidate out of turn")
            _require(event.base == state.tip, "a candidate that is not built on the tip")
            _require(bool(event.heads) != bool(event.removes), "a candidate adds or removes")
            front = tuple(state.queue[: len(event.heads)])
            _require(event.heads == front, "its heads are not the front of the queue")
            _prune(state, replaced_by=event)
            state.candidates[event.candidate] = CandidateState(event)
            state.open_candidates[event.candidate] = None
        case e.PrefixCut():
            _require(0 < event.length < len(state.queue), "a cut outside the queue")
            state.cut = event.length
        case e.JudgingStarted():
            candidate = _candidate(state, event.candidate, "built", "failed", "unable")
            candidate.status, candidate.confirms = "judging", event.confirms
            candidate.judging_at = at
        case e.CandidateGateJudged():
            _candidate(state, event.candidate, "judging").verdicts.append(event.verdict)
        case e.CandidateJudged():
            _judged(state, _candidate(state, event.candidate, "judging"), event)
        case e.CandidateDropped():
            open_statuses: tuple[CandidateStatus, ...] = (
                *("built", "judging", "passed", "failed", "unable"),
            )
            _close(state, _candidate(state, event.candidate, *open_statuses))
        case e.LandingIntended():
            candidate = _candidate(state, event.candidate, "passed")
            _require(candidate.built.base == state.tip, "the tip is not the candidate's base")
            candidate.status = "landing"
        case e.Landed():
            _landed(state, _candidate(state, event.candidate, "landing"), at)
        case e.CandidateStale():
            _close(state, _candidate(state, event.candidate, "landing", "passed", "built"))
            state.tip, state.tip_tree = event.tip, event.tip_tree
            state.suspects = state.cut = 0
            _prune(state)


def _judged(state: RunState, candidate: CandidateState, event: e.CandidateJudged) -> None:
    candidate.judged = event
    record = state.trees.setdefault(candidate.built.tree, TreeRecord())
    match event.outcome:
        case "passed":
            record.passed = True
            candidate.status = "passed"
            return
        case "failed":
            # only a confirming run surely ran: any other may repeat what was known of the tree
            record.reds = record.reds + 1 if candidate.confirms else max(record.reds, 1)
            record.red_gate = event.gate
            candidate.status = "failed"
        case "could-not-run":
            record.unable += 1
            record.red_gate = event.gate
            candidate.status = "unable"
            if record.unable < 2:
                return
    prefix = state.prefix_of(candidate)
    if prefix:
        state.suspects = min(state.suspects or prefix, prefix)


def _landed(state: RunState, candidate: CandidateState, at: float) -> None:
    built = candidate.built
    count = len(built.heads)
    _require(built.base == state.tip, "the tip is not the candidate's base")
    _require(tuple(state.queue[:count]) == built.heads, "its heads are not in front any more")
    del state.queue[:count]
    for ref in built.heads:
        task = state.tasks[ref.task]
        task.landed_by = built.candidate
        _settle(state, task, "landed")
    state.suspects = max(0, state.suspects - count)
    state.cut = max(0, state.cut - count)
    if built.removes:
        state.suspects = state.cut = 0
        state.rejections = [r for r in state.rejections if r != built.removes]
        for task_id in built.removes:
            _settle(state, state.tasks[task_id], "rejected")
    state.landings.append(
        Landing(
            built.candidate, built.commit, built.tree, state.tip, built.heads, built.removes, at
        )
    )
    state.tip, state.tip_tree = built.commit, built.tree
    _close(state, candidate)
    _prune(state)
    for task_id in (*(ref.task for ref in built.heads), *built.removes):
        _spread(state, task_id)


def _evolve_sent_back(state: RunState, event: e.HeadSentBack) -> None:
    ref = HeadRef(task=event.task, attempt=event.attempt)
    _require(ref in state.queue, f"{event.task} is not queued")
    task, attempt = state.tasks[event.task], state.attempt(ref)
    _dequeue(state, ref)
    attempt.sent_back = event
    task.note = event.why
    if event.charged:
        task.charged += 1
        state.blamed += 1
    _renew(state, task)
    _prune(state)


def _evolve_person(
    state: RunState,
    event: e.PathAllowed
    | e.RetryRequested
    | e.TaskTaken
    | e.HeadSubmitted
    | e.RejectRequested
    | e.RejectRefused,
    at: float,
) -> None:
    match event:
        case e.PathAllowed():
            task = _task(state, event.task)
            task.allowed.append(event.path)
            last = task.last
            if task.status == "held" and last and last.finished and last.finished.held_paths:
                missing = [p for p in last.finished.held_paths if p not in task.allowed]
                if not missing:
                    _settle(state, task, "queued")
                    state.queue.append(HeadRef(task=event.task, attempt=last.number))
            _reopen(state)
        case e.RetryRequested():
            task = _task(state, event.task)
            _require(
                task.status in ("failed", "held", "rejected", "unchanged", "skipped"),
                f"{event.task} is {task.status}",
            )
            task.charged = task.lost = 0
            task.note = task.asked = event.note
            _renew(state, task)
            _spread(state, event.task)
            _reopen(state)
        case e.TaskTaken():
            _task(state, event.task)
        case e.HeadSubmitted():
            task = _task(state, event.task)
            _require(
                task.status not in ("working", "queued", "landed"),
                f"{event.task} is {task.status}",
            )
            _require(event.attempt == len(task.attempts) + 1, "a submission out of turn")
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
            _settle(state, task, "queued")
            _spread(state, event.task)
            state.queue.append(HeadRef(task=event.task, attempt=event.attempt))
            _reopen(state)
        case e.RejectRequested():
            for task_id in event.tasks:
                _require(_task(state, task_id).status == "landed", f"{task_id} has not landed")
            state.rejections.append(event.tasks)
            _reopen(state)
        case e.RejectRefused():
            state.rejections = [r for r in state.rejections if r != event.tasks]
            _prune(state)


def head_commits(state: RunState, heads: Iterable[HeadRef]) -> Iterator[Sha]:
    """The commits of the heads, in order."""
    for ref in heads:
        head = state.attempt(ref).head
        if head is None:
            raise IllegalEvent(f"attempt {ref.attempt} at {ref.task} has no head")
        yield head
