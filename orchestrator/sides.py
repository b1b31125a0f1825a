"""Which two commits a diff compares, and which log is meant: from what a person named. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ledger.model import Sha, Verdict
from ledger.state import AttemptState, RunState
from orchestrator.errors import OrchError
from orchestrator.persons import find_task
from orchestrator.review.words import foreign, short


def sides_of(state: RunState, task_id: str | None, attempt: int | None) -> tuple[Sha, Sha]:
    """The base and the head of a task's attempt, or of the run."""
    if task_id is None:
        return state.started.base, state.result
    tried = attempt_of(state, task_id, attempt, with_head=attempt is None)
    if tried.head is None:
        last = tried.rounds[-1].finished.commit if tried.rounds else None
        if last is None:
            raise OrchError(
                f"attempt {tried.number} at {task_id} has changed nothing",
                hint=f"orch show {task_id}",
            )
        return tried.started.base, last
    return tried.started.base, tried.head


def attempt_of(
    state: RunState, task_id: str, number: int | None, *, with_head: bool = False
) -> AttemptState:
    """An attempt at a task by its number; absent: the last, or the last that has a head."""
    attempts = find_task(state, task_id).attempts
    if not attempts:
        raise OrchError(f"{task_id} has not been tried yet", hint=f"orch show {task_id}")
    if number is None:
        with_heads = [attempt for attempt in attempts if attempt.head]
        return with_heads[-1] if with_head and with_heads else attempts[-1]
    if not 1 <= number <= len(attempts):
        raise OrchError(
            f"there is no attempt {number} at {task_id}", hint=f"there are 1 to {len(attempts)}"
        )
    return attempts[number - 1]


@dataclass(frozen=True)
class LogAt:
    """A log: what it is of, and where it is."""

    title: str
    blob: str | None
    live: str | None = None
    """Where the output of what is still under way is."""


def log_of_worker(state: RunState, task_id: str, number: int | None, round_: int | None) -> LogAt:
    """What a worker printed in a round; absent: the last, also while it goes on."""
    attempt = attempt_of(state, task_id, number)
    model = attempt.started.model
    of = f"{task_id}, attempt {attempt.number}{f' by {foreign(model)}' if model else ''}"
    rounds = attempt.rounds
    if round_ is None and attempt.finished is None:
        at = len(rounds) + 1
        return LogAt(f"{of}, round {at}, under way", None, f"{task_id}/{attempt.number}/{at}")
    if not rounds:
        raise OrchError(f"no round of {of} has ended", hint=f"orch show {task_id}")
    if round_ is not None and not 1 <= round_ <= len(rounds):
        raise OrchError(f"there is no round {round_} of {of}", hint=f"there are 1 to {len(rounds)}")
    finished = rounds[(round_ or len(rounds)) - 1].finished
    return LogAt(f"{of}, round {finished.round}", finished.log)


def log_of_gate(
    state: RunState, task_id: str | None, gate: str, number: int | None, round_: int | None
) -> LogAt:
    """What a gate printed when it last judged a task's work; without a task, the base or tip."""
    known = sorted({g.name for g in state.started.settings.gates})
    if gate not in known:
        raise OrchError(
            f"there is no gate '{gate}' in this run", hint=f"there are: {', '.join(known)}"
        )
    found = list(_verdicts(state, task_id, number, round_))
    for title, verdict in reversed(found):
        if verdict.gate == gate and verdict.log:
            return LogAt(f"gate '{gate}' {verdict.outcome}, {title}", verdict.log)
    about = task_id or "the base"
    raise OrchError(
        f"gate '{gate}' has not judged {about}, or nothing of it was kept",
        hint=f"orch show {task_id}" if task_id else "orch show",
    )


def _verdicts(
    state: RunState, task_id: str | None, number: int | None, round_: int | None
) -> Iterator[tuple[str, Verdict]]:
    """Verdicts on a task's work, the oldest first: rounds, then candidates."""
    if task_id is None:
        for verdict in state.baseline_verdicts.values():
            yield "the base", verdict
        for move in state.moves:
            for verdict in move.verdicts:
                yield f"the tip {short(move.tip)} that somebody else moved", verdict
        return
    task = find_task(state, task_id)
    for attempt in task.attempts:
        if number is not None and attempt.number != number:
            continue
        for place, one in enumerate(attempt.rounds, start=1):
            if round_ is None or place == round_:
                for verdict in one.verdicts:
                    yield f"{task_id}, attempt {attempt.number}, round {place}", verdict
    if round_ is not None:
        return
    for candidate in state.candidates.values():
        refs = candidate.built.heads
        if any(r.task == task_id and number in (None, r.attempt) for r in refs):
            for verdict in candidate.verdicts:
                yield f"candidate {candidate.built.candidate}", verdict
