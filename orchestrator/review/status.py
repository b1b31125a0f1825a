"""Where a run stands, as a plain value that can be kept, printed or given as JSON.

1. The value needs no model and no database: a finished run's is kept beside the ledger, so that
   asking for it again costs neither.
2. It is never the truth: it says up to which fact it was made, and another fact outdates it.
3. What needs a person comes first, what is under way next, what is done last.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from orchestrator.review.flakes import flaky_on, flaky_tests
from orchestrator.review.moved import said_of_moves
from orchestrator.review.spent import (
    Budget,
    Spent,
    budget_of,
    said_of_waits,
    spent,
    told_questions,
    waits,
)
from orchestrator.review.spent import questions as questions_of
from orchestrator.review.words import (
    STATUS_STYLE,
    Paint,
    Style,
    count,
    day,
    duration,
    foreign,
    headline,
    listed,
    noted,
    result_branch,
    short,
    unpainted,
)

if TYPE_CHECKING:
    from ledger.state import RunState, Status, TaskState
    from orchestrator.automations.standing import Series
    from orchestrator.driven import Driven

VIEW_VERSION = 8
"""Raised when the value's shape or wording changes, so that a kept one is made anew."""

RunPhase = Literal["going-on", "interrupted", "finished", "cleaned"]
"""`cleaned`: before it had finished."""
ORDER: tuple[Status, ...] = (
    *("held", "failed", "working", "queued", "ready", "waiting"),
    *("skipped", "rejected", "unchanged", "landed"),
)
LINES_AT_MOST = 30


@dataclass(frozen=True, slots=True)
class TaskLine:
    """One task in a line."""

    id: str
    title: str
    status: str
    attempts: int
    round: int
    note: str
    head: str | None
    working_since: float | None
    worked_s: float
    model: str
    """`provider:model` of its last attempt; empty: its worker is a command."""
    tokens: int
    cost_usd: float | None
    """None: a part of it is not known."""
    spent: str


@dataclass(frozen=True, slots=True)
class StatusView:
    """Where a run stands after its fact number `seq`."""

    view: int
    run: str
    seq: int
    goal: str
    phase: RunPhase
    outcome: str | None
    exit_code: int | None
    why: str
    started_at: float
    ended_at: float | None
    driven_s: float
    """How long engines drove it: those that are gone, and that of now up to `driven_since`."""
    driven_since: float | None
    base: str
    target: str | None
    result: str
    tip: str
    result_at: str
    """What landed last; the tip, unless somebody else moved that."""
    counts: dict[str, int]
    landings: int
    sandbox: str
    baseline: str
    red_gates: tuple[str, ...]
    warnings: tuple[str, ...]
    """What every report of the run repeats."""
    tests: tuple[tuple[str, str], ...]
    """What the gates counted on the result, or on the base where nothing has landed."""
    queue: tuple[str, ...]
    judging: tuple[str, ...]
    accepted_into: tuple[str, ...]
    unaccepted: tuple[str, ...]
    """Landed tasks whose work no branch of the user's has."""
    cleaned: bool
    unattended: bool
    flaky_gates: tuple[str, ...]
    flaky_tests: tuple[str, ...]
    """Their names, or what was said of them."""
    moved: tuple[str, ...]
    """What is to be said of steps of the tip that somebody else made."""
    notices: tuple[str, ...]
    spent: Spent
    cost_usd: float | None
    """None: a part of it is not known."""
    budget: Budget
    pauses: tuple[tuple[str, float], ...]
    """By provider, until when calls to it wait, in seconds since the epoch."""
    questions: tuple[tuple[str, str], ...]
    """What tasks ask a person."""
    automation: str
    """What started it; empty: a person."""
    until: str
    series: tuple[tuple[int, float, float], ...]
    """What its automation measured: round (0: before the first), value, error."""
    tasks: tuple[TaskLine, ...]
    next: tuple[tuple[str, str], ...]


def status_of(
    state: RunState,
    alive: bool,
    named: bool = False,
    driven: Driven | None = None,
    series: Series | None = None,
) -> StatusView:
    """The view of a state; `alive`: an engine drives it now; `driven`: for how long one did;
    `series`: what the automation that started it measured."""
    from orchestrator.policy.accepted import unaccepted
    from orchestrator.review.advice import next_steps
    from orchestrator.review.judged import warnings_of
    from orchestrator.review.tested import tests_on_result

    finished, began = state.finished, state.started_at
    ended: RunPhase = "finished" if finished else "cleaned" if state.cleaned else "interrupted"
    phase: RunPhase = "going-on" if alive and not finished else ended
    judging = [
        ref.task
        for number in state.open_candidates
        if state.candidates[number].status == "judging"
        for ref in state.candidates[number].built.heads
    ]
    red = [v.gate for v in state.baseline_verdicts.values() if v.outcome != "passed"]
    order = {status: place for place, status in enumerate(ORDER)}
    tasks = sorted(state.tasks.values(), key=lambda task: (order[task.status], task.place))
    return StatusView(
        view=VIEW_VERSION,
        run=state.run,
        seq=state.seq,
        goal=foreign(headline(state.plan.goal)),
        phase=phase,
        outcome=finished.outcome if finished else None,
        exit_code=finished.exit_code if finished else None,
        why=foreign(finished.why) if finished else "",
        started_at=state.started_at,
        ended_at=state.finished_at,
        driven_s=driven.spent_s if driven else (state.finished_at or state.started_at) - began,
        driven_since=driven.since if driven else None if finished else began,
        base=state.started.base,
        target=state.started.target,
        result=result_branch(state.run),
        tip=state.tip,
        result_at=state.result,
        counts={name: len(ids) for name in ORDER if (ids := state.by_status.get(name))},
        landings=len(state.landings),
        sandbox=state.started.settings.sandbox.mode,
        baseline=state.baseline,
        red_gates=tuple(red),
        warnings=warnings_of(state),
        tests=tests_on_result(state),
        queue=tuple(ref.task for ref in state.queue),
        judging=tuple(dict.fromkeys(judging)),
        accepted_into=tuple(dict.fromkeys(fact.target for fact in state.accepted)),
        unaccepted=unaccepted(state),
        cleaned=state.cleaned is not None,
        flaky_gates=tuple(dict.fromkeys(flake.gate for flake in state.flakes)),
        unattended=state.started.unattended,
        flaky_tests=flaky_tests(state),
        moved=said_of_moves(state),
        notices=tuple(foreign(notice.what) for notice in state.notices[-5:]),
        spent=(whole := spent(state)),
        cost_usd=whole.cost_usd,
        budget=budget_of(state),
        pauses=waits(state, 0.0) if phase == "going-on" else (),
        questions=tuple((task_id, foreign(asked, 400)) for task_id, asked in questions_of(state)),
        automation=state.started.automation,
        until=series.until if series else "",
        series=series.points if series else (),
        tasks=tuple(_task_line(state, task) for task in tasks),
        next=tuple((s.command, s.why) for s in next_steps(state, alive, named)),
    )


def _task_line(state: RunState, task: TaskState) -> TaskLine:
    last = task.last
    worked = sum(a.finished.duration_s for a in task.attempts if a.finished)
    came_to = spent(state, task.task.id)
    return TaskLine(
        id=task.task.id,
        title=foreign(task.task.title, 80),
        status=task.status,
        attempts=len(task.attempts),
        round=len(last.rounds) + 1 if last and task.status == "working" else 0,
        note=why_so(state, task),
        head=last.head if last else None,
        working_since=last.started_at if last and task.status == "working" else None,
        worked_s=round(worked, 3),
        model=foreign(last.started.model) if last else "",
        tokens=came_to.tokens,
        cost_usd=came_to.cost_usd,
        spent=came_to.said,
    )


def why_so(state: RunState, task: TaskState) -> str:
    """Why a task stands where it stands, in a few words."""
    from ledger.model import FEWER_TESTS

    match task.status:
        case "waiting" | "skipped":
            done = ("landed", "unchanged")
            open_needs = [n for n in task.task.needs if state.tasks[n].status not in done]
            return f"needs {listed(open_needs, 3)}"
        case "landed" | "unchanged":
            return flaky_on(state, task)
        case "held" if task.question is not None:
            return f"asks: {foreign(task.question)}"
        case "held" if FEWER_TESTS in state.to_allow(task) and "tests ran" not in task.note:
            return f"{noted(task.note)}: fewer tests ran than before"
        case _:
            return noted(task.note)


# --- kept -----------------------------------------------------------------------------------


def status_as_json(status: StatusView) -> dict[str, Any]:
    """The view as plain lists, tables and values."""
    return asdict(status)


def status_from_json(body: Any) -> StatusView | None:
    """The view that was kept; None where another version of orch kept it."""
    names = {field.name for field in fields(StatusView)}
    if not isinstance(body, dict) or body.get("view") != VIEW_VERSION or set(body) != names:
        return None
    try:
        body["tasks"] = tuple(TaskLine(**task) for task in body["tasks"])
        body["tests"] = tuple((gate, said) for gate, said in body["tests"])
        body["next"] = tuple((command, why) for command, why in body["next"])
        body["spent"], body["budget"] = Spent(**body["spent"]), Budget(**body["budget"])
        body["series"] = tuple((number, value, e) for number, value, e in body["series"])
        body["pauses"] = tuple((name, until) for name, until in body["pauses"])
        body["questions"] = tuple((task, asked) for task, asked in body["questions"])
    except (TypeError, ValueError):
        return None
    return StatusView(**body)


# --- said -----------------------------------------------------------------------------------


def render_status(
    status: StatusView, now: float, paint: Paint = unpainted, everything: bool = False
) -> list[str]:
    """The view in lines for a terminal."""
    lines = [
        f"{paint(status.run, 'strong')}  {status.goal}",
        _phase(status, now, paint),
        f"base {short(status.base)}"
        + (f" of {status.target}" if status.target else "")
        + (f"  ->  {status.result} {short(status.result_at)}" if status.landings else ""),
        "  ".join(paint(f"{n} {name}", STATUS_STYLE[name]) for name, n in status.counts.items()),
        *(f"gate {gate}: {said}" for gate, said in status.tests),
        *_money(status, now, paint),
        *_warnings(status, paint),
        *_series(status, paint),
        "",
    ]
    width = max((len(task.id) for task in status.tasks), default=0)
    quiet = ("landed", "unchanged", "skipped", "waiting", "ready")
    loud = [task for task in status.tasks if task.status not in quiet]
    rest = [task for task in status.tasks if task.status in quiet]
    shown = (
        status.tasks if everything else [*loud[:LINES_AT_MOST], *rest[: LINES_AT_MOST - len(loud)]]
    )
    lines += [_line(task, now, width, paint) for task in shown]
    if left := len(status.tasks) - len(shown):
        lines.append(f"... and {count(left, 'more task')} (orch status --all)")
    return [*lines, *render_next(status.next, paint)]


def render_next(steps: tuple[tuple[str, str], ...], paint: Paint = unpainted) -> list[str]:
    """What to type next, in lines."""
    if not steps:
        return []
    width = max(len(command) for command, _ in steps)
    return [
        "",
        "next:",
        *(f"  {command:<{width}}  {paint(why, 'faint')}" for command, why in steps),
    ]


def _phase(status: StatusView, now: float, paint: Paint) -> str:
    since = status.driven_since
    took = duration(status.driven_s + (now - since if since is not None else 0.0))
    match status.phase:
        case "going-on":
            judging = f", judging {listed(status.judging, 3)}" if status.judging else ""
            alone = ", unattended" if status.unattended else ""
            return f"{paint('going on', 'busy')} for {took}{alone}{judging}"
        case "interrupted":
            began = day(status.started_at)
            return f"{paint('interrupted', 'bad')}: no engine drives it; started {began}"
        case "cleaned":
            return f"{paint('cleaned', 'bad')} before it had finished"
        case "finished":
            style: Style = (
                "good" if status.exit_code == 0 else "ask" if status.exit_code == 5 else "bad"
            )
            word = paint(str(status.outcome).replace("-", " "), style)
            why = f": {status.why}" if status.why else ""
            return f"{word}{why}  ({took}, exit code {status.exit_code})"


def _money(status: StatusView, now: float, paint: Paint) -> list[str]:
    """What models came to, what is left, what they wait for and what they ask."""
    spent, left = status.spent.said, status.budget.said
    lines = ["; ".join(filter(None, (f"spent {spent}" if spent else "", left)))]
    if status.budget.reached:
        lines.append(paint(f"budget reached: {foreign(status.budget.reached)}", "ask"))
    waiting = tuple((name, until) for name, until in status.pauses if until > now)
    lines += [paint(said, "ask") for said in said_of_waits(waiting, now)]
    lines += [paint(said, "ask") for said in told_questions(status.questions)]
    return [line for line in lines if line]


def _series(status: StatusView, paint: Paint) -> list[str]:
    """What started it, and what that measures."""
    if not status.automation:
        return []
    from orchestrator.review.thermostat import render_series

    drawn = render_series(status.until, status.series, paint) if status.until else []
    return [f"started by automation {status.automation}", *drawn]


def _warnings(status: StatusView, paint: Paint) -> list[str]:
    lines = [paint(said, "ask") for said in status.warnings]
    if status.flaky_tests:
        lines.append(
            paint(f"flaky: {listed(status.flaky_tests)} (red, then green, on one tree)", "ask")
        )
    lines += [paint(said, "ask") for said in status.moved[-3:]]
    if status.accepted_into:
        rest = f"; not accepted yet: {listed(status.unaccepted)}" if status.unaccepted else ""
        lines.append(f"accepted into {listed(status.accepted_into)}{rest}")
    if status.cleaned:
        lines.append("cleaned: its refs are gone, what was recorded stays")
    lines += [paint(f"note: {notice}", "faint") for notice in status.notices]
    return lines


def _line(task: TaskLine, now: float, width: int, paint: Paint) -> str:
    word = paint(f"{task.status:<9}", STATUS_STYLE[task.status])
    parts = []
    if task.status == "working" and task.working_since is not None:
        tries = f"attempt {task.attempts}, round {task.round}"
        by = f", by {task.model}" if task.model else ""
        parts.append(f"{tries}, {duration(now - task.working_since)}{by}")
    elif task.attempts > 1:
        parts.append(count(task.attempts, "attempt"))
    if task.spent:
        parts.append(task.spent)
    if task.note:
        parts.append(task.note)
    elif task.title and not parts:
        parts.append(paint(task.title, "faint"))
    return f"{word} {task.id:<{width}}  {'  '.join(parts)}".rstrip()
