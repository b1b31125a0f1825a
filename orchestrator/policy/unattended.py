"""What a run may do that nobody attends. Pure.

1. It starts only where nothing of it can get out of hand: in a sandbox, or where something around
   orch confines it (`external`); with a budget wherever a model may be asked; with commands that
   a person trusts. All that is missing is told at once, with what to type.
2. It accepts only into a branch that was named for it, never into the one that happened to be
   checked out; and only into one that is there: a name that was typed wrongly makes no branch that
   nobody looks for. That is said at the start, not when the night is over.
3. It deletes nothing that holds work, and answers no question of its own: that is a person's word,
   and no fact of such a word comes from an engine, a worker or a gate.
4. What would need a person ends it in order (`ending`), or waits, held, until one comes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ledger.events import RunStarted
from ledger.model import Settings
from orchestrator.policy.models import model_workers
from orchestrator.policy.nearest import listed


@dataclass(frozen=True, slots=True)
class Missing:
    """What a run lacks that nobody attends, and what to type."""

    what: str
    hint: str


def missing(
    settings: Settings,
    asked: Iterable[str],
    *,
    plans: bool = False,
    accept: bool = False,
    into: str = "",
    into_is_there: bool = True,
) -> tuple[Missing, ...]:
    """What keeps a run with these settings from starting unattended; trust is another matter.

    `asked` are the workers and the checker that it may ask; `plans`: the planner is asked too.
    """
    found = []
    if settings.sandbox.mode == "none":
        found.append(
            Missing(
                "nobody attends the run, and no sandbox confines it",
                'take away sandbox = "none" and --sandbox none; or, where a container or a CI '
                "runner confines all of it: --sandbox external",
            )
        )
    if unlimited := _unlimited(settings, asked, plans):
        found.append(
            Missing(
                f"nobody attends the run, and nothing limits what it spends on {unlimited}",
                "--budget-usd 5 or --budget-tokens 2M, or budget_usd = 5.0 below [run]",
            )
        )
    if accept and not into:
        found.append(
            Missing(
                "nobody attends the run, and no branch is named that it may accept into",
                "--accept --into BRANCH; without both, accept it yourself: orch accept",
            )
        )
    elif accept and not into_is_there:
        found.append(no_branch(into))
    return tuple(found)


def no_branch(into: str) -> Missing:
    """The branch that it may accept into is not there."""
    return Missing(
        f"nobody attends it, and there is no branch {into!r} here that it may accept into",
        f"name one that is there, or make it: git branch {into}",
    )


def _unlimited(settings: Settings, asked: Iterable[str], plans: bool) -> str:
    """The names of the models that nothing limits; empty: there is none."""
    models, limits = model_workers(settings), settings.limits
    if limits.budget_usd is not None or limits.budget_tokens is not None:
        return ""
    names = [name for name in asked if name in models]
    if plans and settings.planner in models and settings.plan_budget_usd is None:
        names.append(str(settings.planner))
    return listed(dict.fromkeys(names)) if names else ""


def may_accept(started: RunStarted) -> bool:
    """Whether the run may accept by itself, when all of it has landed (rule 2)."""
    return started.accept and (bool(started.into) or not started.unattended)
