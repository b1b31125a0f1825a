"""What the gates judge next of the queue, and who is sent back. Pure.

1. The queue goes on as `queue` says: prefixes of it, as long as slots are free. What is known
   of a tree costs no run.
2. Where a red base is allowed, nothing is judged before it is known which gates are advisory:
   nobody is to be blamed by one of them.
3. A judging ends early when the queue has changed in front of it, or when a part of what it
   judges is red already.
4. One suspect alone on the tip is judged once more. Red again, it is sent back; where a gate
   could not run twice, it is held for a person.
"""

from __future__ import annotations

from ledger import events as e
from ledger.events import HeadRef
from ledger.state import STUCK, CandidateState, RunState
from orchestrator.policy.candidates import build_prefix, free_slots, still_open
from orchestrator.policy.orders import EndJudging, JudgeCandidate, Order, Record
from orchestrator.policy.queue import failure_rate, longest, nearest_built, next_lengths


def end_useless(state: RunState) -> list[Order]:
    """Rule 3."""
    orders: list[Order] = []
    for candidate in still_open(state):
        if candidate.status != "judging" or candidate.built.removes:
            continue
        length = state.prefix_of(candidate)
        if not length:
            orders.append(EndJudging(candidate.built.candidate, "the queue has changed"))
        elif state.suspects and length >= state.suspects and not candidate.confirms:
            orders.append(EndJudging(candidate.built.candidate, "a part of it is red already"))
    return orders


def advance_queue(state: RunState) -> list[Order]:
    """What the queue needs next: something built, judged, or recorded of one suspect."""
    if not state.queue:
        return []
    if state.started.allow_red_base and state.baseline not in ("green", "advisory"):
        return []
    if state.suspects == 1:
        return _confirm(state)
    if free_slots(state) < 1:
        return []
    judging: list[int] = []
    passed = 0  # the longest prefix that only waits for the baseline
    built: dict[int, CandidateState] = {}
    for candidate in still_open(state):
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
    others = [state.baseline in ("unknown", "running"), state.tip_judging is not None]
    busy = [*judging, *(-1 for other in others if other)]
    rate = failure_rate(
        state.started.estimates.failure_rate,
        state.blamed,
        len(state.by_status.get("landed", ())),
    )
    slots = state.limits.gates_parallel
    lengths = next_lengths(
        len(state.queue),
        suspects=state.suspects,
        cut=state.cut,
        rate=rate,
        slots=slots,
        under_way=busy,
    )
    limit = longest(len(state.queue), state.suspects, state.cut)
    open_lengths = {length for length in built if passed < length <= limit and length not in busy}
    orders: list[Order] = []
    for length in lengths:
        if length <= passed:
            continue
        # What another slot wants is its own: taken here, it would be built again and again there.
        others_want = set(lengths) - {length}
        near = nearest_built(length, open_lengths - others_want, state.suspects, rate, slots)
        if near is None:
            return [build_prefix(state, tuple(state.queue[:length]))]
        open_lengths.discard(near)
        orders.append(JudgeCandidate(built[near].built.candidate))
    return orders


def _confirm(state: RunState) -> list[Order]:
    """Rule 4."""
    head = state.queue[0]
    mine = [c for c in still_open(state) if c.built.heads == (head,) and c.built.base == state.tip]
    if not mine:
        return [build_prefix(state, (head,))]
    candidate = mine[-1]
    record = state.trees.get(candidate.built.tree)
    match candidate.status:
        case "judging" | "passed" | "landing" | "over":
            return []
        case _ if record and record.reds >= 2:
            return [Record(_blame(candidate, head))]
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
        case _ if free_slots(state) > 0:
            return [JudgeCandidate(candidate.built.candidate, confirms=True)]
        case _:
            return []


def _blame(candidate: CandidateState, head: HeadRef) -> e.HeadSentBack:
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
