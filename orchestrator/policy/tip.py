"""A tip that somebody else moved: is it to blame? Pure.

1. Somebody with git may move the tip to any commit that holds what has landed. Nobody judged
   that commit, and as long as what is made on it passes nobody needs to: what lands is judged.
2. The tip is in question as soon as a gate was not green on something made on it: a candidate, a
   result without rejected tasks, an attempt that began there. Then that gate, no other, judges
   the tip itself. Meanwhile nobody is blamed, given up or refused there, nothing more is searched
   for, and no attempt begins.
3. Green: the question is settled for that gate on that tip, and blame goes on as usual. So a tip
   costs at most one run of each gate, and none where its tree is known.
4. Not green, it is asked once more. Red, then green, is a flake, and is recorded. Not green twice
   ends the run (`ending`): nobody who works on it could do better.
5. What passed on such a tip lands all the same, and first: its own tree was judged, and the tip
   is a landing then.
"""

from __future__ import annotations

from collections.abc import Iterator

from ledger.state import RunState, TaskState, TipMove
from orchestrator.policy.candidates import free_slots, still_open
from orchestrator.policy.flaky import flake_seen
from orchestrator.policy.orders import JudgeTip, Order, Record


def accused_by(state: RunState, task: TaskState) -> tuple[str, ...]:
    """The gates that were not green on a task's last attempt, and not known to be on its base."""
    last, move = task.last, state.moved
    if move is None or last is None or last.started.base != move.tip:
        return ()
    if last.finished and last.finished.cause not in ("check", "could-not-run"):
        return ()
    return tuple(gate for gate in last.not_green if not _is_green(move, gate))


def in_question(state: RunState) -> str | None:
    """The gate whose word on the tip is needed; None where nothing casts doubt on it."""
    if state.moved is None:
        return None
    return next(_accusers(state, state.moved), None)


def _accusers(state: RunState, move: TipMove) -> Iterator[str]:
    for candidate in still_open(state):
        record = state.trees.get(candidate.built.tree)
        if candidate.built.base != move.tip or record is None or record.passed:
            continue
        gate = record.red_gate
        if gate and (record.reds or record.confirmed) and not _is_green(move, gate):
            yield gate
    for status in ("working", "ready", "held"):
        for task_id in state.by_status.get(status, ()):
            yield from accused_by(state, state.tasks[task_id])


def _is_green(move: TipMove, gate: str) -> bool:
    return gate in move.said and move.said[gate].passed


def judge_tip(state: RunState) -> list[Order]:
    """What the question about the tip needs next."""
    gate = in_question(state)
    if gate is None or state.tip_judging or free_slots(state) < 1:
        return []
    said = state.moved.said.get(gate) if state.moved else None
    return [JudgeTip(state.tip, gate, confirms=bool(said and (said.reds or said.unable)))]


def record_flake(state: RunState) -> tuple[Order, ...]:
    """Rule 4: what was red on the tip, then green."""
    for gate, said in state.moved.said.items() if state.moved else ():
        if said.passed and said.reds:
            return (Record(flake_seen(state, gate, state.tip_tree)),)
    return ()


def red_tip(state: RunState) -> tuple[TipMove, str] | None:
    """The move that brought a tip which is not green, twice, and the gate that says so."""
    for gate, said in state.moved.said.items() if state.moved else ():
        if state.moved and said.confirmed and not said.passed:
            return state.moved, gate
    return None
