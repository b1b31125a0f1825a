"""The tools that look: `status`, `wait`, `show_task`, `diff` and `report`. They change nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import anyio.from_thread
from mcp.server.mcpserver import Context
from pydantic import Field

from ledger.events import AttemptFinished, Event
from ledger.model import Verdict
from ledger.state import AttemptState, RunState, TaskState
from orchestrator.driven import driven
from orchestrator.mcp_server.answers import (
    AttemptLine,
    DiffAnswer,
    FileLine,
    Question,
    ReportAnswer,
    StatusAnswer,
    Step,
    TaskAnswer,
    TaskLine,
    WaitAnswer,
)
from orchestrator.mcp_server.fitting import REST
from orchestrator.mcp_server.office import Office, Sight
from orchestrator.mcp_server.running import Run
from orchestrator.mcp_server.running import Task as TaskId
from orchestrator.mcp_server.steps import call, steps_of, wait_on
from orchestrator.persons import find_task, refuse_cleaned
from orchestrator.review.narrate import said_of
from orchestrator.review.report import render_report
from orchestrator.review.spent import questions, spent
from orchestrator.review.status import StatusView, status_of, why_so
from orchestrator.review.words import short
from orchestrator.runs import unfinished
from orchestrator.sides import sides_of
from orchestrator.waiting import Heard, hear_since, wait_for_run
from workers.text import printable

LOUD = ("held", "failed", "working", "queued")
PATCH_BYTES = 8 << 20
LONGEST_WAIT_S = 3600
USUAL_WAIT_S = 50
"""Clients give up on a call after a minute."""
TELL_EVERY_S = 5.0
OTHERS = 3

Which = Literal[
    "attention",
    "all",
    "held",
    "failed",
    "working",
    "queued",
    "ready",
    "waiting",
    "skipped",
    "rejected",
    "unchanged",
    "landed",
]
Offset = Annotated[int, Field(ge=0, description="Go on from there: next_offset.")]


class LookTools:
    """Runs, looked at."""

    def __init__(self, office: Office) -> None:
        self.office = office

    def status(
        self,
        run: Run = None,
        which: Annotated[
            Which, Field(description="Tasks to list; attention: what is open, the gravest first.")
        ] = "attention",
        offset: Annotated[int, Field(ge=0, description="Skip so many of these tasks.")] = 0,
    ) -> StatusAnswer:
        """Say where a run stands: what needs somebody, what goes on, what landed, what is next."""
        with self.office.looking(run) as sight:
            time_s = driven(sight.store, sight.run, sight.state, sight.alive)
            view = status_of(sight.state, sight.alive, True, time_s)
            others = unfinished(sight.store, sight.workplace.place)
        wanted = LOUD if which == "attention" else (which,)
        tasks = [t for t in view.tasks if which == "all" or t.status in wanted]
        return StatusAnswer(
            run=view.run,
            goal=view.goal,
            phase=view.phase,
            outcome=view.outcome,
            exit_code=view.exit_code,
            why=view.why or None,
            seq=view.seq,
            counts=view.counts,
            target=view.target,
            result=view.result if view.landings else None,
            spent=view.spent.said or None,
            budget=view.budget.said or None,
            notes=list(_notes(view)) or None,
            questions=_questions(sight.state),
            tasks=[
                TaskLine(id=t.id, status=t.status, note=t.note or None, attempts=t.attempts or None)
                for t in tasks[offset:]
            ]
            or None,
            offset=offset or None,
            other_runs=[one.run for one in others if one.run != view.run][:OTHERS] or None,
            next=[
                *steps_of(sight.state, sight.alive, sight.branches),
                call("status", "more tasks", run=view.run, which=which, offset=REST),
            ],
        )

    def wait(
        self,
        ctx: Context[Any, Any],
        run: Run = None,
        after: Annotated[
            int | None, Field(ge=0, description="Tell what happened after this event (seq) too.")
        ] = None,
        until: Annotated[
            Literal["end", "change"],
            Field(description="end: it ends, or a worker asks something; change: any news."),
        ] = "end",
        timeout_s: Annotated[
            float, Field(ge=0, le=LONGEST_WAIT_S, description="Below your client's own limit.")
        ] = USUAL_WAIT_S,
    ) -> WaitAnswer:
        """Wait for a run, and say what happened meanwhile. Better than to ask again and again.

        Returns at the latest after timeout_s; where `ended` is false, wait again with after=seq.
        """
        with self.office.looking(run) as sight:
            heard = _Heard()
            if after is not None:
                hear_since(sight.store, sight.state, after, heard)
            news = _News(ctx, sight.state, heard, timeout_s)

            def stirs() -> bool:
                if until == "change":
                    return bool(heard.said)
                # One that was asked before `after` is known to who waits again.
                return any(not after or task in heard.asked for task, _ in questions(sight.state))

            waited = wait_for_run(
                sight.workplace.place,
                sight.store,
                sight.state,
                heard,
                timeout_s=timeout_s,
                stirs=stirs,
                pause=news.pause,
            )
            if not sight.state.finished:
                refuse_cleaned(sight.state)  # it will never end
            return _waited(sight, waited.alive, heard)

    def show_task(self, task: TaskId, run: Run = None) -> TaskAnswer:
        """Tell a task in full: its prompt, attempts, what failed and why, what it asks."""
        with self.office.looking(run) as sight:
            state, found = sight.state, find_task(sight.state, task)
        landing = next((one for one in state.landings if one.candidate == found.landed_by), None)
        red = _last_red(state, found)
        return TaskAnswer(
            run=sight.run,
            task=task,
            title=found.task.title or None,
            status=found.status,
            why=why_so(state, found) or None,
            question=found.question,
            prompt=found.task.prompt,
            worker=found.task.worker or state.started.settings.worker,
            needs=list(found.task.needs) or None,
            paths=list(found.task.paths) or None,
            attempts=[_attempt(one) for one in reversed(found.attempts)] or None,
            lines=list(red.lines) if red and found.status != "landed" else None,
            answers=[f"{asked} -> {said}" for asked, said in found.answers] or None,
            spent=spent(state, task).said or None,
            landed_as=short(landing.commit) if landing else None,
            next=_next_of(sight, found),
        )

    def diff(
        self,
        task: Annotated[
            str | None, Field(description="A task's id; absent: all that the run changed.")
        ] = None,
        run: Run = None,
        path: Annotated[
            str | None, Field(description="Only below this path; absent: all, a page at a time.")
        ] = None,
        offset: Offset = 0,
    ) -> DiffAnswer:
        """Show what a task (landed or not), or the run, changed: files, and the patch in pages."""
        with self.office.looking(run) as sight:
            base, head = sides_of(sight.state, task, None)
        git = sight.workplace.git
        if not (git.exists(base) and git.exists(head)):
            refuse_cleaned(sight.state)  # else git says what is missing
        paths = (path,) if path else ()
        patch, cut = git.diff(base, head, paths=paths, limit_bytes=PATCH_BYTES)
        text = printable(patch)
        kinds = {"A": "added", "D": "deleted", "T": "another type"}
        files = [
            FileLine(path=one.path, change=kinds.get(one.status, "modified"))
            for one in git.changed_paths(base, head)
            if not path or one.path == path or one.path.startswith(path.rstrip("/") + "/")
        ]
        whole = f"{text}\n(cut after {PATCH_BYTES >> 20} MB)" if cut else text
        arguments = {k: v for k, v in (("task", task), ("path", path)) if v}
        return DiffAnswer(
            run=sight.run,
            task=task,
            base=base,
            head=head,
            files=(files if offset == 0 else None) or None,
            text=whole,
            offset=offset,
            next=[
                call("diff", "the rest of the patch", run=sight.run, offset=REST, **arguments),
                *_after_diff(sight, task),
            ],
        )

    def report(self, run: Run = None, offset: Offset = 0) -> ReportAnswer:
        """Give a run's report in Markdown, in pages: what landed, failed, waits, what it cost."""
        with self.office.looking(run) as sight:
            text = report_of(sight)
        steps = steps_of(sight.state, sight.alive, sight.branches)
        more = call("report", "the rest of it", run=sight.run, offset=REST)
        return ReportAnswer(run=sight.run, text=text, offset=offset, next=[more, *steps[:2]])


class _Heard(Heard):
    """What was heard, and who asked something meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def on_facts(self, state: RunState, facts: Sequence[tuple[Event, float]]) -> None:
        """Facts were recorded."""
        super().on_facts(state, facts)
        ends = (fact for fact, _ in facts if isinstance(fact, AttemptFinished))
        self.asked |= {fact.task for fact in ends if fact.cause == "question"}


class _News:
    """Tells the client that waits, and lets time pass until it wants no more."""

    def __init__(
        self, ctx: Context[Any, Any], state: RunState, heard: Heard, timeout_s: float
    ) -> None:
        self.ctx, self.state, self.heard, self.timeout_s = ctx, state, heard, timeout_s
        self.began = time.monotonic()
        self.told_at = self.began
        self.told = len(heard.said)

    def pause(self, seconds: float) -> None:
        """A moment; the client's cancelling ends it."""
        anyio.from_thread.check_cancelled()
        now = time.monotonic()
        if len(self.heard.said) > self.told or now - self.told_at >= TELL_EVERY_S:
            self.told, self.told_at = len(self.heard.said), now
            done = sum(len(self.state.with_status(s)) for s in ("landed", "unchanged"))
            said = f": {self.heard.said[-1][1]}" if self.heard.said else ""
            message = f"{done} of {len(self.state.tasks)} tasks done{said}"[:300]
            anyio.from_thread.run(
                self.ctx.report_progress, now - self.began, self.timeout_s, message
            )
        time.sleep(seconds)


def report_of(sight: Sight) -> str:
    """A run's report, in Markdown."""
    time_s = driven(sight.store, sight.run, sight.state, sight.alive)
    return render_report(sight.state, sight.alive, time.time(), True, time_s)


def _waited(sight: Sight, alive: bool, heard: Heard) -> WaitAnswer:
    state = sight.state
    view = status_of(state, alive, True)
    ended = view.phase != "going-on"
    asks = _questions(state)
    steps = steps_of(state, alive, sight.branches)
    if not ended:
        first = [step for step in steps if step.tool == "answer"]
        steps = [*first, wait_on(state.run, state.seq)]
    return WaitAnswer(
        run=view.run,
        ended=ended,
        phase=view.phase,
        outcome=view.outcome,
        exit_code=view.exit_code,
        why=view.why or None,
        seq=view.seq,
        counts=view.counts,
        said=[text for _, text in heard.said],
        warnings=list(view.warnings) or None,
        questions=asks,
        next=steps,
    )


def _notes(view: StatusView) -> list[str]:
    found = list(view.warnings)
    if view.baseline != "advisory":
        found += [f"base is not green: {gate}" for gate in view.red_gates]
    found += [f"gate {gate}: {said}" for gate, said in view.tests]
    if view.accepted_into:
        found.append(f"accepted into {', '.join(view.accepted_into)}")
    return [*found, *view.moved, *view.notices]


def _questions(state: RunState) -> list[Question] | None:
    return [Question(task=task, asks=asked) for task, asked in questions(state)] or None


def _attempt(attempt: AttemptState) -> AttemptLine:
    finished, back = attempt.finished, attempt.sent_back
    verdicts = [verdict for one in attempt.rounds[-1:] for verdict in one.verdicts]
    outcome = "sent back" if back else finished.outcome if finished else "under way"
    why = (back.why or back.cause) if back else finished.why if finished else ""
    return AttemptLine(
        attempt=attempt.number,
        outcome=outcome,
        rounds=len(attempt.rounds),
        why=why or None,
        gates=[said_of(one) for one in verdicts if one.outcome != "passed"] or None,
    )


def _last_red(state: RunState, task: TaskState) -> Verdict | None:
    """The newest verdict on it that was not green."""
    last = task.last
    if last is None:
        return None
    found = [verdict for one in last.rounds for verdict in one.verdicts]
    if last.sent_back and last.sent_back.candidate in state.candidates:
        found += state.candidates[last.sent_back.candidate].verdicts
    return next((one for one in reversed(found) if one.outcome != "passed"), None)


def _after_diff(sight: Sight, task: str | None) -> list[Step]:
    if task is not None:
        return [
            call("show_task", "how it came about, and what judged it", task=task, run=sight.run)
        ]
    return [one for one in steps_of(sight.state, sight.alive, sight.branches) if one.tool != "diff"]


def _next_of(sight: Sight, task: TaskState) -> list[Step]:
    name, run = task.task.id, sight.run
    more = [call("diff", "what it changed", task=name, run=run)] if task.attempts else []
    match task.status:
        case "held" if task.question is not None:
            return [call("answer", "it waits for that", task=name, text="...", run=run), *more]
        case "held":
            paths = sight.state.to_allow(task)
            allow = f"orch allow {name} {paths[0]} --run {run}" if paths else ""
            typed = allow or f"orch show {name} --log --run {run}"
            return [*more, Step(person=typed, why="only a person decides about it")]
        case "failed":
            again = call("retry", "with your advice", task=name, note="...", run=run)
            return [again, *more]
        case "landed" | "unchanged":
            return more or [call("status", "the whole run", run=run)]
        case _:
            return [wait_on(run, sight.state.seq), *more]
