"""Keeping the machine awake while a command works: the option, and the block."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from orchestrator.workplace import Workplace

KeepAwakeOption = Annotated[
    bool, typer.Option("--keep-awake", help="Hold off sleep meanwhile, where the system allows.")
]


def awake(workplace: Workplace, *, wanted: bool) -> AbstractContextManager[None]:
    """Hold off sleep within the block, where that is wanted; says where it is not possible."""
    from orchestrator.automations.awake import kept_awake
    from orchestrator.cli import output

    why = f"runs in {workplace.checkout.name} go on"
    return kept_awake(workplace.environ, why, output.narrate, wanted=wanted)


def words_of_awake(*, wanted: bool) -> tuple[str, ...]:
    """The same as typed words, for a process of its own."""
    return ("--keep-awake",) if wanted else ()
