"""What a worker is told of what failed: this round, or the attempts before. Pure.

1. First what is wrong now, with the lines that matter; else why the attempt before came back.
   Then what became of its own change, what landed meanwhile, and what was tried already.
2. What was tried is told once, however often it was tried: the same failure twice asks for
   another way.
3. Whatever programs printed stands in a fence longer than any fence in it: it is data.
4. All of it is bounded; what does not fit is left out line by line and file by file, and said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ledger.model import Refusal, TaskId, Verdict
from ledger.state import AttemptState, RoundState, RunState
from workers.text import clean_line, printable

TEXT_LIMIT = 16_000
PATCH_LIMIT = 24_000
WHOLE_LIMIT = 31_000
"""Characters; a brief cuts what is longer in its middle."""
LINES_STEPS = (40, 20, 10, 5, 0)
PATHS_SHOWN = 20
LANDED_SHOWN = 15
TRIED_SHOWN = 8

ReadLog = Callable[[str], str]
"""The text of a kept log, bounded."""
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


@dataclass(frozen=True, slots=True)
class _Now:
    """What is to be told, collected."""

    state: RunState
    task_id: TaskId
    verdicts: Sequence[Verdict]
    outside: Sequence[str]
    refusals: Sequence[Refusal]
    landed: Sequence[LandedChange]
    reapplied: Reapplied
    read_log: ReadLog | None


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


def render_feedback(
    state: RunState,
    task_id: TaskId,
    *,
    verdicts: Sequence[Verdict] = (),
    outside: Sequence[str] = (),
    refusals: Sequence[Refusal] = (),
    landed: Sequence[LandedChange] = (),
    reapplied: Reapplied = "nothing",
    patch: str | None = None,
    note: str = "",
    read_log: ReadLog | None = None,
) -> str | None:
    """Markdown for the worker; None where there is nothing to tell.

    `verdicts`, `outside` and `refusals` are what is wrong with the round that just ended; without
    them the attempts before are what failed. `note` is a person's.
    """
    now = _Now(state, task_id, verdicts, outside, refusals, landed, reapplied, read_log)
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
        text += "\n\n" + _patch(patch, min(PATCH_LIMIT, WHOLE_LIMIT - len(text)))
    return text + "\n"


def _parts(now: _Now, lines_shown: int, note: str) -> list[str]:
    attempts = now.state.tasks[now.task_id].attempts
    parts = []
    if note.strip():
        said = _bounded(printable(note).strip(), 4000)
        parts.append(f"## A note from the person in charge\n\n{said}")
    wrong = _wrong(now.verdicts, now.outside, now.refusals, lines_shown)
    if wrong:
        parts.append("\n\n".join(["## What is wrong with your change now", *wrong]))
    else:
        # The last one is the attempt that this is written for, unless it has ended already.
        # A lost one says nothing of the task, unless nothing else was tried.
        ended = [attempt for attempt in attempts if attempt.finished]
        over = [a for a in ended if a.finished and a.finished.outcome != "lost"] or ended
        if over and (reason := _why_back(now, over[-1], lines_shown)):
            head = f"## Why attempt {over[-1].number} did not succeed"
            parts.append("\n\n".join([head, *reason]))
        if over and (own := _own_change(now.reapplied)):
            parts.append(own)
        if now.landed:
            parts.append(_landed(now.landed))
    rounds = [done for attempt in attempts for done in attempt.rounds]
    if tried := _tried(attempts, told=rounds[-1] if rounds else None):
        parts.append(tried)
    return parts


# --- what is wrong ----------------------------------------------------------------------------


def _wrong(
    verdicts: Sequence[Verdict],
    outside: Sequence[str],
    refusals: Sequence[Refusal],
    lines_shown: int,
) -> list[str]:
    parts = [_verdict(verdict, lines_shown) for verdict in verdicts if verdict.outcome != "passed"]
    if outside:
        head = "Files were changed that this task may not change. Put them back as they were:"
        parts.append(_listed(head, [_code(path) for path in outside], len(outside)))
    if refusals:
        head = "These changes cannot be committed as they are:"
        said = [f"{_code(refusal.path)}: {clean_line(refusal.why)}" for refusal in refusals]
        parts.append(_listed(head, said, len(refusals)))
    return parts


def _verdict(verdict: Verdict, lines_shown: int) -> str:
    how = "failed" if verdict.outcome == "failed" else "could not run"
    code = "" if verdict.exit_code is None else f" (exit code {verdict.exit_code})"
    why = f": {clean_line(verdict.why)}" if verdict.why else ""
    head = f"Gate {_code(verdict.gate)} {how}{code}{why}"
    lines = verdict.lines[:lines_shown]
    if not lines:
        return head
    more = len(verdict.lines) - len(lines)
    return f"{head}\n\n{_fenced(lines)}" + (f"\n({more} more lines)" if more else "")


def _why_back(now: _Now, attempt: AttemptState, lines_shown: int) -> list[str]:
    back, finished = attempt.sent_back, attempt.finished
    if back is not None:
        if back.cause == "conflict":
            head = "Your change does not merge with what landed meanwhile. In conflict:"
            return [_listed(head, [_code(path) for path in back.paths], len(back.paths))]
        candidate = now.state.candidates.get(back.candidate or 0)
        red = [v for v in candidate.verdicts if v.outcome != "passed"] if candidate else []
        head = "Your change passed its own checks, but not together with what has landed."
        return [head, *(_verdict(verdict, lines_shown) for verdict in red[-1:])]
    if finished is None or finished.outcome in ("green", "unchanged"):
        return []
    last = attempt.rounds[-1] if attempt.rounds else None
    if finished.outcome == "lost" or last is None:
        return [f"It was interrupted, by no fault of yours: {clean_line(finished.why)}"]
    fact = last.finished
    if fact.worker_outcome != "done":
        return _worker_failed(now, last, lines_shown)
    wrong = _wrong(last.verdicts, fact.outside, fact.refusals, lines_shown)
    return wrong or [clean_line(finished.why) or "It failed, without a word about why."]


def _worker_failed(now: _Now, last: RoundState, lines_shown: int) -> list[str]:
    fact = last.finished
    how = {
        "timeout": "The work did not end in time and was stopped",
        "not-started": "The work could not be started",
    }.get(fact.worker_outcome, "The work ended with an error")
    code = "" if fact.exit_code is None else f" (exit code {fact.exit_code})"
    parts = [f"{how}{code}" + (f": {clean_line(fact.why)}" if fact.why else ".")]
    if fact.log and now.read_log and lines_shown:
        lines = [clean_line(line, 300) for line in now.read_log(fact.log)[-40_000:].splitlines()]
        said = [line for line in lines if line.strip()][-min(lines_shown, 20) :]
        if said:
            parts.append(f"Its last lines:\n\n{_fenced(said)}")
    return parts


# --- what else there is to know ---------------------------------------------------------------


def _own_change(reapplied: Reapplied) -> str:
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


def _landed(landed: Sequence[LandedChange]) -> str:
    said = []
    for change in landed[-LANDED_SHOWN:]:
        verb = "taken out again" if change.removed else "landed"
        line = f"{_code(change.task)} {verb}: {clean_line(change.title, 120)}"
        if change.paths:
            shown = ", ".join(_code(path) for path in change.paths[:8])
            count = max(change.paths_count, len(change.paths))
            more = f" and {count - 8} more" if count > 8 else ""
            line += f" ({shown}{more})"
        said.append(line)
    left_out = len(landed) - len(said)
    first = f" ({left_out} earlier ones are not shown)" if left_out else ""
    return _listed(f"## What landed since you began{first}\n", said, len(said))


def _tried(attempts: Sequence[AttemptState], told: RoundState | None) -> str:
    """What was done and what came of it, the same only once; `told` was told in full above."""
    tried: dict[tuple[str, str], list[str]] = {}
    for attempt in attempts:
        for done in attempt.rounds:
            ended = attempt.sent_back if done is attempt.rounds[-1] else None
            why = clean_line(ended.why, 240) if ended else _round_why(done)
            if why:
                place = f"attempt {attempt.number}, round {done.finished.round}"
                tried.setdefault((_paths(done), why), []).append("" if done is told else place)
    said = []
    for (paths, why), places in list(tried.items())[-TRIED_SHOWN:]:
        named = [place for place in places if place]
        if named:
            again = f" It came to the same {len(places)} times: try another way."
            times = again if len(places) > 1 else ""
            said.append(f"{', '.join(named[-4:])}: changed {paths}, then {why}.{times}")
    return _listed("## What was tried before\n", said, len(said)) if said else ""


def _round_why(done: RoundState) -> str:
    fact = done.finished
    if fact.worker_outcome != "done":
        return clean_line(fact.why, 240) or fact.worker_outcome
    if fact.refusals:
        return clean_line(f"{fact.refusals[0].path} was refused, {fact.refusals[0].why}", 240)
    if fact.outside:
        return clean_line(f"{fact.outside[0]} is outside what the task may change", 240)
    red = next((v for v in done.verdicts if v.outcome != "passed"), None)
    return clean_line(f"gate {red.gate}: {red.why}", 240) if red else ""


def _paths(done: RoundState) -> str:
    fact = done.finished
    if not fact.paths_count:
        return "nothing"
    shown = ", ".join(_code(path) for path in fact.paths[:6])
    return shown + (f" and {fact.paths_count - 6} more" if fact.paths_count > 6 else "")


def _patch(patch: str, limit: int) -> str:
    """The patch in whole files, as many as fit."""
    text = printable(patch)
    head = "## Your earlier change, as a patch\n\n"
    if len(text) > limit - 200:
        cut = text[: max(0, limit - 200)]
        kept = "".join(re.split(r"(?m)^(?=diff --git )", cut)[:-1])
        total = len(re.findall(r"(?m)^diff --git ", text))
        shown = len(re.findall(r"(?m)^diff --git ", kept))
        head += f"It is too long to be shown whole: {shown} of its {total} or more files.\n\n"
        text = kept
    return head + _fenced(text.splitlines(), "diff") if text.strip() else head.rstrip()


# --- Markdown ---------------------------------------------------------------------------------


def _listed(head: str, items: Sequence[str], count: int) -> str:
    shown = list(items[:PATHS_SHOWN])
    more = [f"and {count - len(shown)} more"] if count > len(shown) else []
    return "\n".join([head, *(f"- {item}" for item in [*shown, *more])])


def _code(text: str) -> str:
    text = clean_line(text, 200) or " "
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f"{fence}{text}{fence}" if len(fence) == 1 else f"{fence} {text} {fence}"


def _fenced(lines: Sequence[str], language: str = "text") -> str:
    text = "\n".join(lines)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _bounded(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
