"""What every report of a run repeats: that nothing confined it, that nothing judged it. Pure.

1. Without a sandbox it is said, whoever reads of the run and wherever.
2. So is each gate that was red on the base and set aside by `--allow-red-base`.
3. So is what no gate judged. Nothing is called judged that no gate judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.review.words import count, foreign, listed, unconfined

if TYPE_CHECKING:
    from ledger.state import RunState

UNGATED = "no gate: whatever the workers make lands unjudged"
"""Said while nothing has landed."""


def warnings_of(state: RunState) -> tuple[str, ...]:
    """What is to be said of a run each time, a sentence each without its full stop."""
    return tuple(filter(None, (_confined(state), _set_aside(state), _unjudged(state))))


def said_of_landings(landings: int, unjudged: int, each: str = "each judged") -> str:
    """`3 landings, each judged`, or how many of them no gate judged."""
    said = count(landings, "landing")
    if not unjudged:
        return f"{said}, {each}"
    if unjudged < landings:
        return f"{said}, no gate judged {unjudged} of them"
    return f"{said}, no gate judged {'it' if landings == 1 else 'them'}"


def _confined(state: RunState) -> str:
    return unconfined(state.started.settings.sandbox.mode) or ""


def _set_aside(state: RunState) -> str:
    from orchestrator.policy.judges import advisory

    red = advisory(state)
    names = [foreign(name, 60) for name in state.baseline_verdicts if name in red]
    said = f"the base was not green: {listed(names)} did not judge this run (--allow-red-base)"
    return said if names else ""


def _unjudged(state: RunState) -> str:
    from orchestrator.policy.judges import gates_of, unjudged

    if not state.landings:
        going_on = state.finished is None and not gates_of(state, state.tasks)
        return UNGATED if going_on else ""
    landings = unjudged(state)
    if not landings:
        return ""
    if len(landings) == len(state.landings):
        return "no gate judged what landed"
    tasks = dict.fromkeys(ref.task for landing in landings for ref in landing.heads)
    told = f": {listed(tasks)}" if tasks else ""
    return f"no gate judged {len(landings)} of {count(len(state.landings), 'landing')}{told}"
