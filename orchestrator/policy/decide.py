"""What to do next: `decide(state, guide, now)` gives orders. Pure.

Rules, in this order; the first that orders something at once ends the look:

1. A finished run orders nothing.
2. A stop, a passed deadline or a red base ends all that is under way, in order; then the run
   is finished. Nothing new starts meanwhile.
3. A task whose attempts are used up is given up. One that no gate could run on, or whose
   worker was lost five times by trouble of its own, is held for a person: neither is its
   fault, nor can it go on. A queued head whose need was taken out of the result goes back.
4. What passed on the tip lands, once the baseline is known; the longest prefix first.
5. What was judged on an earlier tip and would be the same tree is built anew on this one.
6. A judging whose answer nobody needs any more is ended.
7. Rejections by a person come before the queue.
8. The queue goes on as `queue` says; one suspect is confirmed, then sent back.
9. The baseline starts at once; ready tasks start as `readiness` says.
10. When nothing is left, the run is finished; its exit code says what came of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger import events as e
from ledger.events import HeadRef
from ledger.state import STUCK, CandidateState, RunState
from orchestrator.policy.orders import (
    BuildCandidate,
    EndAll,
    EndJudging,
    JudgeCandidate,
    LandCandidate,
    Order,
    Record,
    RunBaseline,
    StartAttempt,
)
from orchestrator.policy.queue import failure_rate, next_lengths
from orchestrator.policy.readiness import Guide, startable, under_way_at_most

LOST_AT_MOST = 5
"""Attempts lost one after the other before a person is asked."""


@dataclass(frozen=True, slots=True)
class Now:
    """What policy needs to know of the world."""

    at: float
    """Seconds since the epoch."""
    free_gb: float = float("inf")


def decide(state: RunState, guide: Guide, now: Now) -> tuple[Order, ...]:
    """The orders that follow from where things stand."""
    if state.finished:
        return ()
    for rule in (_end, _settle_tasks, _land):
        orders = rule(state, now)
        if orders:
            return orders
    ends = _end_useless(state)
    if state.rejections:
        rejecting = _reject(state)
        if any(isinstance(order, (Record, BuildCandidate)) for order in rejecting):
            return (*ends, *rejecting)
        return (*ends, *rejecting, *_start(state, guide, now))
    queue = _advance_queue(state)
    if any(isinstance(order, (Record, BuildCandidate)) for order in queue):
        return (*ends, *queue)
    return (*ends, *queue, *_start(state, guide, now)) or _finish(state, now)


# --- 2. ending --------------------------------------------------------------------------------


def under_way(state: RunState) -> bool:
    """Whether a worker or a gate is at work."""
    return (
        bool(state.by_status.get("working"))
        or state.baseline == "running"
        or any(state.candidates[n].status == "judging" for n in state.open_candidates)
    )


def _end(state: RunState, now: Now) -> tuple[Order, ...]:
    deadline = state.limits.deadline
    if state.stop:
        outcome: tuple[Order, ...] = _finished("stopped", 130, state.stop.why)
    elif deadline is not None and now.at >= deadline:
        outcome = _finished("deadline", 4, "the deadline has passed")
    elif state.baseline == "red":
        red = sorted(n for n, v in state.baseline_verdicts.items() if v.outcome != "passed")
        outcome = _finished("red-base", 5, f"not green on the base: {', '.join(red)}")
    else:
        return ()
    if under_way(state):
        return (EndAll("the run is ending"),)
    return outcome


def _finished(outcome: str, exit_code: int, why: str = "") -> tuple[Order, ...]:
    fact = e.RunFinished.model_validate({"outcome": outcome, "exit_code": exit_code, "why": why})
    return (Record(fact),)


# --- 3. tasks that cannot go on ---------------------------------------------------------------


def _settle_tasks(state: RunState, now: Now) -> tuple[Order, ...]:
    orders: list[Order] = []
    for task_id in state.again:
        task = state.tasks[task_id]
        if task.charged >= state.limits.attempts:
            tries = "1 attempt" if task.charged == 1 else f"{task.charged} attempts"
            why = f"given up after {tries}: {task.note}" if task.note else f"gave up after {tries}"
            orders.append(Record(e.TaskGivenUp(task=task_id, why=why)))
        elif task.lost >= LOST_AT_MOST:
            why = f"its worker was lost {task.lost} times: {task.note}"
            orders.append(Record(e.TaskHeld(task=task_id, why=why)))
    if any(landing.removes for landing in state.landings):
        orders += _without_needs(state)
    return tuple(orders)


def _without_needs(state: RunState) -> list[Order]:
    """A queued head whose need was taken out of the result waits for it again."""
    orders: list[Order] = []
    for head in state.queue:
        needs = state.tasks[head.task].task.needs
        gone = [need for need in needs if state.tasks[need].status in STUCK]
        if gone:
            fact = e.HeadSentBack(
                task=head.task,
                attempt=head.attempt,
                cause="need",
                why=f"what it needs was taken out of the result: {', '.join(gone)}",
                charged=False,
            )
            orders.append(Record(fact))
    return orders


# --- 4 to 6. candidates -----------------------------------------------------------------------


def _open(state: RunState) -> list[CandidateState]:
    return [state.candidates[number] for number in state.open_candidates]


def _land(state: RunState, now: Now) -> tuple[Order, ...]:
    if state.baseline not in ("green", "advisory"):
        return ()
    passed = [c for c in _open(state) if c.status == "passed"]
    here = [
        c for c in passed if c.built.base == state.tip and (c.built.removes or state.prefix_of(c))
    ]
    if here:
        best = max(here, key=lambda c: (bool(c.built.removes), len(c.built.heads)))
        record = state.trees[best.built.tree]
        if record.reds:
            flake = e.FlakeSeen(
                gate=record.red_gate or "",
                tree=best.built.tree,
                candidate=best.built.candidate,
            )
            return (Record(flake),)
        return (LandCandidate(best.built.candidate),)
    lengths = [length for c in passed if (length := state.prefix_of(c))]
    if lengths:
        return (_build(state, tuple(state.queue[: max(lengths)])),)
    return ()


def _build(state: RunState, heads: tuple[HeadRef, ...]) -> BuildCandidate:
    return BuildCandidate(len(state.candidates) + 1, state.tip, heads)


def _end_useless(state: RunState) -> list[Order]:
    orders: list[Order] = []
    for candidate in _open(state):
        if candidate.status != "judging" or candidate.built.removes:
            continue
        length = state.prefix_of(candidate)
        if not length:
            orders.append(EndJudging(candidate.built.candidate, "the queue has changed"))
        elif state.suspects and length >= state.suspects and not candidate.confirms:
            orders.append(EndJudging(candidate.built.candidate, "a part of it is red already"))
    return orders


# --- 7. rejections ----------------------------------------------------------------------------


def _reject(state: RunState) -> list[Order]:
    tasks = state.rejections[0]
    gone = [task_id for task_id in tasks if state.tasks[task_id].status != "landed"]
    if gone:
        why = f"not in the result any more: {', '.join(gone)}"
        return [Record(e.RejectRefused(tasks=tasks, why=why))]
    mine = [c for c in _open(state) if c.built.removes == tasks and c.built.base == state.tip]
    if not mine:
        return [BuildCandidate(len(state.candidates) + 1, state.tip, removes=tasks)]
    candidate = mine[-1]
    match candidate.status:
        case "built" | "failed" | "unable" if _slots(state) < 1:
            return []
        case "built":
            return [JudgeCandidate(candidate.built.candidate)]
        case "failed" | "unable" if not _is_confirmed(state, candidate):
            return [JudgeCandidate(candidate.built.candidate, confirms=True)]
        case "failed" | "unable":
            gate = candidate.judged.gate if candidate.judged else None
            why = f"gate '{gate}' is not green without them"
            return [Record(e.RejectRefused(tasks=tasks, why=why))]
        case _:
            return []


def _is_confirmed(state: RunState, candidate: CandidateState) -> bool:
    """Whether what was not green on its tree was so twice."""
    record = state.trees.get(candidate.built.tree)
    return bool(record and (record.reds >= 2 or record.unable >= 2))


# --- 8. the queue -----------------------------------------------------------------------------


def _slots(state: RunState) -> int:
    """Free gate slots; a baseline that is not known has one or is about to take one."""
    judging = sum(c.status == "judging" for c in _open(state))
    return state.limits.gates_parallel - judging - (state.baseline in ("unknown", "running"))


def _advance_queue(state: RunState) -> list[Order]:
    if not state.queue:
        return []
    if state.started.allow_red_base and state.baseline not in ("green", "advisory"):
        return []  # which gates are advisory is not known yet: nobody is to be blamed by one
    if state.suspects == 1:
        return _confirm(state)
    if _slots(state) < 1:
        return []
    judging: list[int] = []
    passed = 0  # the longest prefix that only waits for the baseline
    built: dict[int, CandidateState] = {}
    for candidate in _open(state):
        length = state.prefix_of(candidate)
        if candidate.status == "judging":
            judging.append(length or 0)
        elif candidate.status == "passed":
            passed = max(passed, length or 0)
        elif candidate.status in ("built", "unable") and length:
            built[length] = candidate
            record = state.trees.get(candidate.built.tree)
            if record and record.passed and candidate.status == "built":
                return [JudgeCandidate(candidate.built.candidate)]  # known: it costs no run
    busy = [*judging, -1] if state.baseline in ("unknown", "running") else judging
    rate = failure_rate(
        state.started.estimates.failure_rate,
        state.blamed,
        len(state.by_status.get("landed", ())),
    )
    lengths = next_lengths(
        len(state.queue),
        suspects=state.suspects,
        cut=state.cut,
        rate=rate,
        slots=state.limits.gates_parallel,
        under_way=busy,
    )
    orders: list[Order] = []
    for length in lengths:
        if length <= passed:
            continue
        if length in built:
            orders.append(JudgeCandidate(built[length].built.candidate))
        else:
            return [_build(state, tuple(state.queue[:length]))]
    return orders


def _confirm(state: RunState) -> list[Order]:
    head = state.queue[0]
    mine = [c for c in _open(state) if c.built.heads == (head,) and c.built.base == state.tip]
    if not mine:
        return [_build(state, (head,))]
    candidate = mine[-1]
    record = state.trees.get(candidate.built.tree)
    match candidate.status:
        case "judging" | "passed" | "landing" | "over":
            return []
        case _ if record and record.reds >= 2:
            return [Record(_blame(state, candidate, head))]
        case _ if record and record.unable >= 2:
            gate = record.red_gate
            fact = e.HeadSentBack(
                task=head.task,
                attempt=head.attempt,
                cause="could-not-run",
                candidate=candidate.built.candidate,
                why=f"gate '{gate}' could not run on it, twice",
                charged=False,
            )
            needs = state.tasks[head.task].task.needs
            if any(state.tasks[need].status in STUCK for need in needs):
                return [Record(fact)]
            return [Record(fact, (e.TaskHeld(task=head.task, why=fact.why),))]
        case _ if _slots(state) > 0:
            return [JudgeCandidate(candidate.built.candidate, confirms=True)]
        case _:
            return []


def _blame(state: RunState, candidate: CandidateState, head: HeadRef) -> e.HeadSentBack:
    red = next((v for v in reversed(candidate.verdicts) if v.outcome == "failed"), None)
    gate = red.gate if red else ""
    return e.HeadSentBack(
        task=head.task,
        attempt=head.attempt,
        cause="red",
        candidate=candidate.built.candidate,
        why=f"gate '{gate}' failed with what has landed" + (f": {red.why}" if red else ""),
        signature=red.signature if red else "",
    )


# --- 9. starting ------------------------------------------------------------------------------


def _start(state: RunState, guide: Guide, now: Now) -> list[Order]:
    orders: list[Order] = []
    if state.baseline == "unknown":
        orders.append(RunBaseline())
    if now.free_gb < state.limits.min_free_gb:
        return orders
    slots = under_way_at_most(state) - len(state.by_status.get("working", ()))
    for task_id in startable(state, guide, slots):
        task = state.tasks[task_id]
        last = task.last_telling
        change = (last.started.base, last.head) if last and last.sent_back and last.head else None
        orders.append(
            StartAttempt(
                task=task_id,
                attempt=len(task.attempts) + 1,
                base=state.tip,
                worker=task.task.worker or state.started.settings.worker or "",
                reapply=change,
            )
        )
    return orders


# --- 10. the end ------------------------------------------------------------------------------


def _finish(state: RunState, now: Now) -> tuple[Order, ...]:
    if under_way(state) or state.queue or state.rejections:
        return ()
    if state.by_status.get("ready"):
        return _finished(
            "no-space",
            4,
            f"{now.free_gb:.1f} GB are free, min_free_gb is {state.limits.min_free_gb:g}"
            if now.free_gb >= 0
            else "the disk is full",
        )
    if state.by_status.get("held"):
        held = ", ".join(state.with_status("held"))
        return _finished("person-needed", 5, f"waiting for a person: {held}")
    if any(state.by_status.get(status) for status in ("failed", "skipped", "waiting")):
        return _finished("complete", 1, "some work failed")
    return _finished("complete", 0)
