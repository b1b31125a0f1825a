"""Tell a person how a run ended: once, bounded, and never at the cost of the run.

1. A run that has finished is told of by each way that its settings name. Nothing that goes wrong
   there changes its result or its exit code; it is a fact, and said.
2. The same is not told twice: an end whose message went out is not told again by whoever goes on
   with the run, unless something else is to be said then. The fact follows the message, so a crash
   in between means one more message, never none.
3. An engine that breaks off is told of too: nobody would learn of a night that ended at one.
4. An automation that came to no run has no engine that would tell: whoever fires it does.
5. Secrets are hidden in what is sent, as they are in the ledger.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import anyio

from ledger.connectors import NotifySettings
from ledger.events import Notified
from ledger.model import RunId, Settings
from ledger.store import Store
from orchestrator.hiding import Hiding, hiding_of
from orchestrator.journal import Journal
from orchestrator.notify.message import (
    Message,
    broken_message,
    failed_message,
    message_of,
)
from orchestrator.notify.sending import WAITS_S, post_webhook, run_notifier
from orchestrator.runs import mark_of_run
from orchestrator.workplace import Workplace

Ring = Callable[[], bool]
"""Rings the bell; whether there is one."""


@dataclass(frozen=True)
class Told:
    """By which ways a message went out, and why not by others."""

    ways: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


def has_ways(settings: NotifySettings) -> bool:
    """Whether there is any way to tell a person."""
    return bool(settings.command or settings.webhook or settings.bell)


def notify_end(
    workplace: Workplace,
    store: Store,
    run: RunId,
    *,
    broke: str = "",
    ring: Ring | None = None,
    waits_s: Sequence[float] = WAITS_S,
) -> Told | None:
    """Tell of a run's end, as its settings say; None where there is nothing to tell.

    Blocking. `broke`: why its engine broke off, where the run has no end. `ring`: how the bell is
    rung; absent, there is none.
    """
    journal = Journal.load(store, run)
    state = journal.state
    settings = state.started.settings.notify
    if state.cleaned or not has_ways(settings) or not (state.finished or broke):
        return None
    if settings.when == "trouble" and state.finished and state.finished.exit_code == 0:
        return None
    journal.hiding = hiding_of(workplace, state.started.settings)
    project = workplace.checkout.name
    made = message_of(state, project) if state.finished else broken_message(state, project, broke)
    message = hidden(made, journal.hiding)
    before = state.notified
    if before is not None and before.ways and before.said == message.title:
        return None
    mark = f"{mark_of_run(workplace.repository.common_dir, run)}/notify"
    told = send(workplace, settings, message, mark=mark, ring=ring, waits_s=waits_s)
    journal.append(Notified(said=message.title, ways=told.ways, failed=told.failed))
    return told


def notify_no_run(
    workplace: Workplace,
    settings: Settings,
    automation: str,
    exit_code: int,
    why: str,
    *,
    waits_s: Sequence[float] = WAITS_S,
) -> Told | None:
    """Tell that an automation came to no run; None where there is no way to tell. Blocking."""
    if not has_ways(settings.notify):
        return None
    made = failed_message(workplace.checkout.name, automation, exit_code, why)
    message = hidden(made, hiding_of(workplace, settings))
    mark = f"automation-{automation}/notify"
    return send(workplace, settings.notify, message, mark=mark, waits_s=waits_s)


def hidden(message: Message, hiding: Hiding) -> Message:
    """The message without the secrets in it."""
    return dataclasses.replace(
        message,
        title=hiding.text(message.title),
        lines=tuple(map(hiding.text, message.lines)),
        commands=tuple(map(hiding.text, message.commands)),
    )


def send(
    workplace: Workplace,
    settings: NotifySettings,
    message: Message,
    *,
    mark: str,
    ring: Ring | None = None,
    waits_s: Sequence[float] = WAITS_S,
) -> Told:
    """Send a message by every way that there is, side by side."""
    ways: dict[str, str] = {}

    async def act() -> None:
        async with anyio.create_task_group() as group:
            if settings.command:
                run = partial(run_notifier, workplace, settings, message, mark)
                group.start_soon(_keep, "command", run)
            if settings.webhook:
                post = partial(post_webhook, workplace, settings, message, waits_s)
                group.start_soon(_keep, "webhook", post)

    async def _keep(way: str, go: Callable[[], Awaitable[str]]) -> None:
        ways[way] = await go()

    anyio.run(act)
    if settings.bell and ring is not None and ring():
        ways["bell"] = ""
    return Told(
        tuple(way for way, why in ways.items() if not why),
        tuple(f"{way}: {why}" for way, why in ways.items() if why),
    )
