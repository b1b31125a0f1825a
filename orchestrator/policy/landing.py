"""What lands, and what is built anew for it. Pure.

1. What passed on the tip lands, once the baseline is known; the longest prefix first, a
   rejection by a person before any.
2. Where a gate was red on that tree before, it is flaky: that is recorded first (`flaky`).
3. What passed on an earlier tip and would be the same tree is built anew on this one.
"""

from __future__ import annotations

from ledger.state import RunState
from orchestrator.policy.candidates import build_prefix, still_open
from orchestrator.policy.flaky import flake_seen
from orchestrator.policy.orders import LandCandidate, Order, Record


def land(state: RunState) -> tuple[Order, ...]:
    """The order to land what passed, or what must come before that."""
    if state.baseline not in ("green", "advisory"):
        return ()
    passed = [c for c in still_open(state) if c.status == "passed"]
    here = [
        c for c in passed if c.built.base == state.tip and (c.built.removes or state.prefix_of(c))
    ]
    if here:
        best = max(here, key=lambda c: (bool(c.built.removes), len(c.built.heads)))
        record = state.trees[best.built.tree]
        if record.reds:
            number = best.built.candidate
            return (Record(flake_seen(state, record.red_gate or "", best.built.tree, number)),)
        return (LandCandidate(best.built.candidate),)
    lengths = [length for c in passed if (length := state.prefix_of(c))]
    if lengths:
        return (build_prefix(state, tuple(state.queue[: max(lengths)])),)
    return ()
