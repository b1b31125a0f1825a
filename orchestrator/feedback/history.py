"""What happened beside the failure: answers, the task's own change, what landed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ledger.model import TaskId
from ledger.state import RunState
from orchestrator.feedback.markdown import PATHS_SHOWN, bounded, code, listed
from workers.text import clean_line, printable

LANDED_SHOWN = 15
ANSWERS_SHOWN = 8

Reapplied = Literal["nothing", "clean", "conflict"]


@dataclass(frozen=True, slots=True)
class LandedChange:
    """A neighbour's work that landed since the attempt before began."""

    task: TaskId
    title: str
    paths: tuple[str, ...] = ()
    paths_count: int = 0
    removed: bool = False
    """It was taken out of the result, not put in."""


def landed_since(state: RunState, task_id: TaskId) -> tuple[LandedChange, ...]:
    """What landed between the bases of the task's last two attempts, the oldest first."""
    attempts = state.tasks[task_id].attempts
    if len(attempts) < 2:
        return ()
    telling = state.tasks[task_id].last_telling or attempts[0]
    before, base = telling.started.base, attempts[-1].started.base
    commits = [landing.commit for landing in state.landings]
    # A base that no landing made is the run's own, or one that somebody else moved the tip to.
    first = commits.index(before) + 1 if before in commits else 0
    end = commits.index(base) + 1 if base in commits else len(commits)
    found: list[LandedChange] = []
    for landing in state.landings[first:end]:
        tasks = [(ref.task, ref.attempt, False) for ref in landing.heads]
        tasks += [(removed, 0, True) for removed in landing.removes]
        for other, number, removed in tasks:
            task = state.tasks[other]
            attempt = task.attempts[number - 1] if number else task.last
            last = attempt.rounds[-1].finished if attempt and attempt.rounds else None
            paths = last.paths[:PATHS_SHOWN] if last else ()
            count = last.paths_count if last else 0
            found.append(LandedChange(other, task.task.title or other, paths, count, removed))
    return tuple(found)


def render_answers(answers: Sequence[tuple[str, str]]) -> str:
    """What was asked at this task, by whichever attempt, and what the person in charge said."""
    said = []
    for question, answer in answers[-ANSWERS_SHOWN:]:
        text = bounded(printable(answer).strip(), 4000).replace("\n", "\n  ")
        said.append(f"{clean_line(question, 400)}\n\n  {text}")
    head = "## What was asked, and what the person in charge answered\n"
    return listed(head, said, len(answers))


def render_own_change(reapplied: Reapplied) -> str:
    """Where its own change is now."""
    match reapplied:
        case "clean":
            return (
                "## Your earlier change\n\nIt has been applied again, on top of what has landed:"
                " the files already hold it. Repair it rather than begin anew."
            )
        case "conflict":
            return (
                "## Your earlier change\n\nIt could not be applied again: it does not merge with"
                " what has landed. The files are without it; it is below as a patch, to take from."
            )
        case "nothing":
            return "## Your earlier change\n\nIt was not applied again: the files are without it."


def render_landed(landed: Sequence[LandedChange]) -> str:
    """What neighbours did meanwhile."""
    said = []
    for change in landed[-LANDED_SHOWN:]:
        verb = "taken out again" if change.removed else "landed"
        line = f"{code(change.task)} {verb}: {clean_line(change.title, 120)}"
        if change.paths:
            shown = ", ".join(code(path) for path in change.paths[:8])
            count = max(change.paths_count, len(change.paths))
            more = f" and {count - 8} more" if count > 8 else ""
            line += f" ({shown}{more})"
        said.append(line)
    left_out = len(landed) - len(said)
    first = f" ({left_out} earlier ones are not shown)" if left_out else ""
    return listed(f"## What landed since you began{first}\n", said, len(said))
