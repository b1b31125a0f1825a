"""What is left over in the automations' ledger: cut short by a crash, or waiting for its moment.

1. What was cut short goes on at the first look, which is at the start of whoever looks. Later it
   does not: a person who has just ended it at once, twice asked, meant that.
2. What waits until a moment starts when that has come, where nobody fires it already. It is tried
   once; whatever came of it is a fact, and then it is another matter.
3. Looking is cheap: the ledger is read when it has changed, and automations that wait are known.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ledger.automations import Automation
from ledger.heartbeat_fold import Heartbeat
from orchestrator.automations.beats import load_heartbeat
from orchestrator.automations.children import Firing
from orchestrator.automations.firing import cut_short, is_fired
from orchestrator.workplace import Workplace


@dataclass
class LeftOver:
    """Looks at the automations' ledger."""

    workplace: Workplace
    clock: Callable[[], float] = time.time
    _stamp: object = None
    _states: dict[str, Heartbeat] = field(default_factory=dict)
    _begun: bool = False
    _tried: dict[str, int] = field(default_factory=dict)

    def look(self, automations: Sequence[Automation]) -> tuple[Firing, ...]:
        """What is to go on, or to start."""
        self._read(automations)
        place, found = self.workplace.place, []
        for one in automations:
            state = self._states.get(one.name)
            if state is None:
                continue
            if not self._begun and cut_short(place, state):
                found.append(Firing(one.name, "resume", "what was cut short goes on"))
            elif self._may_start(state):
                self._tried[one.name] = state.seq
                found.append(Firing(one.name, "resume", "what waited may start"))
        self._begun = True
        return tuple(found)

    def _may_start(self, state: Heartbeat) -> bool:
        waiting = state.waiting
        if waiting is None or state.open or self._tried.get(state.name) == state.seq:
            return False
        if waiting.not_before is not None and waiting.not_before > self.clock():
            return False
        return not is_fired(self.workplace.place, state.name)

    def _read(self, automations: Sequence[Automation]) -> None:
        store = self.workplace.existing_store()
        if store is None:
            return
        with store:
            stamp = (store.stamp(), tuple(one.name for one in automations))
            if stamp != self._stamp:
                self._states = {one.name: load_heartbeat(store, one.name) for one in automations}
                self._stamp = stamp
