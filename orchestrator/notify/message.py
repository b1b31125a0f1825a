"""What a person is told of a run's end. Pure.

1. One message, which says first what matters most: a person is needed, then that work failed, then
   that a limit ended it, then that all landed. What confined or judged nothing is said each time.
2. It is short enough for a telephone, and bounded whatever the run holds. What to type is in it.
3. All that somebody else wrote is one line each, which nothing obeys; secrets are hidden by whoever
   has the message made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ledger.state import RunState, Status
from orchestrator.review.advice import next_steps
from orchestrator.review.judged import warnings_of
from orchestrator.review.spent import spent
from orchestrator.review.status import why_so
from orchestrator.review.words import count, foreign, listed

Level = Literal["person", "failed", "limit", "stopped", "landed"]
"""What matters first, in that order."""

PERSON_NEEDED = 5
TITLE_CHARS = 160
LINE_CHARS = 200
TEXT_CHARS = 1400
TOLD = 3
"""Tasks, and commands, of each kind."""


@dataclass(frozen=True)
class Message:
    """What is said, whichever way it goes."""

    project: str
    run: str
    level: Level
    title: str
    lines: tuple[str, ...]
    outcome: str = ""
    exit_code: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    """What every report of the run repeats."""

    @property
    def text(self) -> str:
        """What is below the title."""
        return "\n".join(self.lines)


def message_of(state: RunState, project: str) -> Message:
    """The message of a run that has finished."""
    finished = state.finished
    assert finished is not None, "a run that goes on has no end to tell of"
    level = level_of(state)
    counts: dict[str, int] = {status: len(ids) for status, ids in state.by_status.items() if ids}
    steps = next_steps(state, alive=False, named=True)[:TOLD]
    return Message(
        project=foreign(project, 60),
        run=state.run,
        level=level,
        title=foreign(f"{foreign(project, 60)}: {_title(state, level)}", TITLE_CHARS),
        lines=tuple(_bounded([*_lines(state), *(step.command for step in steps)])),
        outcome=finished.outcome,
        exit_code=finished.exit_code,
        counts=counts,
        commands=tuple(step.command for step in steps),
        warnings=warnings_of(state),
    )


def broken_message(state: RunState, project: str, why: str) -> Message:
    """The message of a run whose engine broke off, before the run had an end."""
    resume = f"orch resume {state.run}"
    return Message(
        project=foreign(project, 60),
        run=state.run,
        level="person",
        title=foreign(f"{foreign(project, 60)}: needs you: orch broke off: {why}", TITLE_CHARS),
        lines=(foreign(state.plan.goal, LINE_CHARS), f"run {state.run}", resume),
        commands=(resume,),
    )


def failed_message(project: str, automation: str, exit_code: int, why: str) -> Message:
    """The message of an automation that came to no run."""
    status = f"orch schedule status {automation}"
    said = f"automation {automation} came to no run: {why}"
    needs = "needs you: " if exit_code == PERSON_NEEDED else "failed: "
    return Message(
        project=foreign(project, 60),
        run="",
        level="person" if exit_code == PERSON_NEEDED else "failed",
        title=foreign(f"{foreign(project, 60)}: {needs}{said}", TITLE_CHARS),
        lines=(foreign(why, LINE_CHARS), status),
        exit_code=exit_code,
        commands=(status,),
    )


def unread_message(project: str, exit_code: int, why: str, hint: str) -> Message:
    """The message of a start that came to nothing before it was known what is to start."""
    person = exit_code == PERSON_NEEDED
    status = "orch trust" if person else "orch schedule status"
    said = f"{'needs you' if person else 'failed'}: no automation starts: {why}"
    lines = (foreign(why, LINE_CHARS), *([foreign(hint, LINE_CHARS)] if hint else []), status)
    return Message(
        project=foreign(project, 60),
        run="",
        level="person" if person else "failed",
        title=foreign(f"{foreign(project, 60)}: {said}", TITLE_CHARS),
        lines=lines,
        exit_code=exit_code,
        commands=(status,),
    )


def try_message(project: str) -> Message:
    """What is sent to see whether it arrives."""
    said = "this is how you are told of a run's end"
    return Message(foreign(project, 60), "", "landed", f"{foreign(project, 60)}: a try", (said,))


def level_of(state: RunState) -> Level:
    """What matters first about a run that has finished."""
    code = state.finished.exit_code if state.finished else 0
    if code == 5 or state.by_status["held"]:
        return "person"
    if state.by_status["failed"]:
        return "failed"
    match code:
        case 130:
            return "stopped"
        case 4:
            return "limit"
        case 0:
            return "landed"
        case _:
            return "failed"


def _title(state: RunState, level: Level) -> str:
    finished = state.finished
    assert finished is not None
    done = count(len(state.by_status["landed"]), "task")
    held, failed = state.with_status("held"), state.with_status("failed")
    match level:
        case "person" if held:
            return f"needs you: {listed(held, TOLD)} ({len(held)} held, {done} landed)"
        case "person":
            return f"needs you: {finished.why or finished.outcome}"
        case "failed":
            return f"failed: {listed(failed, TOLD) or finished.why} ({done} landed)"
        case "limit":
            return f"ended by a limit: {finished.why} ({done} landed)"
        case "stopped":
            return f"stopped: {finished.why} ({done} landed)"
        case "landed":
            return f"all is done ({done} landed)"


def _lines(state: RunState) -> Iterator[str]:
    yield foreign(state.plan.goal, LINE_CHARS)
    yield from (foreign(said, LINE_CHARS) for said in warnings_of(state))
    for notice in state.notices[:1]:
        yield foreign(notice.what, LINE_CHARS)
    words: tuple[tuple[Status, str], ...] = (("held", "waits"), ("failed", "failed"))
    for status, word in words:
        tasks = state.with_status(status)
        for task_id in tasks[:TOLD]:
            yield foreign(f"{word}: {task_id}: {why_so(state, state.tasks[task_id])}", LINE_CHARS)
        if len(tasks) > TOLD:
            yield f"and {len(tasks) - TOLD} more"
    if said := spent(state).said:
        yield f"spent {said}"
    yield f"run {state.run}"


def _bounded(lines: list[str]) -> Iterator[str]:
    left = TEXT_CHARS
    for line in lines:
        if len(line) + 1 > left:
            return
        left -= len(line) + 1
        yield line
