"""The till of planning, which belongs to no run: its calls are kept in a file beside the ledger.

1. A line is written, and on the disk, before a call leaves, and one when it has ended: what nobody
   settled counts as its worst, as in a run.
2. Lines are only added. Each says which planning it is of: several may go on at once.
3. A line that was torn by a crash was no call yet, since it had not left, or none that is settled.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.events import CallReserved, CallSettled, parse_event, render_event

if TYPE_CHECKING:
    from ledger.events import Event
    from ledger.model import Tokens
    from ledger.place import Place
    from workers.gateway.till import Call, Refused, Reservation, Till


def planning_file(place: Place) -> Path:
    """Where the calls of planning are kept."""
    return place.folder / "planning.jsonl"


class PlanningTill:
    """A till that keeps what another one allows."""

    def __init__(self, till: Till, place: Place) -> None:
        place.make()
        self._till, self._path = till, planning_file(place)
        self._planning = uuid.uuid4().hex
        self._numbers: dict[str, int] = {}

    async def reserve(self, call: Call) -> Reservation | Refused:
        """As the protocol says."""
        from orchestrator.till import reserved
        from workers.gateway.till import Reservation

        found = await self._till.reserve(call)
        if isinstance(found, Reservation):
            number = self._numbers[found.id] = len(self._numbers) + 1
            self._keep(reserved(number, call))
        return found

    async def settle(
        self, reservation: Reservation, tokens: Tokens | None, cost_usd: float | None
    ) -> None:
        """As the protocol says."""
        number = self._numbers[reservation.id]
        self._keep(CallSettled(call=number, tokens=tokens, cost_usd=cost_usd))
        await self._till.settle(reservation, tokens, cost_usd)

    def _keep(self, fact: CallReserved | CallSettled) -> None:
        kind, version, body = render_event(fact)
        line = {"planning": self._planning, "at": time.time(), "kind": kind, "version": version}
        text = json.dumps({**line, "body": body}) + "\n"
        # Behind whatever a crash left there: a line of its own, and one write, so none is mixed.
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            os.write(descriptor, ("\n" * torn + text).encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def load_planning(place: Place) -> Iterator[tuple[str, float, Event]]:
    """What was kept: which planning, when, what; lines that cannot be read are left out."""
    try:
        text = planning_file(place).read_text("utf-8", "replace")
    except OSError:
        return
    for line in text.splitlines():
        try:
            kept = json.loads(line)
            fact = parse_event(kept["kind"], kept["version"], kept["body"])
            yield str(kept["planning"]), float(kept["at"]), fact
        except (ValueError, KeyError, TypeError):
            continue
