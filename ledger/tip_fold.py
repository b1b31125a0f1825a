"""The fold's part for a tip that somebody else moved."""

from __future__ import annotations

from ledger import events as e
from ledger.queue_fold import move_tip
from ledger.standing import IllegalEvent, RunState, TipMove, TreeRecord, require
from ledger.task_fold import renew


def start_over(state: RunState) -> None:
    """Another engine asks again what was not green: a person may have seen to it."""
    if state.moved:
        said = state.moved.said
        state.moved.said = {gate: record for gate, record in said.items() if record.passed}


def evolve_tip(
    state: RunState,
    event: e.TipMoved | e.TipJudgingStarted | e.TipGateJudged | e.TipJudgingLost,
    at: float,
) -> None:
    match event:
        case e.TipMoved():
            require(event.tip != state.tip, "the tip is there already")
            landing = [n for n in state.open_candidates if state.candidates[n].status == "landing"]
            require(not landing, "a candidate is just landing")
            move_tip(state, event, at)
        case e.TipJudgingStarted():
            require(state.tip_judging is None, "a gate judges the tip already")
            require(state.moved is not None, "the tip is where orch put it")
            require(event.tip == state.tip, "the tip is not there")
            state.tip_judging = event
        case e.TipGateJudged():
            asked = state.tip_judging
            if asked is None or (asked.tip, asked.gate) != (event.tip, event.verdict.gate):
                raise IllegalEvent("no such gate judges that tip")
            state.tip_judging = None
            _judged(state, event)
        case e.TipJudgingLost():
            require(state.tip_judging is not None, "no gate judges the tip")
            state.tip_judging = None


def _judged(state: RunState, event: e.TipGateJudged) -> None:
    # What has landed on it meanwhile, or another tip, does not make the word untrue.
    move = next(move for move in reversed(state.moves) if move.tip == event.tip)
    move.verdicts.append(event.verdict)
    record = move.said.setdefault(event.verdict.gate, TreeRecord())
    match event.verdict.outcome:
        case "passed":
            record.passed = True
            return
        case "failed":
            record.reds += 1
        case "could-not-run":
            record.unable += 1
    if move is state.moved and record.confirmed:
        _acquit(state, move, event.verdict.gate)


def _acquit(state: RunState, move: TipMove, gate: str) -> None:
    """What a gate said of work that began on a tip which is not green itself is nobody's fault."""
    for task in state.tasks.values():
        last = task.last
        if last is None or last.finished is None or last.acquitted:
            continue
        if last.started.base != move.tip or gate not in last.not_green:
            continue
        last.acquitted = True
        if last.finished.cause == "check":
            task.charged = max(0, task.charged - 1)
        elif last.finished.cause == "could-not-run" and task.status == "held":
            renew(state, task)
