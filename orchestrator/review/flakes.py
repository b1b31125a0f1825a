"""What is said of gates that were red, then green, on one tree. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.review.words import foreign, listed

if TYPE_CHECKING:
    from ledger import events as e
    from ledger.state import RunState, TaskState


def said_of_flake(flake: e.FlakeSeen) -> str:
    """`gate 'unit' is flaky: test_a, test_b`."""
    names = [foreign(name, 120) for name in flake.tests if name != flake.gate]
    return f"gate '{flake.gate}' is flaky" + (f": {listed(names)}" if names else "")


def flaky_tests(state: RunState) -> tuple[str, ...]:
    """By what names people know what was flaky in a run, each once."""
    from orchestrator.policy.flaky import flaky_since  # brings in the facts: see `review.status`

    return tuple(foreign(name, 120) for name in flaky_since(state))


def flaky_on(state: RunState, task: TaskState) -> str:
    """What was flaky on the tree by which a task landed; empty where nothing was."""
    carried = state.candidates.get(task.landed_by) if task.landed_by else None
    if not state.flakes or carried is None or task.status != "landed":
        return ""
    return listed(said_of_flake(f) for f in state.flakes if f.tree == carried.built.tree)
