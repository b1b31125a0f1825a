"""Automations for a person: what starts them, when next, how the last start ended, and why not."""

from __future__ import annotations

from typing import Any

from ledger.heartbeat_fold import Firing, Heartbeat
from orchestrator.automations.standing import Series, Standing, series_of
from orchestrator.review.thermostat import render_series
from orchestrator.review.words import Paint, Style, day, foreign, listed, unpainted

_PHASES: dict[str, Style] = {"going-on": "busy", "cut-short": "bad", "waiting": "ask"}


def render_list(found: tuple[Standing, ...], paint: Paint = unpainted) -> list[str]:
    """Two lines for each: name, triggers and next due; then the last run and how it ended."""
    lines = []
    width = max((len(one.name) for one in found), default=0)
    for one in found:
        triggers = "; ".join(one.triggers) or ("by hand" if one.automation else "not in settings")
        due = f"  next {day(one.next_due)}" if one.next_due is not None else ""
        name = paint(f"{one.name:<{width}}", "strong")
        lines += [f"{name}  {foreign(triggers)}{due}", f"{'':<{width}}  {_now(one, paint)}"]
    return lines


def render_standing(one: Standing, paint: Paint = unpainted) -> list[str]:
    """One automation in full."""
    state = one.heartbeat
    lines = render_list((one,), paint)
    indent = "  "
    if one.phase == "cut-short":
        lines.append(f"{indent}to go on: orch schedule run {one.name}")
    if state.waiting is not None:
        not_before = state.waiting.not_before
        until = f" until {day(not_before)}" if not_before is not None else ""
        why = f": {foreign(state.waiting.why)}" if state.waiting.why else ""
        lines.append(f"{indent}a trigger waits{until}{why}")
    if state.skipped is not None and state.skipped_at is not None and not _failed_last(state):
        said = f"skipped {day(state.skipped_at)}: {foreign(state.skipped.why)}"
        lines.append(f"{indent}{paint(said, 'faint')}")
    if one.starts_today:
        lines.append(f"{indent}started today: {one.starts_today}")
    firing = state.firing
    if firing is None:
        return lines
    for done in firing.actions:
        text = f"{done.action}: {foreign(done.said)}"
        lines.append(f"{indent}{paint(text, 'plain' if done.good else 'bad')}")
    if firing.runs:
        lines.append(f"{indent}runs: {listed(firing.runs)}")
    series = series_of(firing)
    if series is not None:
        drawn = render_series(series.until, series.points, paint)
        lines += [f"{indent}{line}" for line in drawn]
    return lines


def _now(one: Standing, paint: Paint) -> str:
    """What it does now, or how its last start ended."""
    state, firing = one.heartbeat, one.heartbeat.firing
    if state.skipped is not None and state.skipped_at is not None and _failed_last(state):
        return paint(f"did not start {day(state.skipped_at)}: {foreign(state.skipped.why)}", "bad")
    if firing is None or firing.settled is None:
        phase = one.phase.replace("-", " ")
        begun = f", since {day(firing.started_at)}: {_because(firing)}" if firing else ""
        text = "never started" if one.phase == "idle" else f"{phase}{begun}"
        return paint(text, _PHASES.get(one.phase, "faint"))
    settled = firing.settled
    why = f": {foreign(settled.why)}" if settled.why else ""
    style: Style = {0: "good", 5: "ask"}.get(settled.exit_code, "bad")  # type: ignore[assignment]
    outcome = paint(settled.outcome.replace("-", " "), style)
    return f"last {day(firing.started_at)} ({_because(firing)}): {outcome}{why}"


def _failed_last(state: Heartbeat) -> bool:
    """Whether the newest that came of it is that it could not be started."""
    if state.skipped is None or state.skipped.reason != "failed" or state.open is not None:
        return False
    return state.last_start is None or (state.skipped_at or 0.0) >= state.last_start


def _because(firing: Firing) -> str:
    return foreign(firing.started.because, 80)


def standing_as_json(one: Standing) -> dict[str, Any]:
    """The same as plain tables."""
    state = one.heartbeat
    return {
        "name": one.name,
        "phase": one.phase,
        "triggers": one.triggers,
        "settings": one.automation.model_dump(mode="json") if one.automation else None,
        "next_due": one.next_due,
        "starts_today": one.starts_today,
        "answered": state.answered,
        "waiting": {
            "because": state.waiting.trigger.because or state.waiting.trigger.cause,
            "paths": state.waiting.trigger.paths,
            "since": state.waiting.since,
            "not_before": state.waiting.not_before,
            "why": state.waiting.why,
        }
        if state.waiting
        else None,
        "skipped": {
            "at": state.skipped_at,
            "reason": state.skipped.reason,
            "why": state.skipped.why,
        }
        if state.skipped
        else None,
        "last": _firing_as_json(state.firing) if state.firing else None,
    }


def _firing_as_json(firing: Firing) -> dict[str, Any]:
    settled, series = firing.settled, series_of(firing)
    return {
        "started_at": firing.started_at,
        "because": firing.started.because,
        "paths": firing.started.paths,
        "runs": firing.runs,
        "outcome": settled.outcome if settled else None,
        "exit_code": settled.exit_code if settled else None,
        "why": settled.why if settled else "",
        "ended_at": firing.settled_at,
        "until": series.until if series else None,
        "series": points_as_json(series),
        "actions": [done.model_dump(mode="json") for done in firing.actions],
    }


def points_as_json(series: Series | None) -> list[dict[str, float]]:
    """What a measure said, round by round."""
    points = series.points if series else ()
    return [{"round": r, "value": value, "error": error} for r, value, error in points]
