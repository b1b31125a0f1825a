"""When a run ends, and with what exit code. Pure.

1. A stop, a passed deadline or a red base ends all that is under way, in order; then the run
   is finished. Nothing new starts meanwhile.
2. A person is needed, and the run ends in order once what passed has landed, when a tip that
   somebody else moved is not green, twice (`tip`), or when nobody attends a run in which too
   many tests are flaky (`flaky`).
3. A run in which nothing is under way, queued or to be taken out is finished. It is `no-space`
   where a ready task has no room to start, `budget` where it may cost no more, `person-needed`
   where a task is held, `complete` else: 0 when all is well, 1 when some work failed.
"""

from __future__ import annotations

from ledger import events as e
from ledger.books import used_up
from ledger.state import RunState
from orchestrator.policy.flaky import too_flaky
from orchestrator.policy.now import Now
from orchestrator.policy.orders import EndAll, Order, Record
from orchestrator.policy.tip import red_tip


def under_way(state: RunState) -> bool:
    """Whether a worker or a gate is at work."""
    return bool(state.by_status.get("working")) or gates_at_work(state)


def gates_at_work(state: RunState) -> bool:
    """Whether a gate is at work."""
    return (
        state.baseline == "running"
        or state.tip_judging is not None
        or any(state.candidates[n].status == "judging" for n in state.open_candidates)
    )


def end(state: RunState, now: Now) -> tuple[Order, ...]:
    """What ends a run however much is left to do."""
    deadline = state.limits.deadline
    if state.stop:
        return in_order(state, "stopped", 130, state.stop.why)
    if deadline is not None and now.at >= deadline:
        return in_order(state, "deadline", 4, "the deadline has passed")
    if state.baseline == "red":
        red = sorted(n for n, v in state.baseline_verdicts.items() if v.outcome != "passed")
        return in_order(state, "red-base", 5, f"not green on the base: {', '.join(red)}")
    return ()


def in_order(state: RunState, outcome: str, exit_code: int, why: str) -> tuple[Order, ...]:
    """First the end of all that is under way, then the end of the run."""
    if under_way(state):
        return (EndAll("the run is ending"),)
    return _finished(outcome, exit_code, why)


def end_for_person(state: RunState) -> tuple[Order, ...]:
    """What ends a run that only a person can help on."""
    found = red_tip(state)
    if found:
        move, gate = found
        said = "is red" if move.said[gate].reds >= 2 else "could not run"
        why = (
            f"gate '{gate}' {said} on {move.tip[:10]}, which somebody put on"
            f" refs/orch/{state.run}/tip"
        )
        return in_order(state, "person-needed", 5, why)
    if flaky := too_flaky(state):
        why = f"{len(flaky)} tests are flaky and nobody attends the run: {', '.join(flaky)}"
        return in_order(state, "person-needed", 5, why)
    return ()


def _finished(outcome: str, exit_code: int, why: str = "") -> tuple[Order, ...]:
    fact = e.RunFinished.model_validate({"outcome": outcome, "exit_code": exit_code, "why": why})
    return (Record(fact),)


def finish(state: RunState, now: Now) -> tuple[Order, ...]:
    """The end of a run in which nothing is left to do."""
    if under_way(state) or state.queue or state.rejections:
        return ()
    if state.by_status.get("ready") and state.budget_reached:
        return _finished("budget", 4, used_up("the budget", state.budget_reached.why))
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
