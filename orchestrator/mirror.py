"""`.agent/state_ledger.json`: the newest run, for people and agents who read files.

1. It is a view, made anew from the state; nobody reads it back.
2. It is written only where the user's `.agent/.gitignore` names it: nothing in the checkout
   that git would see ever changes.
3. It is replaced, never truncated, at most every two seconds and once more at the end.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pydantic_core import to_json

from ledger.events import Event
from ledger.export import state_ledger
from ledger.state import RunState
from orchestrator.review.judged import warnings_of

NAME = "state_ledger.json"
EVERY_S = 2.0


class Mirror:
    """An observer that keeps the file up to date."""

    def __init__(self, checkout: Path) -> None:
        self.path = checkout / ".agent" / NAME
        self.wanted = _is_ignored(self.path.parent)
        self._next = 0.0

    def on_facts(self, state: RunState, facts: Sequence[tuple[Event, float]]) -> None:
        """See Observer."""
        if self.wanted and (state.finished or time.monotonic() >= self._next):
            # A view is not worth a run: a full disk or a folder that is gone stops nothing.
            with suppress(OSError):
                write_view(self.path, state)
            self._next = time.monotonic() + EVERY_S

    def on_line(self, where: str, text: str) -> None:
        """See Observer."""


def write_view(path: Path, state: RunState) -> None:
    """Replace the file by the state as it stands."""
    temporary = path.with_name(f".{NAME}.{secrets.token_hex(4)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    descriptor = os.open(temporary, flags, 0o644)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(to_json(state_ledger(state, warnings_of(state)), indent=2) + b"\n")
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _is_ignored(folder: Path) -> bool:
    try:
        lines = (folder / ".gitignore").read_text("utf-8").splitlines()
    except (OSError, UnicodeError):
        return False
    return any(line.strip().lstrip("/") == NAME for line in lines)
