"""What a person may say about a run's limits, when it starts and when it goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated, cast, get_args

import typer

from ledger.model import Limits, SandboxMode
from ledger.state import RunState
from orchestrator.cli.budgets import budgets_typed
from orchestrator.errors import OrchError
from orchestrator.policy.nearest import nearest
from orchestrator.review.words import day, listed
from orchestrator.times import parse_deadline
from orchestrator.workplace import Workplace

ParallelOption = Annotated[
    int | None,
    typer.Option("--parallel", "-j", min=1, max=256, metavar="N", help="Workers at once."),
]
GatesParallelOption = Annotated[
    int | None,
    typer.Option("--gates-parallel", min=1, max=64, metavar="N", help="Land slots."),
]
AttemptsOption = Annotated[
    int | None, typer.Option("--attempts", min=1, max=50, metavar="N", help="Tries of a task.")
]
DeadlineOption = Annotated[
    str | None,
    typer.Option("--deadline", metavar="TIME", help="End in order then: 07:00, or 2h from now."),
]
DetachOption = Annotated[
    bool, typer.Option("--detach", "-d", help="Go on without this terminal; say how to follow.")
]
SandboxOption = Annotated[
    str | None,
    typer.Option(
        "--sandbox",
        metavar="MODE",
        help="bubblewrap, none (with all your rights) or external (a container confines).",
    ),
]
CiOption = Annotated[
    bool,
    typer.Option("--ci", help="In a job: ask nothing, push what landed, write the job's summary."),
]
NEVER = "never"


def sandbox_mode(text: str | None) -> SandboxMode | None:
    """The mode that a person typed."""
    if text is None:
        return None
    for mode in get_args(SandboxMode):
        if mode == text:
            return cast(SandboxMode, mode)
    known = get_args(SandboxMode)
    close = nearest(text, known)
    hint = f"did you mean --sandbox {close}?" if close else f"there are: {', '.join(known)}"
    raise OrchError(f"there is no sandbox '{text}'", hint=hint)


def deadline_at(text: str | None) -> float | None:
    """The deadline that a person typed, as seconds since the epoch."""
    return None if text is None or text == NEVER else parse_deadline(text, time.time())


def changed_limits(
    limits: Limits,
    *,
    parallel: int | None,
    gates_parallel: int | None,
    attempts: int | None,
    deadline: str | None,
    budget_usd: str | None = None,
    budget_tokens: str | None = None,
    task_usd: str | None = None,
    attempt_usd: str | None = None,
    call_usd: str | None = None,
) -> Limits:
    """The limits with what a person typed over them; the deadline `never` takes it away."""
    named = {"parallel": parallel, "gates_parallel": gates_parallel, "attempts": attempts}
    changes: dict[str, float | None] = {k: v for k, v in named.items() if v is not None}
    if deadline is not None:
        changes["deadline"] = deadline_at(deadline)
    changes |= budgets_typed(
        budget_usd=budget_usd,
        budget_tokens=budget_tokens,
        task_usd=task_usd,
        attempt_usd=attempt_usd,
        call_usd=call_usd,
    )
    return Limits.model_validate({**limits.model_dump(), **changes})


def refuse_past_deadline(limits: Limits) -> None:
    """A run whose deadline has passed would end at once."""
    if limits.deadline is not None and limits.deadline <= time.time():
        raise OrchError(
            f"the run's deadline has passed ({day(limits.deadline)})",
            hint="orch resume --deadline 2h, or --deadline never",
        )


def said_of_changes(workplace: Workplace, state: RunState) -> Iterator[str]:
    """What differs between the settings as they are now and as the run recorded them."""
    from orchestrator.config import load_settings, settings_differences
    from orchestrator.places import user_config_folder

    try:
        now = load_settings(workplace.checkout, user_config_folder(workplace.environ))
    except OrchError:
        yield "the settings cannot be read now; the run goes on with those it started with"
        return
    recorded = state.started.settings
    same_limits = now.model_copy(update={"limits": recorded.limits})
    if changed := settings_differences(recorded, same_limits):
        keys = listed(changed)
        yield f"changed since the run started, and not used by it: {keys} (a new run reads it)"
