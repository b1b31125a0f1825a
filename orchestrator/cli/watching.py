"""Watching from the command line: what is told, who may, how it ends.

1. Whoever watches for ever holds a lock; a second one is told who does.
2. `--once` fires what is due and waits for its end. Where somebody watches for ever, what it would
   fire is theirs, and it says so. Under a timer nobody sees why it cannot: a person is told.
3. Ctrl-C, a polite signal or a closed terminal ends it in order. What goes on then is named.
"""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Sequence

import anyio

from ledger.automations import Automation
from ledger.lock import EngineLock, EngineRunning, holder
from orchestrator.automations.children import Child
from orchestrator.automations.daemon import Daemon, Sources, lock_file
from orchestrator.automations.due import next_of
from orchestrator.automations.left import LeftOver
from orchestrator.cli import output
from orchestrator.cli.automations import heard_of
from orchestrator.config import USER_FILE, load_sourced
from orchestrator.errors import OrchError
from orchestrator.places import user_config_folder
from orchestrator.policy.nearest import listed, nearest
from orchestrator.review.words import clock, day
from orchestrator.settings_rules import LOCAL_FILE, SHARED_FILE
from orchestrator.workplace import Workplace

INTERRUPTED = 130


def watch_once(workplace: Workplace, only: frozenset[str], *, keep_awake: bool) -> int:
    """Fire what is due and wait for its end; the worst exit code of it."""
    with heard_of(workplace, attended=output.can_ask()):
        daemon = _daemon(workplace, only, keep_awake, hears=False)
    held = holder(lock_file(workplace))
    if held is not None:
        output.narrate(f"process {held.pid} watches here already (orch watch): it fires these")
        return 0
    codes = anyio.run(daemon.run_once)
    if not codes:
        output.narrate("nothing is due")
    return max((code if code >= 0 else 3 for code in codes), default=0)


def watch_for_ever(
    workplace: Workplace, only: frozenset[str], *, port: int, keep_awake: bool
) -> int:
    """Fire what is asked for until a person ends it; the exit code."""
    daemon = _daemon(workplace, only, keep_awake)
    if not daemon.automations:
        raise OrchError(
            "there is no automation to watch for",
            hint=f"add an [[automation]] to {SHARED_FILE}",
        )
    workplace.place.make()
    try:
        lock = EngineLock.take(lock_file(workplace))
    except EngineRunning as error:
        who = f"process {error.pid}" if error.pid else "another process"
        since = f", since {day(error.since)}" if error.since else ""
        raise OrchError(
            f"somebody watches here already: {who}{since}",
            hint=f"end it with Ctrl-C where it runs, or: kill {error.pid}"
            if error.pid
            else "end it with Ctrl-C where it runs",
        ) from error
    with lock:
        listening = _listen(port) if daemon.secrets else None
        for line in _begins(workplace, daemon.automations, listening):
            output.narrate(line)
        left = anyio.run(_until_ended, daemon, listening)
    for line in _ends(left):
        output.narrate(line)
    return INTERRUPTED


def _daemon(
    workplace: Workplace, only: frozenset[str], keep_awake: bool, *, hears: bool = True
) -> Daemon:
    folder = user_config_folder(workplace.environ)
    files = (workplace.checkout / SHARED_FILE, folder / USER_FILE, workplace.checkout / LOCAL_FILE)

    def automations() -> Sequence[Automation]:
        return load_sourced(workplace.checkout, folder).automations

    known = [one.name for one in automations()]
    for name in sorted(only - {*known}):
        close = nearest(name, known)
        hint = f"did you mean '{close}'?" if close else f"known: {listed(known)}"
        raise OrchError(f"there is no automation '{name}'", hint=hint)
    workplace.place.make()
    sources = Sources(automations, files, LeftOver(workplace).look)
    return Daemon(workplace, sources, _say, keep_awake, only, hears)


async def _until_ended(daemon: Daemon, listening: socket.socket | None) -> tuple[Child, ...]:
    async with anyio.create_task_group() as group:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
            group.start_soon(daemon.run, listening)
            async for _ in signals:
                group.cancel_scope.cancel()
                break
    return daemon.children.going_on()


def _listen(port: int) -> socket.socket:
    from workers.loopback import PortTaken, bind

    try:
        return bind(port)
    except PortTaken as error:
        raise OrchError(
            f"webhooks cannot listen: {error.strerror}",
            hint="name another port: orch watch --port 8766",
        ) from error


def _begins(
    workplace: Workplace, automations: Sequence[Automation], listening: socket.socket | None
) -> list[str]:
    now = time.time()
    lines = [f"watching {workplace.checkout}; Ctrl-C ends it"]
    for one in automations:
        asks = []
        if (due := next_of(one, now)) is not None:
            asks.append(f"next at {day(due)}")
        if one.watch:
            asks.append(f"files {', '.join(one.watch)} ({one.when})")
        if one.branch:
            asks.append(f"commits on {one.branch}")
        if one.webhook and listening is not None:
            host, port = listening.getsockname()[:2]
            asks.append(f"POST http://{host}:{port}/hook/{one.name}")
        said = "; ".join(asks) or f"nothing: orch schedule run {one.name} starts it"
        lines.append(f"  {one.name}: {said}")
    return lines


def _ends(left: Sequence[Child]) -> list[str]:
    if not left:
        return ["watching has ended; nothing goes on"]
    lines = ["watching has ended; what it has started goes on:"]
    lines += [f"  {one.firing.name} (process {one.process.pid}), told in {one.log}" for one in left]
    return [*lines, "  orch status --watch follows a run, orch stop ends it in order"]


def _say(text: str) -> None:
    output.narrate(f"{clock(time.time())} {text}")
