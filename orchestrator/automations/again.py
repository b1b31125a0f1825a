"""Firings that failed before the ledger had a word of them: killed, or unable to read the settings.

1. They are started again later: after a minute, then after twice as long each time, for some hours.
2. A time of a schedule is not started from here: it is found due again, so the newest counts.
3. Whether the ledger has a word of one is told by how many facts there are. Where that cannot be
   read nothing is started again: twice would be worse than not at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.workplace import Workplace

if TYPE_CHECKING:
    from orchestrator.automations.children import Firing

AFTER_S = 60.0
AT_MOST_S = 3600.0
TRIES = 12


@dataclass
class Retries:
    """What is to be started again, by its automation's name, and when by the monotonic clock."""

    monotonic: Callable[[], float] = time.monotonic
    waiting: dict[str, tuple[Firing, float]] = field(default_factory=dict)
    _tries: dict[str, int] = field(default_factory=dict)

    def take(self, name: str) -> Firing | None:
        """What waits of it, which waits no longer: it is started together with something else."""
        found = self.waiting.pop(name, None)
        return found[0] if found else None

    def succeeded(self, name: str) -> None:
        """One of its firings came as far as the ledger."""
        self._tries.pop(name, None)

    def failed(self, firing: Firing) -> float | None:
        """In how many seconds it starts again; None: it is given up."""
        tries = self._tries.pop(firing.name, 0)
        if tries == TRIES:
            return None
        wait_s: float = min(AFTER_S * 2**tries, AT_MOST_S)
        self._tries[firing.name] = tries + 1
        self.waiting[firing.name] = (firing, self.monotonic() + wait_s)
        return wait_s

    def due(self) -> Iterator[Firing]:
        """Those whose time has come, but for times of schedules; none of them waits any more."""
        now = self.monotonic()
        for name, (firing, at) in tuple(self.waiting.items()):
            if now >= at:
                del self.waiting[name]
                if firing.due is None:
                    yield firing


def facts_of(workplace: Workplace, name: str) -> int | None:
    """How many facts the ledger has of an automation; None where it cannot be read."""
    try:
        store = workplace.existing_store()
        if store is None:
            return 0
        with store:
            return store.newest_beat(name)
    except Exception:  # whatever it is, who looks at the ledger itself tells of it
        return None
