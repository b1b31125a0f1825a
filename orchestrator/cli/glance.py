"""`orch status` of a finished run, answered from the view that was kept of it.

Spares what costs most: the command line's parser, the models and the fold. Where the view is
not there, or a fact has been added since, the long way is taken, which keeps it for next time.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.cli import output
from orchestrator.cli.lookup import find_common_folder

if TYPE_CHECKING:
    from ledger.place import Place
    from orchestrator.review.status import StatusView

FLAGS = frozenset({"--json", "--all"})


def glance(arguments: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Answer `orch status` where that is quickly done; whether it was."""
    if arguments[:1] != ["status"] or not set(arguments[1:]) <= FLAGS:
        return False
    common = find_common_folder(Path.cwd())
    if common is None:
        return False
    from ledger.place import place_of
    from ledger.store import Store

    place = place_of(common, environ)
    store = Store.open_existing(place.ledger)
    if store is None:
        return False
    with store:
        runs = store.runs()
        status = runs and load_kept(place, runs[0].run, runs[0].newest)
    if not status:
        return False
    answer_status(status, "--json" in arguments, "--all" in arguments)
    return True


def answer_status(status: StatusView, as_json: bool, everything: bool) -> None:
    """Print a view."""
    from orchestrator.review.status import render_status, status_as_json

    if as_json:
        output.answer_json(status_as_json(status))
    else:
        output.answer(render_status(status, time.time(), output.colour_answer, everything))


def load_kept(place: Place, run: str, seq: int) -> StatusView | None:
    """The kept view of a run, where it was made after its fact number `seq`."""
    from orchestrator.review.status import status_from_json

    try:
        status = status_from_json(json.loads(_kept_at(place, run).read_bytes()))
    except (OSError, ValueError):
        return None
    return status if status and status.run == run and status.seq == seq else None


def keep(place: Place, status: StatusView) -> None:
    """Keep the view of a finished run; where that cannot be done, nothing is lost."""
    from orchestrator.review.status import status_as_json

    if status.automation:
        return  # what its automation measures afterwards is no fact of the run
    path = _kept_at(place, status.run)
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        beside.write_text(json.dumps(status_as_json(status)), "utf-8")
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)


def _kept_at(place: Place, run: str) -> Path:
    return place.folder / "views" / f"{run}.json"
