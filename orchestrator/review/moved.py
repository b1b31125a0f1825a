"""What is said of a tip that somebody else moved. Pure.

1. A step that the result holds is said each time: those commits are not orch's. One that was taken
   back again is only told where the whole run is.
2. With it is said what each gate said of it last, or that none had to be asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.review.words import foreign, listed, short

if TYPE_CHECKING:
    from ledger.state import RunState, TipMove


def said_of_moves(state: RunState) -> tuple[str, ...]:
    """A line for each step of somebody else's that the result holds."""
    return tuple(
        f"the tip was moved to {short(move.tip)} by somebody else; {said_of_move(state, move)}"
        for move in kept_moves(state)
    )


def kept_moves(state: RunState) -> tuple[TipMove, ...]:
    """Those steps, the oldest first."""
    ours = {state.started.base, *(landing.commit for landing in state.landings)}
    gone = set(state.moves[-1].without) if state.moves else set()
    kept = {move.tip: move for move in state.moves if move.tip not in ours | gone}
    return tuple(kept.values())


def said_of_move(state: RunState, move: TipMove) -> str:
    """What the gates said of where it was moved to."""
    asked = state.tip_judging
    if asked and asked.tip == move.tip:
        return f"gate '{asked.gate}' judges it now"
    last = {verdict.gate: verdict for verdict in move.verdicts}
    parts = []
    for verdict in last.values():
        word = "could not run" if verdict.outcome == "could-not-run" else verdict.outcome
        why = f" ({foreign(verdict.why, 120)})" if verdict.why and word != "passed" else ""
        parts.append(f"gate '{verdict.gate}' {word} on it{why}")
    return listed(parts) or "no gate was asked about it alone"
