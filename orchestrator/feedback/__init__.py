"""What a worker is told of what failed: this round, or the attempts before. Pure.

1. First what is wrong now, with the lines that matter; else why the attempt before came back.
   Then what became of its own change, what landed meanwhile, and what was tried already.
   Before all that stands what the person in charge said, and what they answered.
2. What was tried is told once, however often it was tried, the newest first and within a budget
   (`digest`): the same failure twice asks for another way.
3. Whatever programs printed stands in a fence longer than any fence in it: it is data.
4. All of it is bounded; what does not fit is left out line by line and file by file, and said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.model import CheckerFinding, Refusal, TaskId, Verdict
from ledger.state import RunState
from orchestrator.feedback.circling import render_circle
from orchestrator.feedback.digest import render_digest
from orchestrator.feedback.history import (
    LandedChange,
    Reapplied,
    landed_since,
    render_answers,
    render_landed,
    render_own_change,
)
from orchestrator.feedback.markdown import bounded, render_patch
from orchestrator.feedback.wrong import ReadLog, render_findings, render_why_back, render_wrong
from workers.text import printable

__all__ = [
    "LandedChange",
    "ReadLog",
    "Reapplied",
    "landed_since",
    "render_digest",
    "render_feedback",
]

TEXT_LIMIT = 16_000
PATCH_LIMIT = 24_000
WHOLE_LIMIT = 31_000
"""Characters; a brief cuts what is longer in its middle."""
LINES_STEPS = (40, 20, 10, 5, 0)


@dataclass(frozen=True, slots=True)
class _Now:
    """What is to be told, collected."""

    state: RunState
    task_id: TaskId
    verdicts: Sequence[Verdict]
    outside: Sequence[str]
    refusals: Sequence[Refusal]
    findings: Sequence[CheckerFinding]
    landed: Sequence[LandedChange]
    reapplied: Reapplied
    read_log: ReadLog | None


def render_feedback(
    state: RunState,
    task_id: TaskId,
    *,
    verdicts: Sequence[Verdict] = (),
    outside: Sequence[str] = (),
    refusals: Sequence[Refusal] = (),
    findings: Sequence[CheckerFinding] = (),
    landed: Sequence[LandedChange] = (),
    reapplied: Reapplied = "nothing",
    patch: str | None = None,
    note: str = "",
    read_log: ReadLog | None = None,
) -> str | None:
    """Markdown for the worker; None where there is nothing to tell.

    `verdicts`, `outside`, `refusals` and `findings` are what is wrong with the round that just
    ended; without them the attempts before are what failed. `note` is a person's.
    """
    now = _Now(state, task_id, verdicts, outside, refusals, findings, landed, reapplied, read_log)
    text = ""
    for lines_shown in LINES_STEPS:
        parts = _parts(now, lines_shown, note)
        text = "\n\n".join(parts)
        if len(text) <= TEXT_LIMIT:
            break
    if not text:
        return None
    if len(text) > TEXT_LIMIT:
        text = text[: TEXT_LIMIT - 30].rpartition("\n")[0] + "\n\n(more was left out here)"
    if patch and reapplied == "conflict":
        text += "\n\n" + render_patch(patch, min(PATCH_LIMIT, WHOLE_LIMIT - len(text)))
    return text + "\n"


def _parts(now: _Now, lines_shown: int, note: str) -> list[str]:
    task = now.state.tasks[now.task_id]
    attempts, parts = task.attempts, []
    if task.answers:
        parts.append(render_answers(task.answers))
    if note.strip():
        said = bounded(printable(note).strip(), 4000)
        parts.append(f"## A note from the person in charge\n\n{said}")
    wrong = render_wrong(now.state, now.verdicts, now.outside, now.refusals, lines_shown)
    if now.findings:
        wrong.append(render_findings(now.findings))
    if wrong:
        parts.append("\n\n".join(["## What is wrong with your change now", *wrong]))
    else:
        # The last one is the attempt that this is written for, unless it has ended already.
        # A lost one says nothing of the task, unless nothing else was tried.
        ended = [attempt for attempt in attempts if attempt.finished]
        over = [a for a in ended if a.finished and a.finished.outcome != "lost"] or ended
        if over and (reason := render_why_back(now.state, over[-1], now.read_log, lines_shown)):
            head = f"## Why attempt {over[-1].number} did not succeed"
            parts.append("\n\n".join([head, *reason]))
        if over and (own := render_own_change(now.reapplied)):
            parts.append(own)
        if now.landed:
            parts.append(render_landed(now.landed))
    if circle := render_circle(now.state.tasks[now.task_id]):
        parts.append(circle)
    rounds = [done for attempt in attempts for done in attempt.rounds]
    told = rounds[-1] if rounds else None
    if tried := render_digest(now.state, attempts, told, lines_shown=lines_shown):
        parts.append(tried)
    return parts
