"""What the tools answer. Fields that have nothing to say are left out."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

LeftOut = Annotated[
    dict[str, int] | None, Field(description="How many entries of which list did not fit.")
]


class Answer(BaseModel):
    """What every answer has."""

    model_config = ConfigDict(extra="forbid")


class Step(Answer):
    """What to do next: call a tool, or tell the person what to type."""

    tool: str | None = None
    arguments: dict[str, Any] | None = None
    person: Annotated[
        str | None, Field(description="A command that only a person types: show it to them.")
    ] = None
    why: str


Next = Annotated[list[Step], Field(description="What to do next, the first first.")]


class PlanAnswer(Answer):
    """A plan in its file."""

    plan: str
    file: str
    version: Annotated[str, Field(description="To replace this very text: replaces.")]
    ok: bool
    goal: str | None = None
    task_count: int | None = None
    tasks: list[str] | None = None
    errors: list[str] | None = None
    warnings: list[str] | None = None
    forecast: list[str] | None = None
    left_out: LeftOut = None
    next: Next


class RunAnswer(Answer):
    """What was done to a run."""

    run: str
    what: str
    going_on: Annotated[bool, Field(description="An engine drives it now.")]
    warnings: list[str] | None = None
    left_out: LeftOut = None
    next: Next


class TaskLine(Answer):
    """One task in a line."""

    id: str
    status: str
    note: str | None = None
    attempts: int | None = None


class Question(Answer):
    """What a worker asks."""

    task: str
    asks: str


class StatusAnswer(Answer):
    """Where a run stands."""

    run: str
    goal: str
    phase: Annotated[str, Field(description="going-on, interrupted, finished or cleaned.")]
    outcome: str | None = None
    exit_code: int | None = None
    why: str | None = None
    seq: Annotated[int, Field(description="Number of the last event: wait(after=...).")]
    counts: Annotated[dict[str, int], Field(description="Tasks by status.")]
    target: str | None = None
    result: Annotated[str | None, Field(description="The branch of what has landed.")] = None
    spent: str | None = None
    budget: str | None = None
    notes: list[str] | None = None
    questions: list[Question] | None = None
    tasks: list[TaskLine] | None = None
    offset: int | None = None
    other_runs: Annotated[list[str] | None, Field(description="Not finished either.")] = None
    left_out: LeftOut = None
    next: Next


class WaitAnswer(Answer):
    """What happened while it was waited for."""

    run: str
    ended: Annotated[bool, Field(description="False: it goes on; wait again.")]
    phase: str
    outcome: str | None = None
    exit_code: int | None = None
    why: str | None = None
    seq: Annotated[int, Field(description="For the next wait: after.")]
    counts: dict[str, int]
    said: Annotated[list[str], Field(description="What happened, the newest last.")]
    warnings: list[str] | None = None
    questions: list[Question] | None = None
    left_out: LeftOut = None
    next: Next


class AttemptLine(Answer):
    """One attempt in a line."""

    attempt: int
    outcome: str
    rounds: int
    why: str | None = None
    gates: Annotated[list[str] | None, Field(description="Those that were not green.")] = None


class TaskAnswer(Answer):
    """A task in full."""

    run: str
    task: str
    title: str | None = None
    status: str
    why: str | None = None
    question: str | None = None
    prompt: str
    worker: str | None = None
    needs: list[str] | None = None
    paths: list[str] | None = None
    attempts: Annotated[list[AttemptLine] | None, Field(description="The newest first.")] = None
    lines: Annotated[
        list[str] | None, Field(description="What the last gate that was not green printed.")
    ] = None
    answers: list[str] | None = None
    spent: str | None = None
    landed_as: str | None = None
    left_out: LeftOut = None
    next: Next


class FileLine(Answer):
    """A file that differs."""

    path: str
    change: str


class DiffAnswer(Answer):
    """A change, a page of its patch at a time."""

    run: str
    task: str | None = None
    base: str
    head: str
    files: list[FileLine] | None = None
    text: Annotated[str, Field(description="The patch from offset on.")]
    offset: int
    next_offset: Annotated[int | None, Field(description="Absent: that was all.")] = None
    left_out: LeftOut = None
    next: Next


class ReportAnswer(Answer):
    """A page of a run's report, in Markdown."""

    run: str
    text: str
    offset: int
    next_offset: Annotated[int | None, Field(description="Absent: that was all.")] = None
    left_out: LeftOut = None
    next: Next


class AcceptAnswer(Answer):
    """What came of accepting."""

    run: str
    outcome: Annotated[str, Field(description="accepted, nothing, red, conflict or refused.")]
    target: str
    commit: str | None = None
    tasks: list[str] | None = None
    left_out_tasks: list[str] | None = None
    warnings: list[str] | None = None
    why: str | None = None
    hint: str | None = None
    lines: list[str] | None = None
    left_out: LeftOut = None
    next: Next
