"""Arguments and options that several commands share, and what completes them in a shell."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ledger.state import RunState, TaskState
from orchestrator.lookup import open_ledger


def environ_of(ctx: typer.Context) -> Mapping[str, str]:
    """The environment as it was when orch was started."""
    environ: Mapping[str, str] = ctx.obj if isinstance(ctx.obj, dict) else dict(os.environ)
    return environ


def _newest_state() -> RunState | None:
    from orchestrator.runs import load_state, pick_run

    ledger = open_ledger(Path.cwd(), os.environ)
    return load_state(ledger.store, pick_run(ledger.store)) if ledger.store else None


def complete_run(ctx: Any, args: list[str], incomplete: str) -> list[tuple[str, str]]:
    """The runs whose ids begin so."""
    from orchestrator.review.words import foreign

    try:
        ledger = open_ledger(Path.cwd(), os.environ)
        runs = ledger.store.runs(incomplete) if ledger.store else ()
    except Exception:  # a shell that completes must not be disturbed
        return []
    # Some shells evaluate what they are given: nothing of a goal may mean anything to them.
    return [(run.run, re.sub(r"[^\w .,-]+", " ", foreign(run.goal, 60))) for run in runs[:50]]


def complete_task(ctx: Any, args: list[str], incomplete: str) -> list[tuple[str, str]]:
    """The tasks of the newest run whose ids begin so."""
    return [(t.task.id, str(t.status)) for t in _tasks_named(incomplete)][:200]


def complete_asking(ctx: Any, args: list[str], incomplete: str) -> list[tuple[str, str]]:
    """The tasks of the newest run that ask a person, and whose ids begin so."""
    return [(t.task.id, "asks") for t in _tasks_named(incomplete) if t.question is not None][:200]


def _tasks_named(incomplete: str) -> list[TaskState]:
    try:
        state = _newest_state()
    except Exception:  # as above
        return []
    tasks = state.tasks.values() if state else ()
    return [task for task in tasks if task.task.id.startswith(incomplete)]


RunArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN",
        help="A run's id or its beginning; absent: the newest.",
        show_default=False,
        autocompletion=complete_run,
    ),
]
RunOption = Annotated[
    str | None,
    typer.Option(
        "--run",
        metavar="RUN",
        help="A run's id or its beginning; absent: the newest.",
        show_default=False,
        autocompletion=complete_run,
    ),
]
TaskArgument = Annotated[
    str,
    typer.Argument(metavar="TASK", help="A task's id.", autocompletion=complete_task),
]
MaybeTask = Annotated[
    str | None,
    typer.Argument(
        metavar="TASK",
        help="A task's id; absent: the whole run.",
        show_default=False,
        autocompletion=complete_task,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
LaterOption = Annotated[
    bool, typer.Option("--later", help="Only record it; go on later with: orch resume.")
]
