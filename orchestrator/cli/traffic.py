"""Keeping a run's model calls in a file, and repeating a run from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.errors import OrchError

if TYPE_CHECKING:
    from orchestrator.models import Traffic

RecordOption = Annotated[
    Path | None,
    typer.Option("--record", metavar="FILE", help="Keep all model calls there, redacted."),
]
ReplayOption = Annotated[
    Path | None,
    typer.Option("--replay", metavar="FILE", help="Answer model calls from a record: no model."),
]


def traffic_typed(record: Path | None, replay: Path | None, *, anew: bool = False) -> Traffic:
    """What a person typed; OrchError where it cannot be. `anew`: for a run that begins."""
    from orchestrator.models import Traffic

    if record is not None and replay is not None:
        raise OrchError(
            "--record and --replay do not go together: what is repeated is recorded already",
            hint="leave one of them out",
        )
    if replay is not None and not replay.is_file():
        raise OrchError(f"there is no record {replay}", hint="make one: orch run --record FILE")
    if record is not None and not record.absolute().parent.is_dir():
        raise OrchError(f"the folder of {record} is not there", hint=f"mkdir -p {record.parent}")
    if anew and record is not None and record.is_file() and record.stat().st_size:
        raise OrchError(
            f"{record} holds something already: a record is of one run",
            hint=f"another file; orch resume --record {record} goes on with the run in it",
        )
    return Traffic(
        record=record.absolute() if record else None,
        replay=replay.absolute() if replay else None,
    )


def words_of(traffic: Traffic) -> tuple[str, ...]:
    """The same as typed words, for a process of its own."""
    record = ("--record", str(traffic.record)) if traffic.record else ()
    return record + (("--replay", str(traffic.replay)) if traffic.replay else ())
