"""A child and everything that came from it: remembered while it runs, gone when it ends.

1. A process belongs to the tree when it descends from the child or from one that belongs, is in
   the child's session, carries its tag or its mark, or was seen to belong before.
2. Nothing in our own session belongs, and no other child that was started here does: what cannot
   be attributed is left alone.
3. The child itself is reaped last. Until then its pid stays taken, so that its process group and
   session mean this tree and no later one.
4. Ending is a sequence of bounded stages: leave by yourself, SIGTERM, SIGKILL. What lives after
   that (stuck in the kernel, another user's) is reported, never waited for.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Literal

import anyio

from workers.alive import (
    MARK_VARIABLE,
    Process,
    Seen,
    Table,
    is_subreaper,
    is_tag_of_run,
    is_within,
    send,
    system_table,
    tag_of,
    tagging,
)

PATIENCE_S = 0.2
"""How long what a child left behind may take to leave by itself (a `tee` that still writes)."""
FORCE_S = 5.0
"""How long the kernel may take to end what was killed."""

_FIRST_LOOK_S = 0.0005  # a sandbox whose command has ended is gone about then
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 0.5
_LOOK_SHARE = 0.01  # of a core, for one tree, at most
_LOOKS = 30

# Adoption is a matter of this process as a whole, and so is the list of who was started here.
_started: set[int] = set()

Asked = Literal["leave", "terminate", "kill"]
Strike = Callable[[Process], None]
"""What is done to a process in the moment it is found."""


def _spare(process: Process) -> None:
    pass


class Tree:
    """One running child with what descends from it. Made by `start`, left by `reap`."""

    def __init__(
        self,
        child: subprocess.Popen[bytes],
        mark: str,
        tag: int,
        table: Table,
        fronted: bool = False,
    ) -> None:
        self.pid = child.pid
        self._fronted = fronted
        self._child = child
        self._mark = mark
        self.tag = tag
        self._table = table
        self._remembered: set[Process] = set()
        self._corpses: set[Process] = set()
        _started.add(self.pid)

    def living(self, *, thoroughly: bool = True) -> tuple[Process, ...]:
        """All that lives of the tree; adopted zombies are reaped on the way.

        Not thoroughly: without the scan of all processes that a system without subreaper needs,
        and of orphans those only that come where the kernel puts them.
        """
        return self._living(thoroughly, _spare)

    def _living(self, thoroughly: bool, strike: Strike) -> tuple[Process, ...]:
        return _sure(lambda: self._look(thoroughly, strike))

    def _look(self, thoroughly: bool, strike: Strike) -> tuple[tuple[Process, ...], bool]:
        found: dict[int, Seen] = {}
        somebody_died = False
        for process in (Process(self.pid, 0), *self._remembered):
            seen = self._table.see(process.pid)
            if seen is not None and (seen.process == process or process.pid == self.pid):
                found[process.pid] = seen
        # The youngest first, and struck at once: who runs away by forking is always the youngest.
        for pid in sorted(self._lost(thoroughly) - found.keys(), reverse=True):
            try:
                seen = self._table.see(pid)
                if seen is not None and self._claims(seen):
                    found[pid] = seen
                    strike(seen.process)
                somebody_died |= seen is None
            except ProcessLookupError:
                somebody_died = True
        for pid in self._table.below(found) - found.keys():
            seen = self._table.see(pid)
            somebody_died |= seen is None
            if seen is not None:
                found[pid] = seen
        corpses = {seen.process for seen in found.values() if seen.zombie}
        somebody_died |= not corpses <= self._corpses
        self._corpses = corpses
        for seen in found.values():
            if seen.zombie and seen.parent == os.getpid() and seen.process.pid != self.pid:
                _reap(seen.process.pid)
        living = tuple(seen.process for seen in found.values() if not seen.zombie)
        self._remembered = {process for process in living if process.pid != self.pid}
        return living, somebody_died

    @property
    def table(self) -> Table:
        """Where its processes are looked up."""
        return self._table

    async def watch(self) -> None:
        """Remember who belongs, until cancelled: often while the tree changes, seldom else."""
        pause_s = _SHORTEST_PAUSE_S
        while True:
            await anyio.sleep(pause_s)
            before, began = self._remembered, time.thread_time()
            self.living(thoroughly=False)
            cost_s = time.thread_time() - began
            calm = before == self._remembered
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S) if calm else _SHORTEST_PAUSE_S
            pause_s = max(pause_s, cost_s / _LOOK_SHARE)

    @property
    def exited(self) -> bool:
        """Whether the child itself has exited."""
        seen = self._table.see(self.pid)
        return seen is None or seen.zombie

    async def end(self, grace_s: float) -> tuple[Process, ...]:
        """End all of it, a child that already exited included; what could not be ended."""
        patience_s = PATIENCE_S if self.exited else 0
        _, survivors = await _end(
            lambda strike: self._living(True, strike),
            self._signal,
            patience_s=patience_s,
            grace_s=grace_s,
        )
        return survivors

    def reap(self) -> int | None:
        """The child's return code, negative for a signal; None where it could not be ended."""
        _started.discard(self.pid)
        return self._child.poll()

    def _lost(self, thoroughly: bool) -> set[int]:
        """Who may belong without descending from anybody who is still there."""
        if is_subreaper() and not thoroughly:
            found = self._table.adopted()
        elif is_subreaper():
            me = os.getpid()
            # Twice: the kernel's list may skip one while another thread reaps a child.
            found = self._table.children(me) | self._table.children(me)
        else:
            found = set(self._table.mine()) if thoroughly else set()
        return found - _started

    def _claims(self, seen: Seen) -> bool:
        if seen.session == os.getsid(0) or seen.process.pid == os.getpid():
            return False
        if seen.session == self.pid:
            return True
        tag = self._table.tag(seen.process.pid)
        if tag is not None:
            return tag == self.tag
        return self._table.mark(seen.process.pid) == self._mark

    def _signal(self, process: Process, number: signal.Signals) -> None:
        if self._fronted and process.pid == self.pid and number != signal.SIGKILL:
            return  # its end would be the end of all that it fronts, without a goodbye
        if number == signal.SIGKILL:
            # At once for the whole group, so that nothing in it forks away in between.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)
        send(self._table, process, number)


def start(
    argv: tuple[str, ...],
    *,
    cwd: Path,
    env: Mapping[str, str],
    mark: str,
    stdin: IO[bytes] | int,
    output: int,
    printed: IO[bytes] | None = None,
    passed: tuple[int, ...] = (),
    fronted: bool = False,
) -> Tree:
    """Start a child in a session of its own. OSError or ValueError where it cannot start.

    `output` gets its output and errors; its errors alone where `printed` gets the output.
    `passed` are descriptors that it inherits; a `fronted` child stands before others (a sandbox)
    that shall hear of an end before it does.

    On the caller's thread, which must be the event loop's: sandboxes that die with their parent
    mean the thread that started them.
    """
    tag = tag_of(mark, secrets.randbits(64))
    with tagging(tag):
        child = subprocess.Popen(
            argv,
            cwd=cwd,
            env={**env, MARK_VARIABLE: mark},
            stdin=stdin,
            stdout=output if printed is None else printed,
            stderr=output,
            start_new_session=True,
            pass_fds=passed,
        )
    return Tree(child, mark, tag, system_table(), fronted)


async def end_marked(prefix: str, grace_s: float = 3.0) -> tuple[int, ...]:
    """End what carries a mark at or below the prefix, and its descendants; nothing else.

    For what a killed engine left behind. `run/a/1` means `run/a/1/...` and never `run/a/10/...`.
    A whole run as prefix also finds daemons that wiped their environment. Ourselves and our
    ancestors are spared: a run may be resumed from a shell that a run started.
    """
    if not prefix.strip("/"):
        raise ValueError("an empty prefix would mean every process")
    table = system_table()
    corpses: set[Process] = set()
    ended, _ = await _end(
        lambda strike: _sure(lambda: _marked(table, prefix.rstrip("/"), corpses, strike)),
        lambda process, number: send(table, process, number),
        patience_s=0,
        grace_s=grace_s,
    )
    for process in ended:
        # Orphans of an engine that ran below us came to us; our own running children did not.
        if process.pid not in _started:
            _reap(process.pid)
    return tuple(sorted(process.pid for process in ended))


def marks() -> frozenset[str]:
    """The marks that living processes of this user carry."""
    table = system_table()
    found = set()
    for pid in table.mine():
        with contextlib.suppress(ProcessLookupError):
            found.add(table.mark(pid) or "")
    return frozenset(found - {""})


def marked(prefix: str) -> tuple[int, ...]:
    """Who lives and would be ended by `end_marked`, to be told of."""
    living, _ = _marked(system_table(), prefix.rstrip("/"), set(), _spare)
    return tuple(sorted(process.pid for process in living))


def _marked(
    table: Table, prefix: str, corpses: set[Process], strike: Strike
) -> tuple[tuple[Process, ...], bool]:
    spared = _ourselves(table)
    roots: set[int] = set()
    somebody_died = False
    for pid in sorted(set(table.mine()) - spared, reverse=True):
        seen = table.see(pid)
        if seen is None or seen.zombie:
            somebody_died |= seen is None or seen.process not in corpses
            corpses |= {seen.process} if seen is not None else set()
            continue
        try:
            mark = table.mark(pid)
            tag = table.tag(pid) if mark is None and "/" not in prefix else None
        except ProcessLookupError:
            somebody_died = True
            continue
        if (mark is not None and is_within(mark, prefix)) or (
            tag is not None and is_tag_of_run(tag, prefix)
        ):
            roots.add(pid)
            strike(seen.process)
    every = [table.see(pid) for pid in (roots | table.below(roots)) - spared]
    living = tuple(seen.process for seen in every if seen is not None and not seen.zombie)
    return living, somebody_died or None in every


def _sure(look: Callable[[], tuple[tuple[Process, ...], bool]]) -> tuple[Process, ...]:
    """What a look found; nothing only where nobody died meanwhile, who may have had a child."""
    # One that forks and exits again and again is never where the look is.
    for _ in range(_LOOKS):
        living, somebody_died = look()
        if living or not somebody_died:
            return living
    return living


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _ourselves(table: Table) -> set[int]:
    spared: set[int] = set()
    pid = os.getpid()
    while pid > 0 and pid not in spared:
        spared.add(pid)
        seen = table.see(pid)
        pid = seen.parent if seen is not None else 0
    return spared


async def _end(
    living: Callable[[Strike], tuple[Process, ...]],
    signal_one: Callable[[Process, signal.Signals], None],
    *,
    patience_s: float,
    grace_s: float,
) -> tuple[set[Process], tuple[Process, ...]]:
    """Who was ended, and who lives on after all stages."""
    stages: tuple[tuple[Asked, float], ...] = (
        ("leave", patience_s),
        ("terminate", grace_s),
        ("kill", FORCE_S),
    )

    def kill(process: Process) -> None:
        signal_one(process, signal.SIGKILL)

    ended: set[Process] = set()
    remaining = living(_spare)
    for asked, bound_s in stages:
        if not remaining or (asked == "leave" and bound_s <= 0):
            continue
        ended.update(remaining)
        until = time.monotonic() + bound_s
        if asked == "terminate":
            for process in remaining:
                signal_one(process, signal.SIGTERM)
                signal_one(process, signal.SIGCONT)  # a stopped process takes no SIGTERM
        pause_s = _FIRST_LOOK_S
        while True:
            if asked == "kill":
                ended.update(remaining)
                for process in remaining:
                    kill(process)
            await anyio.sleep(pause_s)
            remaining = living(kill if asked == "kill" else _spare)
            if not remaining or time.monotonic() >= until:
                break
            longest_s = 0.005 if asked == "kill" else 0.05  # be quicker than what runs away
            pause_s = min(pause_s * 2, longest_s, max(until - time.monotonic(), 0.001))
    return ended - set(remaining), remaining
