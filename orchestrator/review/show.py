"""A task, or a run, told in full for a terminal: attempts, rounds, verdicts, what failed and why.

Pure but for `read_log`, which the caller gives: the text of a blob, or why it cannot be had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ledger.events import CheckerJudged, RoundFinished
from ledger.model import Verdict
from ledger.state import AttemptState, CandidateState, RunState, TaskState
from orchestrator.review.judged import warnings_of
from orchestrator.review.narrate import said_of
from orchestrator.review.served import Calls, said_of_calls
from orchestrator.review.spent import budget_of, said_of_worker, spent
from orchestrator.review.status import why_so
from orchestrator.review.tested import told_of_failures
from orchestrator.review.words import (
    STATUS_STYLE,
    Paint,
    Style,
    clock,
    count,
    day,
    duration,
    foreign,
    listed,
    short,
    unpainted,
)

ReadLog = Callable[[str], str]
PATHS_SHOWN = 8
LINES_SHOWN = 12
FINDINGS_SHOWN = 40


def render_task(
    state: RunState,
    task_id: str,
    now: float,
    paint: Paint = unpainted,
    read_log: ReadLog | None = None,
    calls: Calls | None = None,
) -> list[str]:
    """One task: what it was told, every attempt at it, where it landed.

    `calls`: what its attempts asked of MCP servers, which is no part of the state.
    """
    task = state.tasks[task_id]
    plan = task.task
    lines = [
        f"{paint(task_id, 'strong')}  {foreign(plan.title)}".rstrip(),
        f"{paint(task.status, STATUS_STYLE[task.status])}  {why_so(state, task)}".rstrip(),
        *(paint(said, "ask") for said in warnings_of(state)),
        *_fields(
            ("needs", listed(plan.needs, 10)),
            ("needed by", listed(state.dependents[task_id], 10)),
            ("paths", listed((foreign(p, 80) for p in plan.paths), 10)),
            ("may change", listed((foreign(p, 80) for p in (*plan.may_change, *task.allowed)), 10)),
            ("gates", listed(plan.gates, 10)),
            ("worker", foreign(plan.worker or state.started.settings.worker or "")),
            ("spent", spent(state, task_id).said),
        ),
        "",
        *(f"  | {foreign(line, 160)}" for line in plan.prompt.strip().splitlines()[:LINES_SHOWN]),
    ]
    lines += _asked(task, paint)
    for attempt in task.attempts:
        cost = spent(state, task_id, attempt.number).said
        served = said_of_calls((calls or {}).get(attempt.number, ()))
        lines += ["", *_attempt(attempt, cost, served, now, paint, read_log)]
    for candidate in state.candidates.values():
        if any(ref.task == task_id for ref in candidate.built.heads) and candidate.verdicts:
            lines += ["", *_candidate(candidate, paint, read_log)]
    landing = next((la for la in state.landings if la.candidate == task.landed_by), None)
    if landing:
        lines += ["", f"landed as {short(landing.commit)} at {clock(landing.at)}"]
    return lines


def render_run(
    state: RunState, now: float, paint: Paint = unpainted, read_log: ReadLog | None = None
) -> list[str]:
    """The run: what judges it, its baseline, its landings, every task in a line."""
    settings, limits = state.started.settings, state.limits
    lines = [
        f"{paint(state.run, 'strong')}  {foreign(state.plan.goal)}",
        *_fields(
            ("started", day(state.started_at)),
            ("base", short(state.started.base)),
            ("target", state.started.target or ""),
            ("asks", "nobody: it is unattended" if state.started.unattended else ""),
            ("started by", foreign(state.started.started_by, 60)),
            ("gates", listed((f"{g.name} ({g.stage})" for g in settings.gates), 10)),
            (
                "limits",
                f"{count(limits.parallel, 'worker')}, {count(limits.gates_parallel, 'land slot')}, "
                f"{count(limits.attempts, 'attempt')}, {count(limits.rounds, 'round')}",
            ),
            ("spent", spent(state).said),
            ("budget", budget_of(state).said),
        ),
        *(paint(said, "ask") for said in warnings_of(state)),
        "",
        "baseline " + state.baseline,
        *(line for v in state.baseline_verdicts.values() for line in _verdict(v, paint, read_log)),
    ]
    if state.landings:
        lines += ["", "landings"]
        lines += [
            f"  {clock(la.at)}  {short(la.commit)}  "
            + (listed(r.task for r in la.heads) if la.heads else f"without {listed(la.removes)}")
            for la in state.landings
        ]
    if state.moves:
        lines += ["", "moved by somebody else"]
    for move in state.moves:
        back = ", back to what has landed" if move.tip == state.result else ""
        step = f"{short(move.tip)}, from {short(move.before)}{back}"
        lines.append(f"  {clock(move.at)}  {step}")
        lines += [line for v in move.verdicts for line in _verdict(v, paint, read_log)]
    lines += ["", "tasks"]
    width = max(len(task_id) for task_id in state.tasks)
    for task in state.tasks.values():
        lines.append("  " + _task_line(state, task, now, width, paint))
    return lines


def _task_line(state: RunState, task: TaskState, now: float, width: int, paint: Paint) -> str:
    took = sum(_took(attempt, now) for attempt in task.attempts)
    cost = spent(state, task.task.id).said
    rounds = sum(len(attempt.rounds) for attempt in task.attempts)
    word = paint(f"{task.status:<9}", STATUS_STYLE[task.status])
    tried = (
        f"{count(len(task.attempts), 'attempt')}, {count(rounds, 'round')}, {duration(took)}"
        + (f", {cost}" if cost else "")
        if task.attempts
        else ""
    )
    return f"{word} {task.task.id:<{width}}  {tried}  {why_so(state, task)}".rstrip()


def _asked(task: TaskState, paint: Paint) -> list[str]:
    """What it asked a person, and what they said."""
    lines = [] if not task.answers and task.question is None else [""]
    for question, answer in task.answers:
        lines += [f"  asked     {foreign(question, 400)}", f"  answered  {foreign(answer, 400)}"]
    if task.question is not None:
        lines.append(f"  {paint('asks', 'ask')}      {foreign(task.question, 400)}")
        lines.append(f'            orch answer {task.task.id} "..."')
    return lines


def _fields(*pairs: tuple[str, str]) -> Iterator[str]:
    for name, value in pairs:
        if value:
            yield f"  {name:<10} {value}"


def _took(attempt: AttemptState, now: float) -> float:
    return attempt.finished.duration_s if attempt.finished else now - attempt.started_at


def _attempt(
    attempt: AttemptState,
    cost: str,
    served: str,
    now: float,
    paint: Paint,
    read_log: ReadLog | None,
) -> list[str]:
    finished = attempt.finished
    outcome = finished.outcome if finished else "under way"
    worker, model = attempt.started.worker, attempt.started.model
    who = "a person" if attempt.submitted else said_of_worker(worker, model)
    head = f", head {short(attempt.head)}" if attempt.head else ""
    lines = [
        paint(f"attempt {attempt.number}", "strong")
        + f"  {outcome}, {duration(_took(attempt, now))}, by {who}"
        + f", from {short(attempt.started.base)} at {clock(attempt.started_at)}{head}"
        + (f", {cost}" if cost else "")
    ]
    if attempt.prepared and attempt.prepared.reapplied != "nothing":
        how = {
            "clean": "its earlier change was re-applied",
            "conflict": "its earlier change no longer merges; it was given as a patch",
        }
        lines.append(f"  {how[attempt.prepared.reapplied]}")
    if served:
        lines.append(f"  {served}")
    for round_state in attempt.rounds:
        lines += _round(round_state.finished, round_state.verdicts, paint, read_log)
        if round_state.checked:
            lines += _checked(round_state.checked, paint)
    if finished and finished.why:
        lines.append(f"  {paint(foreign(finished.why, 400), 'bad')}")
    if finished:
        lines += [f"    {foreign(one.said, 240)}" for one in finished.findings[:FINDINGS_SHOWN]]
        if more := len(finished.findings) - FINDINGS_SHOWN:
            lines += [f"    and {more} more"] if more > 0 else []
    if attempt.sent_back:
        why = foreign(attempt.sent_back.why) or attempt.sent_back.cause
        lines.append(f"  {paint(f'sent back: {why}', 'bad')}")
        lines += [f"    {foreign(path, 120)}" for path in attempt.sent_back.paths[:PATHS_SHOWN]]
    return lines


def _round(
    fact: RoundFinished, verdicts: list[Verdict], paint: Paint, read_log: ReadLog | None
) -> list[str]:
    changed = count(fact.paths_count, "file") + " changed" if fact.commit else "nothing committed"
    said = "" if fact.worker_outcome == "done" else f"; worker {fact.worker_outcome}"
    why = f": {foreign(fact.why)}" if fact.why else ""
    lines = [f"  round {fact.round}  {changed} in {duration(fact.duration_s)}{said}{why}"]
    if fact.paths:
        lines.append(f"    {listed((foreign(p, 80) for p in fact.paths), PATHS_SHOWN)}")
    lines += [paint(f"    outside its paths: {foreign(p, 120)}", "bad") for p in fact.outside[:5]]
    lines += [
        paint(f"    refused: {foreign(r.path, 100)}: {foreign(r.why, 120)}", "bad")
        for r in fact.refusals[:5]
    ]
    if read_log and fact.log:
        lines += _log(fact.log, read_log)
    for verdict in verdicts:
        lines += _verdict(verdict, paint, read_log)
    return lines


def _checked(fact: CheckerJudged, paint: Paint) -> list[str]:
    """What a checker found: each with how to see it."""
    by = f"    checker {said_of_worker(fact.worker, fact.model)}"
    if fact.why:
        return [paint(f"{by} could not judge: {foreign(fact.why, 240)}", "bad")]
    if not fact.findings:
        return [paint(f"{by} has nothing against it", "good")]
    lines = [f"{by} found {count(len(fact.findings), 'thing')}"]
    for one in fact.findings:
        style: Style = "bad" if one.severity == "blocking" else "plain"
        lines.append(paint(f"      {one.severity}: {foreign(one.said, 400)}", style))
        if one.reproduce:
            lines.append(f"        to see it: {foreign(' '.join(one.reproduce.split()), 400)}")
    return lines


def _candidate(candidate: CandidateState, paint: Paint, read_log: ReadLog | None) -> list[str]:
    built = candidate.built
    outcome = candidate.judged.outcome if candidate.judged else candidate.status
    lines = [
        f"candidate {built.candidate}  {outcome}: {listed(ref.task for ref in built.heads)}"
        f" on {short(built.base)}"
    ]
    for verdict in candidate.verdicts:
        lines += _verdict(verdict, paint, read_log)
    return lines


def _verdict(verdict: Verdict, paint: Paint, read_log: ReadLog | None) -> list[str]:
    passed = verdict.outcome == "passed"
    lines = [f"    {paint(said_of(verdict), 'good' if passed else 'bad')}"]
    if not passed:
        lines += [f"      {line}" for line in told_of_failures(verdict)]
        lines += [f"      {foreign(line)}" for line in verdict.lines[:LINES_SHOWN]]
    if read_log and verdict.log and not passed:
        lines += _log(verdict.log, read_log)
    return lines


def _log(blob: str, read_log: ReadLog) -> list[str]:
    return [f"      > {foreign(line, 300)}" for line in read_log(blob).splitlines()]
