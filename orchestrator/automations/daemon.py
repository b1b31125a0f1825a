"""What `orch watch` does: look at clocks, files, branches and requests, and fire what they ask for.

1. It only starts children (`children`); what becomes of a trigger is theirs to decide, and in the
   automation's ledger. So nothing that goes wrong in a firing ends it.
2. Once a second it looks at the wall clock. What was due while nobody looked is fired once.
3. What was asked for is remembered when its child has started: a crash in between asks twice, and
   the second time the ledger says that it was answered. Where a child failed before the ledger had
   a word of it, a time of a schedule is forgotten again: whoever looks next finds it due.
4. New commits on a branch start its automations, unless all of them are orch's own.
5. Settings that have changed are read again. Where they are wrong, that is told once and the old
   ones go on.
6. What a crash or a reboot cut short goes on, and what waits for a moment starts when it has come.
7. Git that fails, a file that cannot be read, a full disk: told, and tried again; never its end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from ledger.automations import Automation
from orchestrator.automations.again import Retries
from orchestrator.automations.awake import Awake
from orchestrator.automations.branches import Branches
from orchestrator.automations.children import Child, Children, Firing
from orchestrator.automations.due import Reading, jumped, look_at_schedules
from orchestrator.automations.hook import hook_app, secrets_of
from orchestrator.automations.memory import Memory, change_memory, forget_due
from orchestrator.automations.watching import watch_files
from orchestrator.errors import OrchError
from orchestrator.review.words import duration
from orchestrator.workplace import Workplace

if TYPE_CHECKING:
    from socket import socket

LOOK_EVERY_S = 1.0
"""Far less than a cron line can tell apart."""
LATE_S = 60.0
AGAIN_AFTER_S = 30.0
"""What could not be watched is tried again after that."""


@dataclass(frozen=True)
class Sources:
    """What it is told by others: the settings, and the ledger of the automations."""

    automations: Callable[[], Sequence[Automation]]
    """The settings' automations as they are now; OrchError where the settings are wrong."""
    settings_files: tuple[Path, ...]
    """They are read again when one of these has changed."""
    left: Callable[[Sequence[Automation]], Sequence[Firing]]
    """What was cut short, or may start now that it waited long enough."""
    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic


@dataclass
class Daemon:
    """Fires the automations of one repository."""

    workplace: Workplace
    sources: Sources
    said: Callable[[str], None]
    keep_awake: bool = False
    only: frozenset[str] = frozenset()
    """Names; empty: all of them."""
    hears: bool = True
    """Webhooks are listened to, so each must have its secret."""
    automations: tuple[Automation, ...] = ()
    secrets: dict[str, str] = field(default_factory=dict)
    children: Children = field(init=False)
    _awake: Awake = field(init=False)
    _branches: Branches = field(init=False)
    _told: dict[str, str] = field(default_factory=dict)
    _hidden: set[str] = field(default_factory=set)
    """The variables of webhooks, also of those that there were."""
    _fired: dict[str, float | None] = field(default_factory=dict)
    _news: dict[str, str] = field(default_factory=dict)
    _settings: object = None
    _reading: Reading | None = None
    _watch_anew: bool = False
    _files: anyio.CancelScope | None = None

    def __post_init__(self) -> None:
        found = self.sources.automations()
        again = Retries(self.sources.monotonic)
        self.children = Children(self.workplace, {}, self.said, again)
        why = f"runs in {self.workplace.checkout.name} go on"
        self._awake = Awake(self.workplace.environ, why, self.said)
        self._branches = Branches(self.workplace)
        self._settings = self._stamps()
        self._take(found)

    @property
    def memory(self) -> Path:
        """The file of what is remembered."""
        return memory_file(self.workplace)

    async def run(self, listening: socket | None = None) -> tuple[Child, ...]:
        """Fire what is asked for until cancelled; `listening` is for webhooks."""
        self._resume()
        async with anyio.create_task_group() as group:
            if listening is not None:
                group.start_soon(self._serve, listening)
            group.start_soon(self._watch)
            try:
                while True:
                    await anyio.to_thread.run_sync(self.look)
                    if self._watch_anew and self._files is not None:
                        self._watch_anew = False
                        self._files.cancel()  # it begins anew, with the patterns of now
                    await anyio.sleep(LOOK_EVERY_S)
            finally:
                self._awake.let_go()
        return self.children.going_on()

    async def run_once(self) -> tuple[int, ...]:
        """Fire what is due or was cut short, wait for its end; how each ended."""
        self._resume()
        self._look_at_schedules()
        self._look_at_branches()
        started = list(self.children.under_way)
        try:
            while self.children.under_way:
                self._look_after_children()
                await anyio.sleep(0.05)
                started += [one for one in self.children.under_way if one not in started]
        finally:
            self._awake.let_go()
        return tuple(one.process.returncode for one in started)

    # --- one look --------------------------------------------------------------------------

    def look(self) -> None:
        """Look at everything; what goes wrong is told, once, until it goes right again."""
        for look in (
            self._look_at_clocks,
            self._look_at_settings,
            self._look_at_schedules,
            self._look_at_branches,
            self._look_at_ledger,
            self._look_after_children,
        ):
            try:
                look()
            except Exception as error:  # rule 7: whatever it is, the next look comes
                self._tell_once(look.__name__, _reason(error))
            else:
                self._told.pop(look.__name__, None)

    def _look_at_clocks(self) -> None:
        now = Reading(self.sources.wall(), self.sources.monotonic())
        before, self._reading = self._reading, now
        drift = jumped(before, now) if before else 0.0
        if drift > 0:
            self.said(f"{duration(drift)} have passed unseen: what was due since is fired once")
        elif drift < 0:
            self.said(f"the clock was set back by {duration(-drift)}: nothing is fired twice")

    def _look_at_settings(self) -> None:
        now = self._stamps()
        if now == self._settings:
            return
        self._settings = now
        try:
            found = self.sources.automations()
            before = self.automations
            self._take(found)
        except OrchError as error:
            self.said(f"the settings have changed and are wrong; those before go on:\n{error}")
            return
        if self.automations != before:
            names = ", ".join(one.name for one in self.automations) or "none"
            self.said(f"the settings have changed; automations now: {names}")
            self._watch_anew = True

    def _look_at_schedules(self) -> None:
        fired: list[Firing] = []

        def look(memory: Memory) -> Memory:
            dues, after = look_at_schedules(self.automations, memory, self.sources.wall())
            later = {due.name for due in dues} & self.children.again.waiting.keys()
            for due in dues:
                if due.name in later:
                    continue
                late = f", {duration(due.late_s)} late" if due.late_s > LATE_S else ""
                fired.append(Firing(due.name, "schedule", f"its time has come{late}", due.at))
            for firing in fired:
                # Where nothing can be remembered, on a full disk, it is not fired each second.
                if self._fired.get(firing.name) != firing.due:
                    self._fired[firing.name] = firing.due
                    self.fire(firing)
            return after.with_seen({name: memory.of(name) for name in later})

        change_memory(self.memory, look)

    def _look_at_branches(self) -> None:
        if not any(one.branch for one in self.automations):
            return

        def look(memory: Memory) -> Memory:
            fired, after = self._branches.look(self.automations, memory)
            for firing in fired:
                # As with times: not again each minute where nothing can be remembered.
                if self._news.get(firing.name) != firing.because:
                    self._news[firing.name] = firing.because
                    self.fire(firing)
            return after

        if self._branches.stirred(self.automations, self.sources.monotonic()):
            change_memory(self.memory, look)

    def _look_at_ledger(self) -> None:
        busy = {one.firing.name for one in self.children.under_way}
        for firing in self.sources.left(self.automations):
            if firing.name not in busy:
                self.fire(firing)

    def _look_after_children(self) -> None:
        self.children.look()
        for name, (firing, _) in self.children.again.waiting.items():
            if firing.due is not None and self._fired.get(name) == firing.due:
                change_memory(self.memory, partial(forget_due, name=name, due=firing.due))
                del self._fired[name]
        if self.keep_awake and self.children.under_way:
            self._awake.hold()
        else:
            self._awake.let_go()

    # --- within ----------------------------------------------------------------------------

    def fire(self, firing: Firing) -> None:
        """Fire an automation, because something asked for it."""
        self.children.fire(firing)

    def _resume(self) -> None:
        for firing in self.sources.left(self.automations):
            self.fire(firing)

    def _take(self, found: Sequence[Automation]) -> None:
        chosen = tuple(one for one in found if not self.only or one.name in self.only)
        if self.hears:
            self.secrets = secrets_of(chosen, self.workplace.environ)
        self.automations = chosen
        self._hidden |= {one.webhook for one in found if one.webhook}
        environ = self.workplace.environ.items()
        self.children.environ = {k: v for k, v in environ if k not in self._hidden}

    def _heard(self, name: str) -> None:
        self.fire(Firing(name, "webhook", "its webhook was called"))

    async def _serve(self, listening: socket) -> None:
        from workers.loopback import serving

        async with serving(hook_app(lambda: self.secrets, self._heard), listening):
            await anyio.sleep_forever()

    async def _watch(self) -> None:
        """Watch files, with new patterns from the begin, and again where it could not."""
        while True:
            watching = tuple(one for one in self.automations if one.watch)
            with anyio.CancelScope() as self._files:
                try:
                    await watch_files(self.workplace, watching, self.fire)
                    await anyio.sleep_forever()  # there was nothing to watch
                except Exception as error:  # rule 7
                    self._tell_once("files", _reason(error))
                    await anyio.sleep(AGAIN_AFTER_S)

    def _tell_once(self, what: str, text: str) -> None:
        if self._told.get(what) != text:
            self._told[what] = text
            self.said(f"{text}\n  it goes on, and tries again")

    def _stamps(self) -> object:
        return tuple(map(partial(_stamp), self.sources.settings_files))


def _reason(error: BaseException) -> str:
    """What went wrong, of the first of several."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) if isinstance(error, OrchError) else f"{type(error).__name__}: {error}"


def memory_file(workplace: Workplace) -> Path:
    """Where what is remembered of a repository's automations is kept."""
    return workplace.place.folder / "watch.json"


def lock_file(workplace: Workplace) -> Path:
    """The lock of the one `orch watch` that there is in a repository."""
    return workplace.place.folder / "watch.lock"


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
