"""What stands beside one confined child while it runs: its way out, and its limits.

1. It is there before the child begins and gone when the child is: sockets, groups, everything.
2. The way out is served until the last of the child is gone, so that it may say goodbye.
3. The kernel's counts and what orch adds up itself are looked at several times a second; what is
   over a limit is told once, by whoever ends the child.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import anyio

from workers.limits import Guard, make_guard
from workers.proxy import Door, Proxy, lead_to, open_door
from workers.reach import PROXY_PORT, Reach
from workers.sandbox import TEMPORARY, Confinement
from workers.threshold import Threshold
from workers.tree import Tree

REMOVE_S = 1.0
"""How long the kernel may take to let go of a group whose last process is gone."""
LOOK_S = 0.1
_LOOK_SHARE = 0.03  # of a core, for one tree, at most


class Warden:
    """The way out and the limits of one child; made by `open_warden`."""

    def __init__(self, confinement: Confinement, guard: Guard, doors: Sequence[Door]) -> None:
        self.confinement = confinement
        self.over = ""
        """Which limit the child went over, for a person; empty: none."""
        self.threshold: Threshold | None = None
        """Where the child waits; whoever starts it says so."""
        self.begun = False
        """Whether the command ran in its sandbox; known when all is closed."""
        self._guard, self._doors = guard, doors

    @property
    def at_once(self) -> bool:
        """Whether the child is to be ended without a goodbye: over a limit, or never begun."""
        return self.over != "" or self.threshold is None or not self.threshold.admitted

    def around(self) -> AbstractContextManager[None]:
        """A child that is started inside is born within its groups, where that can be."""
        groups = self._guard.groups
        return groups.around() if groups is not None else nullcontext()

    async def admit(self) -> bool:
        """Let the child begin, within its limits; whether it does."""
        return self.threshold is not None and await self.threshold.admit(self._guard)

    def why_not_begun(self, tail: Sequence[str]) -> str:
        """Why the command did not run, by what was printed last, for a person."""
        trouble = self.threshold.trouble if self.threshold is not None else ""
        return (
            f"its sandbox could not be made: {trouble or (tail[-1] if tail else 'no word of it')}"
        )

    async def serve(self) -> None:
        """Serve its way out, until cancelled."""
        async with anyio.create_task_group() as tasks:
            for door in self._doors:
                tasks.start_soon(door.serve)

    async def watch(self, tree: Tree, end: Callable[[], None]) -> None:
        """Look at what it uses until it is over a limit, then call for its end."""
        pause_s = LOOK_S
        while not self.over:
            await anyio.sleep(pause_s)
            began = time.thread_time()
            self.over = self._guard.over()
            if self._guard.must_look and not self.over:
                self.over = self._guard.look(tree.living(thoroughly=False), tree.table)
            pause_s = max(LOOK_S, (time.thread_time() - began) / _LOOK_SHARE)
        end()

    def look_back(self) -> None:
        """See whether it ran into a limit before anybody looked."""
        self.over = self.over or self._guard.over()

    async def close(self) -> None:
        """Take everything away; what the kernel holds on to is swept at the run's end."""
        with anyio.CancelScope(shield=True):
            for door in self._doors:
                door.close()
            if self.threshold is not None:
                self.begun = self.threshold.close()
            with anyio.move_on_after(REMOVE_S):
                pause_s = 0.001
                while self._guard.groups is not None and not self._guard.groups.remove():
                    await anyio.sleep(pause_s)
                    pause_s = min(2 * pause_s, 0.05)


def open_warden(confinement: Confinement, mark: str) -> Warden:
    """The warden of a child that is about to start. OSError where it cannot be made."""
    reach = confinement.network
    doors: dict[int, Door] = {}
    try:
        if isinstance(reach, Reach):
            doors[PROXY_PORT] = open_door(reach.sockets, Proxy(reach).answer)
            for port in reach.allowance.own_ports:
                doors[port] = open_door(reach.sockets, lead_to(port))
            relays = (*confinement.relays, *((port, door.path) for port, door in doors.items()))
            confinement = dataclasses.replace(confinement, relays=relays)
        return Warden(
            confinement, make_guard(confinement.limits, mark, TEMPORARY), tuple(doors.values())
        )
    except BaseException:
        for door in doors.values():
            door.close()
        raise
