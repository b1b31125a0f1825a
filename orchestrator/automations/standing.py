"""Where automations stand, as plain values: what starts them, when next, what came of it last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ledger.automations import Automation
from ledger.heartbeat_fold import Firing, Heartbeat, evolve
from ledger.place import Place
from ledger.store import Store
from orchestrator.automations.beats import load_heartbeat, read_beats
from orchestrator.automations.firing import cut_short, is_fired
from orchestrator.automations.times import next_due
from orchestrator.automations.today import midnight
from orchestrator.errors import OrchError
from orchestrator.policy.nearest import listed, nearest
from orchestrator.policy.until import parse_until
from orchestrator.review.firings import Fired

TOLD = 20
"""Of one automation, the newest."""
Phase = Literal["idle", "waiting", "going-on", "cut-short"]


@dataclass(frozen=True, slots=True)
class Standing:
    """One automation: what the settings say of it, and what the ledger does."""

    name: str
    automation: Automation | None
    """None: the settings say nothing of it any more."""
    phase: Phase
    next_due: float | None
    starts_today: int
    heartbeat: Heartbeat

    @property
    def triggers(self) -> tuple[str, ...]:
        """What starts it, in words."""
        return triggers_of(self.automation) if self.automation else ()


@dataclass(frozen=True, slots=True)
class Series:
    """What a measure said round by round, and how far that was from its goal."""

    until: str
    points: tuple[tuple[int, float, float], ...]
    """Round, value, error; round 0 is before the first."""


def triggers_of(automation: Automation) -> tuple[str, ...]:
    """What starts it, in words."""
    found = []
    if automation.schedule is not None:
        zone = f" {automation.time_zone}" if automation.time_zone else ""
        found.append(f"schedule {automation.schedule}{zone}")
    if automation.watch:
        when = "" if automation.when == "any" else f" {automation.when}"
        found.append(f"watch{when} {', '.join(automation.watch)}")
    if automation.branch is not None:
        found.append(f"branch {automation.branch}")
    if automation.webhook is not None:
        found.append("webhook")
    return tuple(found)


def standing_of(
    place: Place, store: Store | None, name: str, automation: Automation | None, now: float
) -> Standing:
    """Where one automation stands."""
    state = load_heartbeat(store, name)
    phase: Phase = "waiting" if state.waiting else "idle"
    if state.open is not None:
        phase = "cut-short" if cut_short(place, state) else "going-on"
    elif is_fired(place, name):
        phase = "going-on"
    zone = automation.time_zone if automation else None
    due = None
    if automation is not None and automation.schedule is not None:
        due = next_due(automation.schedule, zone, now)
    since = midnight(zone, now)
    return Standing(name, automation, phase, due, state.starts_since(since), state)


def standings(
    place: Place, store: Store | None, automations: tuple[Automation, ...], now: float
) -> tuple[Standing, ...]:
    """Those of the settings, in their order, and then those that only the ledger knows."""
    known = {one.name: one for one in automations}
    names = dict.fromkeys((*known, *(store.automations() if store else ())))
    return tuple(standing_of(place, store, name, known.get(name), now) for name in names)


def find_standing(found: tuple[Standing, ...], name: str) -> Standing:
    """The one of that name; OrchError that names the nearest."""
    for one in found:
        if one.name == name:
            return one
    names = [one.name for one in found]
    close = nearest(name, names)
    hint = f"did you mean '{close}'?" if close else "add [[automation]] to .agent/orch.toml"
    raise OrchError(f"there is no automation '{name}'; known: {listed(names)}", hint=hint)


def firing_of(store: Store, name: str, run: str) -> Firing | None:
    """The firing that a run belongs to, as its automation's facts tell of it."""
    state, found = Heartbeat(name), None
    for beat, at in read_beats(store, name):
        state = evolve(state, beat, at)
        if state.firing is not None and run in state.firing.runs:
            found = state.firing
    return found


def fired_since(place: Place, store: Store, since: float) -> tuple[Fired, ...]:
    """What automations did since a time."""
    return tuple(_fired(place, store, name, since) for name in store.automations())


def _fired(place: Place, store: Store, name: str, since: float) -> Fired:
    state, settled, not_started = Heartbeat(name), dict[int, Firing](), list[tuple[float, str]]()
    for beat, at in read_beats(store, name):
        state = evolve(state, beat, at)
        if at < since:
            continue
        if beat.kind == "FiringSettled" and state.firing is not None:
            settled[state.firing.number] = state.firing
        elif beat.kind in ("TriggerSkipped", "TriggersDropped") and beat.reason == "failed":
            not_started.append((at, beat.why))
    newest = tuple(settled.values())[-TOLD:]
    return Fired(name, newest, tuple(not_started[-TOLD:]), cut_short(place, state))


def series_of(firing: Firing | None) -> Series | None:
    """What its measure said; None where it measures nothing."""
    until = parse_until(firing.started.automation.until or "") if firing else None
    if firing is None or until is None:
        return None
    points = ((one.round, one.value, until.error(one.value)) for one in firing.series)
    return Series(firing.started.automation.until or "", tuple(points))
