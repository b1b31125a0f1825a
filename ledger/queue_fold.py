"""The fold's part for the queue and its candidates."""

from __future__ import annotations

from ledger import events as e
from ledger.events import HeadRef
from ledger.standing import (
    CandidateState,
    CandidateStatus,
    IllegalEvent,
    Landing,
    RunState,
    TaskState,
    TipMove,
    TreeRecord,
    require,
)
from ledger.task_fold import renew, settle, spread


def _close(state: RunState, candidate: CandidateState) -> None:
    candidate.status = "over"
    state.open_candidates.pop(candidate.built.candidate, None)


def find_candidate(state: RunState, number: int, *statuses: CandidateStatus) -> CandidateState:
    candidate = state.candidates.get(number)
    if candidate is None or candidate.status not in statuses:
        now = candidate.status if candidate else "unknown"
        raise IllegalEvent(f"candidate {number} is {now}, not {' or '.join(statuses)}")
    return candidate


def prune(state: RunState, replaced_by: e.CandidateBuilt | None = None) -> None:
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


def evolve_candidate(
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
            require(event.candidate == len(state.candidates) + 1, "a candidate out of turn")
            require(event.base == state.tip, "a candidate that is not built on the tip")
            require(bool(event.heads) != bool(event.removes), "a candidate adds or removes")
            front = tuple(state.queue[: len(event.heads)])
            require(event.heads == front, "its heads are not the front of the queue")
            prune(state, replaced_by=event)
            state.candidates[event.candidate] = CandidateState(event)
            state.open_candidates[event.candidate] = None
        case e.PrefixCut():
            require(0 < event.length < len(state.queue), "a cut outside the queue")
            state.cut = event.length
        case e.JudgingStarted():
            candidate = find_candidate(state, event.candidate, "built", "failed", "unable")
            candidate.status, candidate.confirms = "judging", event.confirms
            candidate.judging_at = at
        case e.CandidateGateJudged():
            find_candidate(state, event.candidate, "judging").verdicts.append(event.verdict)
        case e.CandidateJudged():
            _judged(state, find_candidate(state, event.candidate, "judging"), event)
        case e.CandidateDropped():
            open_statuses: tuple[CandidateStatus, ...] = (
                *("built", "judging", "passed", "failed", "unable"),
            )
            _close(state, find_candidate(state, event.candidate, *open_statuses))
        case e.LandingIntended():
            candidate = find_candidate(state, event.candidate, "passed")
            require(candidate.built.base == state.tip, "the tip is not the candidate's base")
            candidate.status = "landing"
        case e.Landed():
            _landed(state, find_candidate(state, event.candidate, "landing"), at)
        case e.CandidateStale():
            _close(state, find_candidate(state, event.candidate, "landing", "passed", "built"))
            move_tip(state, event, at)


def move_tip(state: RunState, event: e.CandidateStale | e.TipMoved, at: float) -> None:
    """The tip is where somebody else put it: nothing is known of what would be built on it."""
    if event.tip != state.tip:
        state.moves.append(TipMove(state.tip, event.tip, event.tip_tree, at, event.without))
    state.tip, state.tip_tree = event.tip, event.tip_tree
    state.suspects = state.cut = 0
    prune(state)


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
            # what confirms is the same gate, red again: another one's red is a first one
            if record.red_gate != event.gate:
                record.reds, record.red_gate = 0, event.gate
            record.reds = record.reds + 1 if candidate.confirms else max(record.reds, 1)
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
    require(built.base == state.tip, "the tip is not the candidate's base")
    require(tuple(state.queue[:count]) == built.heads, "its heads are not in front any more")
    del state.queue[:count]
    for ref in built.heads:
        task = state.tasks[ref.task]
        task.landed_by, task.landed_attempt = built.candidate, ref.attempt
        settle(state, task, "landed")
    state.suspects = max(0, state.suspects - count)
    state.cut = max(0, state.cut - count)
    if built.removes:
        state.suspects = state.cut = 0
        state.rejections = [r for r in state.rejections if r != built.removes]
        for task_id in built.removes:
            _take_out(state, state.tasks[task_id])
    state.landings.append(
        Landing(
            built.candidate, built.commit, built.tree, state.tip, built.heads, built.removes, at
        )
    )
    state.tip, state.tip_tree = built.commit, built.tree
    _close(state, candidate)
    prune(state)
    for task_id in (*(ref.task for ref in built.heads), *built.removes):
        spread(state, task_id)


def _take_out(state: RunState, task: TaskState) -> None:
    if task.landed_attempt is not None:
        task.attempts[task.landed_attempt - 1].taken_out = True
    task.landed_by = task.landed_attempt = None
    settle(state, task, "rejected")


def evolve_sent_back(state: RunState, event: e.HeadSentBack) -> None:
    ref = HeadRef(task=event.task, attempt=event.attempt)
    require(ref in state.queue, f"{event.task} is not queued")
    task, attempt = state.tasks[event.task], state.attempt(ref)
    _dequeue(state, ref)
    attempt.sent_back = event
    task.note = event.why
    if event.charged:
        task.charged += 1
        state.blamed += 1
    renew(state, task)
    prune(state)
