"""Starts that came to nothing before an automation's ledger could have a word of it.

1. Under a timer nobody sees what a command says: settings that became wrong in the evening would
   end every start of the night unheard. So the last of it is kept in one small file, which
   `orch schedule list` and `status` show, and a person is told of it by `[notify]`, as far as that
   can still be read.
2. Of the shared file, and of what git tracks, `[notify]` counts only as it was trusted last: a
   command that a pull brought runs for nobody.
3. The same reason is told once, however often a timer comes; again after a start that went well.
4. What goes wrong in here is part of what is kept, and takes no other error's place.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ledger.connectors import NotifySettings
from ledger.model import Value
from orchestrator.automations.turns import turn
from orchestrator.config import readable_documents
from orchestrator.errors import WRONG_USE, OrchError, face_of
from orchestrator.hiding import Hiding
from orchestrator.notify import Told, has_ways, hidden, send
from orchestrator.notify.message import unread_message
from orchestrator.places import user_config_folder
from orchestrator.review.words import count, day, foreign, listed
from orchestrator.settings_rules import problems_of_file
from orchestrator.shape import frozen
from orchestrator.trust import is_trusted, tracked_files
from orchestrator.workplace import Workplace
from worktree.removal import replace_file

SHOWN_S = 7 * 86400.0
WHY_CHARS = 600


class Unheard(Value):
    """Starts that came to nothing, one after the other."""

    version: int = 1
    why: str
    first: float
    last: float
    times: int = 1
    told: str = ""
    """What became of telling a person."""
    over: bool = False
    """A start has gone well since."""


def unheard_file(workplace: Workplace) -> Path:
    """Where it is kept."""
    return workplace.place.folder / "unheard.json"


def keep_unheard(
    workplace: Workplace, error: Exception, now: Callable[[], float] = time.time
) -> str:
    """Keep that a start came to nothing, and tell a person; what became of that, in words."""
    why = Hiding().text(foreign(face_of(error), WHY_CHARS))
    at, fresh = now(), True

    def came(before: Unheard | None) -> Unheard:
        nonlocal fresh
        fresh = before is None or before.why != why or before.over
        if before is None or fresh:
            # Kept before anybody is told: what dies there must not be unheard too.
            return Unheard(why=why, first=at, last=at)
        return before.model_copy(update={"last": at, "times": before.times + 1})

    try:
        workplace.place.make()
        kept = _change(workplace, came)
        if not fresh:
            return kept.told
        told = _tell(workplace, error, why)
        _change(workplace, lambda one: (one or kept).model_copy(update={"told": told}))
    except OSError as trouble:
        return f"this could not be kept: {trouble.strerror}"
    return told


def went_well(workplace: Workplace) -> None:
    """A start could begin: the next trouble is a new one."""
    before = _load(unheard_file(workplace))
    if before is not None and not before.over:
        with suppress(OSError):
            _change(workplace, lambda one: (one or before).model_copy(update={"over": True}))


def said_of_unheard(workplace: Workplace, now: float) -> list[str]:
    """What there is to say of it, a line each; nothing where there is nothing, or long ago."""
    found = _load(unheard_file(workplace))
    if found is None or now - found.last > SHOWN_S:
        return []
    span = f"at {day(found.last)}"
    if found.times > 1:
        span = f"from {day(found.first)} to {day(found.last)}"
    since = "; since then it went well" if found.over else ""
    what = f"{count(found.times, 'start')} came to nothing {span}{since}: {foreign(found.why, 600)}"
    return [what, f"  {foreign(found.told, 300)}"] if found.told else [what]


def _tell(workplace: Workplace, error: Exception, why: str) -> str:
    settings = _notify_left(workplace)
    if not has_ways(settings):
        return "nobody was told: no [notify] that can be read, and was trusted, says how"
    code = error.exit_code if isinstance(error, OrchError) else WRONG_USE
    hint = error.hint if isinstance(error, OrchError) else ""
    message = hidden(unread_message(workplace.checkout.name, code, why, hint), Hiding())
    return _said(send(workplace, settings, message, mark="automations/notify"))


def _said(told: Told) -> str:
    if told.ways:
        return f"you were told ({listed(told.ways)})"
    return f"nobody was told: {'; '.join(told.failed) or 'there is no terminal whose bell rings'}"


def _notify_left(workplace: Workplace) -> NotifySettings:
    """What `[notify]` says in the files that can be read, where it is right there (rule 2)."""
    documents, own = readable_documents(workplace.checkout, user_config_folder(workplace.environ))
    tables: list[tuple[str, Mapping[str, Any]]] = []
    for document in documents:
        table = document.data.get("notify", {})
        if not any(problems_of_file(replace(document, data={"notify": table}))):
            tables.append((document.name, table))
    counted = tracked_files(workplace, own)
    shared = {name for name, _ in tables if name not in own or name in counted}
    if not is_trusted(workplace, _joined(table for name, table in tables if name in shared)):
        tables = [(name, table) for name, table in tables if name not in shared]
    return _joined(table for _, table in tables)


def _joined(tables: Iterable[Mapping[str, Any]]) -> NotifySettings:
    return NotifySettings(**frozen({k: v for table in tables for k, v in table.items()}))


def _change(workplace: Workplace, change: Callable[[Unheard | None], Unheard]) -> Unheard:
    path = unheard_file(workplace)
    with turn(path.with_name(f"{path.name}.lock")):
        after = change(_load(path))
        replace_file(path, json.dumps(after.model_dump(mode="json"), indent=1).encode())
        return after


def _load(path: Path) -> Unheard | None:
    try:
        return Unheard.model_validate_json(path.read_bytes())
    except (OSError, ValidationError, ValueError):
        return None
