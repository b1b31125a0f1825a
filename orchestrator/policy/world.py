"""A world made of numbers, and what came of a run in it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from ledger import events as e
from ledger.events import HeadRef
from ledger.model import Outcome, TaskId
from ledger.state import RunState

Heads = frozenset[HeadRef]
"""A tree, in a simulation: what it is made of."""
OUTSIDER = "outsider"
"""The task that commits which somebody else pushed count as."""
AttemptOutcome = Literal["green", "unchanged", "check", "failed", "held", "lost"]
"""`check`: a check gate stayed red; `failed`: for a reason of its own."""


class World(Protocol):
    """What would happen."""

    def attempt(self, task: TaskId, attempt: int, base: Heads) -> tuple[float, AttemptOutcome]:
        """Seconds and outcome of one attempt from that tree, its check gates included."""

    def judge(self, heads: Heads) -> tuple[float, Outcome]:
        """Seconds and outcome of all gates on a tree."""

    def merges(self, tip: Heads, head: HeadRef) -> bool:
        """Whether a head merges with that tree."""


@dataclass(slots=True)
class Simulation:
    """What came of it."""

    state: RunState
    facts: list[tuple[e.Event, float]] = field(default_factory=list)
    judgings: int = 0
    """Full gate runs, the baseline's and the confirming ones included."""
    confirmations: int = 0
    tip_judgings: int = 0
    """Runs of a gate on a tip that somebody else moved."""
    makespan_s: float = 0.0
    crashes: int = 0
    trees: dict[str, Heads] = field(default_factory=dict)
    """What each commit and each tree is made of."""
    names: dict[Heads, str] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    """The commit before each commit of the result, and of the outsiders."""

    def name(self, heads: Heads) -> str:
        """The tree's id: equal for equal content."""
        tree = self.names.setdefault(heads, f"t{len(self.names)}")
        self.trees[tree] = heads
        return tree

    def step_to(self, tip: str) -> e.TipMoved:
        """The step to that tip, as an engine that looks tells it."""
        history, at = {tip}, tip
        while at in self.parents:
            at = self.parents[at]
            history.add(at)
        known = dict.fromkeys(move.tip for move in self.state.moves)
        without = tuple(commit for commit in known if commit not in history)
        return e.TipMoved(tip=tip, tip_tree=self.name(self.trees[tip]), without=without)


Happening = (
    Literal["nothing", "crash", "crash-after-landing", "push", "touch", "take-back"]
    | tuple[e.Event, ...]
)
"""What else happens: the engine dies (just before or just after the tip moved, where it was about
to); somebody moves the tip, to other or to equal content, or back to what has landed; facts that
somebody else appends."""
