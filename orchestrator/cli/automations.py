"""Automations from the command line: how they are looked at, and how one is fired, shown."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import typer

from ledger.automations import Automation
from ledger.heartbeat import Trigger, TriggerCause, TriggerSkipped
from ledger.heartbeat_fold import AHEAD_S, PATHS_KEPT, Heartbeat
from ledger.store import Store
from orchestrator.automations.standing import Standing, standings
from orchestrator.cli import output
from orchestrator.cli.options import environ_of
from orchestrator.errors import OrchError, face_of
from orchestrator.review.words import foreign
from orchestrator.workplace import Workplace

if TYPE_CHECKING:
    from orchestrator.config import SourcedSettings

BECAUSE = {
    "person": "a person asked",
    "schedule": "its schedule",
    "watch": "files changed",
    "event": "",
}
YEAR_S = 366 * 86400.0


def look(ctx: typer.Context) -> tuple[Standing, ...]:
    """Where all automations stand; what came to nothing before that could be told is said."""
    from orchestrator.automations.unheard import said_of_unheard
    from orchestrator.cli.desk import open_here
    from orchestrator.planned import sourced_of

    workplace = open_here(environ_of(ctx))
    # Before the settings are read: they may be what is wrong.
    output.narrate(said_of_unheard(workplace, time.time()))
    automations = sourced_of(workplace).automations
    with workplace.existing_store() or nullcontext() as store:
        return standings(workplace.place, store, automations, time.time())


def trigger_typed(
    automation: Automation, state: Heartbeat, because: str, due: str | None, paths: list[str]
) -> Trigger:
    """The trigger that the command line tells of."""
    cause: TriggerCause = "event" if because else "person"
    at = None
    if paths:
        cause = "watch"
    if due is not None:
        cause, at = "schedule", _due(automation, state, due)
    return Trigger(
        cause=cause,
        because=because or BECAUSE[cause],
        due=at,
        paths=tuple(str(PurePosixPath(path)) for path in paths[:PATHS_KEPT]),
    )


def _record_refused(
    workplace: Workplace,
    sourced: SourcedSettings,
    automation: Automation,
    trigger: Callable[[Automation, Heartbeat], Trigger | None],
    why: str,
) -> None:
    """Nobody sees the error of a start in the night: the ledger has it, for the morning."""
    from orchestrator.automations.beats import Beats
    from orchestrator.hiding import hiding_of

    if not workplace.place.ledger.exists():
        return
    with workplace.store() as store:
        beats = Beats(store, automation.name, hiding_of(workplace, sourced.settings))
        asked = trigger(automation, beats.state)
        if asked is not None:
            beats.append(TriggerSkipped(trigger=asked, reason="failed", why=why))


def _due(automation: Automation, state: Heartbeat, text: str) -> float:
    now = time.time()
    if text == "last":
        if automation.schedule is None:
            raise OrchError(
                f"automation '{automation.name}' has no schedule, so nothing was due",
                hint=f"orch schedule run {automation.name}",
            )
        from orchestrator.automations.times import last_due

        answered = state.answered_at(now)
        since = answered if answered is not None else now - YEAR_S
        found = last_due(automation.schedule, automation.time_zone, since, now)
        return found if found is not None else since
    try:
        due = float(text)
    except ValueError:
        due = math.nan
    if not math.isfinite(due):
        what = f"'{text}' is no time in seconds since the epoch"
        raise OrchError(what, hint="--due 1795330800, or --due last")
    # A clock may have been set back a little since somebody found that it was due.
    if due > now + AHEAD_S:
        raise OrchError(
            f"--due {text} lies days ahead: it has not come yet",
            hint=f"for the newest time that has come: orch schedule run {automation.name} "
            "--due last",
        )
    return due


@contextmanager
def heard_of(workplace: Workplace, *, attended: bool) -> Iterator[None]:
    """See to it that a person hears of a start that comes to nothing in here, unless one sees it.

    Whoever is attended is told by the command's own words.
    """
    from orchestrator.automations.unheard import keep_unheard, went_well

    try:
        yield
    except OrchError as error:
        if not attended and (told := keep_unheard(workplace, error)):
            output.narrate(foreign(told, 300))
        raise
    if not attended:
        went_well(workplace)


def fire(
    ctx: typer.Context,
    name: str,
    trigger: Callable[[Automation, Heartbeat], Trigger | None],
    *,
    by_person: bool,
    plain: bool,
    keep_awake: bool = False,
) -> int:
    """Fire an automation in the foreground; the exit code."""
    from orchestrator.automations.beats import load_heartbeat
    from orchestrator.automations.firing import Fired
    from orchestrator.automations.going import Hands
    from orchestrator.cli.desk import open_here
    from orchestrator.cli.driving import drive_shown
    from orchestrator.cli.trusting import require_trust
    from orchestrator.cli.waking import awake
    from orchestrator.planned import sourced_of
    from orchestrator.runs import load_state

    workplace = open_here(environ_of(ctx))
    workplace.refuse_nested()
    attended = by_person and output.can_ask()
    with heard_of(workplace, attended=attended):
        sourced = sourced_of(workplace)
        automation = sourced.automation(name)
        try:
            require_trust(workplace, sourced, attended=attended)
        except OrchError as error:
            if not by_person:
                _record_refused(workplace, sourced, automation, trigger, face_of(error))
            raise

    def drive(store: Store, run: str) -> None:
        begun = load_state(store, run).engines > 0
        drive_shown(workplace, store, run, plain=plain, from_start=not begun)

    def tell(what: str) -> None:
        output.narrate(foreign(what, 400))

    with workplace.store() as store, awake(workplace, wanted=keep_awake):
        asked = trigger(automation, load_heartbeat(store, name))
        fired = Fired(workplace, sourced.settings, automation, Hands(drive, tell))
        return fired.fire(store, asked)
