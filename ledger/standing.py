"""Where a run stands: the values that the fold makes. They change only in `ledger.state`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, get_args

from ledger import events as e
from ledger.books import Books
from ledger.events import HeadRef
from ledger.model import FEWER_TESTS, Limits, Plan, Sha, Task, TaskId, Verdict

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


def no_tasks() -> dict[Status, dict[TaskId, None]]:
    """An index by status with nothing in it."""
    return {status: {} for status in get_args(Status)}


class IllegalEvent(Exception):
    """A fact that cannot follow what is recorded; the state is as it was."""


@dataclass(slots=True)
class RoundState:
    """One round: what the worker did, and what the check gates and the checker said of it."""

    finished: e.RoundFinished
    verdicts: list[Verdict] = field(default_factory=list)
    checked: e.CheckerJudged | None = None


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
    taken_out: bool = False
    """Its head had landed, and was taken out of the result again."""
    acquitted: bool = False
    """The gate that it failed by was not green where it began either."""

    @property
    def number(self) -> int:
        return self.started.attempt

    @property
    def head(self) -> Sha | None:
        return self.finished.head if self.finished else None

    @property
    def not_green(self) -> tuple[str, ...]:
        """The check gates that were not green when they last judged a round of it."""
        for round_state in reversed(self.rounds):
            if round_state.verdicts:
                return tuple(v.gate for v in round_state.verdicts if v.outcome != "passed")
        return ()


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
    answers: list[tuple[str, str]] = field(default_factory=list)
    """What it asked a person, and what they said; every later attempt is told."""
    budget_reached: e.BudgetReached | None = None
    """Its budget held no further call."""
    allowed: list[str] = field(default_factory=list)
    landed_by: int | None = None
    """The candidate that carried it into the result; absent where nothing of it stands there."""
    landed_attempt: int | None = None
    """The attempt whose head that was."""

    @property
    def last(self) -> AttemptState | None:
        return self.attempts[-1] if self.attempts else None

    @property
    def question(self) -> str | None:
        """What it asks a person, while it waits for that."""
        finished = self.last.finished if self.last else None
        asks = self.status == "held" and finished is not None and finished.cause == "question"
        return finished.why if finished and asks else None

    @property
    def landed_head(self) -> HeadRef | None:
        """The head that stands in the result."""
        if self.landed_attempt is None:
            return None
        return HeadRef(task=self.task.id, attempt=self.landed_attempt)

    @property
    def last_telling(self) -> AttemptState | None:
        """The last attempt that is over and was not lost: a lost one says nothing of the task."""
        for attempt in reversed(self.attempts):
            if attempt.finished and attempt.finished.outcome != "lost":
                return attempt
        return None


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

    @property
    def confirmed(self) -> bool:
        """Whether what was not green was so twice."""
        return self.reds >= 2 or self.unable >= 2


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
class TipMove:
    """A step of the tip that somebody else made."""

    before: Sha
    tip: Sha
    tree: Sha
    at: float
    without: tuple[Sha, ...] = ()
    """Where it had been moved to before, and what it does not hold any more."""
    said: dict[str, TreeRecord] = field(default_factory=dict)
    """What counts of what each gate said of it."""
    verdicts: list[Verdict] = field(default_factory=list)


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
    moves: list[TipMove] = field(default_factory=list)
    tip_judging: e.TipJudgingStarted | None = None
    rejections: list[tuple[TaskId, ...]] = field(default_factory=list)
    flakes: list[e.FlakeSeen] = field(default_factory=list)
    flakes_told: int = 0
    """How many of them the run's end has told: who goes on knows of them."""
    notices: list[e.Noticed] = field(default_factory=list)
    notified: e.Notified | None = None
    """What a person was told last of its end."""
    accepted: list[e.Accepted] = field(default_factory=list)
    accepting: e.AcceptIntended | None = None
    pushed: dict[str, e.Pushed] = field(default_factory=dict)
    """By branch on the remote, what was pushed last."""
    pushing: dict[str, e.PushIntended] = field(default_factory=dict)
    pull_requests: dict[str, e.PullRequestOpened] = field(default_factory=dict)
    """By branch on the remote."""
    blamed: int = 0
    books: Books = field(default_factory=Books)
    """What model calls cost, and may yet; without caps."""
    calls: int = 0
    budget_reached: e.BudgetReached | None = None
    pauses: dict[str, float] = field(default_factory=dict)
    """By provider, until when calls to it wait, in seconds since the epoch."""
    attempt_s: float | None = None
    """What the newest attempt that was not lost took, from start to end."""
    stop: e.StopRequested | None = None
    finished: e.RunFinished | None = None
    finished_at: float | None = None
    cleaned: e.RunCleaned | None = None
    engines: int = 0
    # indexes, derived from the above
    dependents: dict[TaskId, tuple[TaskId, ...]] = field(default_factory=dict)
    by_status: dict[Status, dict[TaskId, None]] = field(default_factory=no_tasks)
    ready: list[tuple[float, int, TaskId]] = field(default_factory=list)
    """Ready tasks, the longest remaining path first."""
    ready_paths: dict[str, int] = field(default_factory=dict)
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

    @property
    def result(self) -> Sha:
        """What landed last; the base where nothing has."""
        return self.landings[-1].commit if self.landings else self.started.base

    @property
    def moved(self) -> TipMove | None:
        """How the tip came to where it is; None where orch landed that, or started from it."""
        return self.moves[-1] if self.moves and self.tip != self.result else None

    def worker_of(self, task: Task) -> str:
        """The name of the worker that a task is for."""
        return task.worker or self.started.settings.worker or ""

    def ladder_of(self, task: Task) -> tuple[str, ...]:
        """The models of its worker, which are asked in turn; none for a command."""
        worker = self.started.settings.workers.get(self.worker_of(task))
        return worker.models if worker is not None and worker.kind == "model" else ()

    def by_model(self) -> frozenset[str]:
        """The names of workers that are models."""
        workers = self.started.settings.workers
        return frozenset(name for name, worker in workers.items() if worker.kind == "model")

    def with_status(self, status: Status) -> tuple[TaskId, ...]:
        """The ids of the tasks in that state, in the order in which they came into it."""
        return tuple(self.by_status[status])

    def landed_heads(self) -> dict[TaskId, HeadRef]:
        """By task, the heads that stand in the result."""
        landed = {task_id: self.tasks[task_id].landed_head for task_id in self.by_status["landed"]}
        return {task_id: head for task_id, head in landed.items() if head}

    def attempt(self, ref: HeadRef) -> AttemptState:
        """The attempt that a head came from; IllegalEvent where there is none."""
        state = self.tasks.get(ref.task)
        if state is None or not 1 <= ref.attempt <= len(state.attempts):
            raise IllegalEvent(f"no attempt {ref.attempt} at {ref.task}")
        return state.attempts[ref.attempt - 1]

    def to_allow(self, task: TaskState) -> tuple[str, ...]:
        """What a person must allow before the task's last head goes on; empty: nothing would do."""
        last = task.last
        if task.status != "held" or last is None or last.finished is None:
            return ()
        if last.sent_back is None:
            return last.finished.held_paths
        candidate = self.candidates.get(last.sent_back.candidate or 0)
        if last.sent_back.cause != "could-not-run" or candidate is None:
            return ()
        # Its tree may have been judged before, as what longer candidates came to.
        same = (c for c in self.candidates.values() if c.built.tree == candidate.built.tree)
        said = [v for c in same for v in c.verdicts if v.outcome == "could-not-run"]
        return (FEWER_TESTS,) if said and said[-1].needed_tests is not None else ()

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


def head_commits(state: RunState, heads: Iterable[HeadRef]) -> Iterator[Sha]:
    """The commits of the heads, in order."""
    for ref in heads:
        head = state.attempt(ref).head
        if head is None:
            raise IllegalEvent(f"attempt {ref.attempt} at {ref.task} has no head")
        yield head


def require(condition: bool, why: str) -> None:
    if not condition:
        raise IllegalEvent(why)
