"""From a goal to a plan: one function, whoever plans.

1. With a command that lists items, each group of them is a task.
2. Without, a model plans where the options have one (`by_model`).
3. Else the goal is one task as it stands, to be divided by hand in the plan file.
4. A planner is anything that takes a goal and these options and gives a plan, and what is
   to be kept beside it; a new way to plan is one more of them behind `plan`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ledger.model import Plan, Task
from orchestrator.errors import OrchError
from orchestrator.planning.for_each import Grouping, plan_for_each
from orchestrator.planning.items import TIMEOUT_S, Item, fetch_items
from orchestrator.planning.plan_file import slug
from orchestrator.review.words import headline


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What a planner may know beside the goal."""

    checkout: Path
    base: str | None = None
    worker: str | None = None
    prompt: str | None = None
    for_each: str | None = None
    """The command that lists items."""
    items: tuple[Item, ...] | None = None
    """Those that were listed already, in its place."""
    grouping: Grouping = field(default_factory=Grouping)
    timeout_s: float = TIMEOUT_S
    """How long that command may take."""
    planner: Planner | None = None
    """Who plans where no command lists items; None: nobody."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and what a person should read beside it."""

    plan: Plan
    comments: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    """What its planner found."""
    questions: tuple[str, ...] = ()
    """What it could not know, and guessed."""


class Planner(Protocol):
    """Makes a plan out of a goal."""

    def __call__(self, goal: str, options: PlanOptions) -> Planned:
        """The plan; OrchError where there can be none."""


def plan(goal: str, options: PlanOptions) -> Planned:
    """The plan for a goal, by whichever planner the options ask for."""
    planner: Planner = for_each_item
    if options.for_each is None and options.items is None:
        planner = options.planner or one_task
    return planner(goal.strip(), options)


def for_each_item(goal: str, options: PlanOptions) -> Planned:
    """A task for each group of the items that a command lists."""
    items = options.items
    if items is None:
        command = options.for_each or ""
        items = fetch_items(command, options.checkout, timeout_s=options.timeout_s)
    made = plan_for_each(
        goal,
        items,
        options.grouping,
        prompt=options.prompt,
        worker=options.worker,
        base=options.base,
    )
    return Planned(made)


def one_task(goal: str, options: PlanOptions) -> Planned:
    """The goal as a single task that may change anything."""
    if not goal:
        raise OrchError("the goal is empty", hint='orch plan "GOAL"')
    prompt = (options.prompt or "{goal}").replace("{goal}", goal)
    title = goal.splitlines()[0][:72]
    task = Task(
        id=slug(headline(goal)) or "task-1", title=title, prompt=prompt, worker=options.worker
    )
    return Planned(Plan(goal=goal, base=options.base, tasks=(task,)))
