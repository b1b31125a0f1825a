"""Which tests are flaky, by what a run has seen. Pure.

A flake is a gate that was red, then green, on one tree: the tests that failed in the red run are
flaky. Where the gate names none, only the gate is known.
"""

from __future__ import annotations

from ledger.events import FlakeSeen
from ledger.state import RunState


def flaky_tests(state: RunState, flake: FlakeSeen) -> tuple[str, ...]:
    """The tests that failed once and not again on that tree."""
    found: dict[str, None] = {}
    for candidate in state.candidates.values():
        if candidate.built.tree == flake.tree:
            for verdict in candidate.verdicts:
                if verdict.gate == flake.gate and verdict.outcome == "failed":
                    found |= dict.fromkeys(verdict.new_failures or verdict.failed_tests)
    return tuple(found)


def known_flaky(state: RunState, gate: str) -> frozenset[str]:
    """All tests of a gate that were seen to be flaky in this run."""
    flakes = (flake for flake in state.flakes if flake.gate == gate)
    return frozenset(name for flake in flakes for name in flaky_tests(state, flake))
