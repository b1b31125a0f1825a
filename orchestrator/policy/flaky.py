"""Gates that were red, then green, on one tree. Pure.

1. A flake is told by the names of the tests that were red, but for those that failed on the base
   too; where no names are known, by the line that says most of the failure, else by the gate.
2. It is nobody's fault, and what it was seen on lands.
3. A run that nobody attends ends in order when more than `FLAKY_AT_MOST` different tests were
   flaky since a person last saw it end.
"""

from __future__ import annotations

from ledger import events as e
from ledger.model import Sha, Verdict
from ledger.state import RunState

FLAKY_AT_MOST = 3
"""A suite that works has a test or two that hang on the clock or on their order, each told in the
morning at the cost of one more run. A fourth in one night says that something under all of them
is broken (the machine, a service, what has just landed), and then green means as little as red."""


def flaky_names(verdict: Verdict) -> tuple[str, ...]:
    """What to call the tests that a red verdict tells of."""
    names = verdict.new_failures or verdict.failed_tests
    return names or ((f"{verdict.gate}: {verdict.why}",) if verdict.why else (verdict.gate,))


def flake_seen(state: RunState, gate: str, tree: Sha, candidate: int | None = None) -> e.FlakeSeen:
    """The fact that the gate was red on that tree and is green now."""
    red = [v for v in _verdicts(state, tree) if v.gate == gate and v.outcome == "failed"]
    names = dict.fromkeys(name for verdict in red for name in flaky_names(verdict))
    return e.FlakeSeen(gate=gate, tree=tree, candidate=candidate, tests=tuple(names))


def flaky_since(state: RunState, told: int = 0) -> tuple[str, ...]:
    """The names of all that was flaky, but for the first `told` flakes."""
    flakes = state.flakes[told:]
    return tuple(dict.fromkeys(n for flake in flakes for n in flake.tests or (flake.gate,)))


def too_flaky(state: RunState) -> tuple[str, ...]:
    """Rule 3: what was flaky, where that ends the run."""
    names = flaky_since(state, state.flakes_told) if state.started.unattended else ()
    return names if len(names) > FLAKY_AT_MOST else ()


def known_flaky(state: RunState, gate: str) -> frozenset[str]:
    """All tests of a gate that were seen to be flaky in this run."""
    return frozenset(name for flake in state.flakes if flake.gate == gate for name in flake.tests)


def _verdicts(state: RunState, tree: Sha) -> list[Verdict]:
    """All that was said of a tree, as a candidate's or as a moved tip's."""
    said = [v for c in state.candidates.values() if c.built.tree == tree for v in c.verdicts]
    return said + [v for move in state.moves if move.tree == tree for v in move.verdicts]
