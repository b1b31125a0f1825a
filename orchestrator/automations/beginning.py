"""What a run of an automation does: its plan, read or made when the run is about to start.

1. A plan of a file is read anew for each round; a goal is planned by the settings' planner, else
   it is one task; with `for_each` each group of its items is one. The command that lists them runs
   on the commit that the run starts from, so a later round lists what is left.
2. A plan that was made is recorded with its run and written nowhere else: the checkout is yours.
3. `{paths}` are the files that started it; where nothing did, those that its `watch` covers.
4. `BASES` holds a function for each word of `base` that is no revision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.automations import Automation
from ledger.model import LAST_GREEN, Plan, Settings, Sha, Task
from ledger.store import Store
from orchestrator.base import Base, newest_base
from orchestrator.workplace import Workplace
from worktree.names import quoted

if TYPE_CHECKING:
    from orchestrator.planning.planner import Planner

PATHS_TOLD = 200
"""More would drown what is wanted; the rest is counted."""


@dataclass(frozen=True)
class Seeking:
    """What is known where a base is looked for that is no revision."""

    workplace: Workplace
    store: Store
    settings: Settings
    plan: Plan | None
    """None: it is made from that base."""
    told: Callable[[str], None]


@dataclass(frozen=True)
class Beginning:
    """What a firing starts from."""

    base: Base
    paths: tuple[str, ...]


def _last_green(seeking: Seeking) -> Base:
    """The newest commit that the gates are known to pass."""
    from orchestrator.last_green import find_base

    # Which gates the tasks of a plan name beside the run's own, only a plan in a file says.
    plan = seeking.plan or Plan(goal="?", tasks=(Task(id="to-be-planned", prompt="?"),))
    where = (seeking.workplace, seeking.store, seeking.settings)
    return find_base(*where, plan, LAST_GREEN, seeking.told)


BASES: Mapping[str, Callable[[Seeking], Base]] = {LAST_GREEN: _last_green}
"""By the words of `base`: which commit is meant now, and the branch that it is of."""


class NothingToDo(Exception):
    """There is nothing that a run could do."""


def begin(
    workplace: Workplace,
    store: Store,
    settings: Settings,
    automation: Automation,
    paths: tuple[str, ...],
    told: Callable[[str], None],
) -> Beginning:
    """The commit and the branch that it starts from, and the files it is about.

    NothingToDo where its goal is about files and there are none.
    """
    plan = _planned(workplace, settings, automation.plan) if automation.plan else None
    revision = automation.base or (plan.base if plan else None)
    if find := BASES.get(revision or ""):
        base = find(Seeking(workplace, store, settings, plan, told))
    else:
        base = newest_base(workplace, revision)
    if "{paths}" in (automation.goal or "") and not paths:
        from orchestrator.policy.paths import covered
        from orchestrator.survey import files_of

        files = sorted(files_of(workplace, base.commit) or ())
        paths = tuple(covered(automation.watch, files))
        if not paths:
            raise NothingToDo("no file is what it watches")
    return Beginning(base, paths)


def plan_of(
    workplace: Workplace,
    settings: Settings,
    automation: Automation,
    base: Sha,
    paths: tuple[str, ...],
    told: Callable[[str], None],
) -> Plan:
    """The plan of a run that starts from a commit; NothingToDo where a command lists no items."""
    from orchestrator.automations.scratch import listed
    from orchestrator.planning.check import check_made_plan
    from orchestrator.planning.for_each import Grouping
    from orchestrator.planning.planner import PlanOptions
    from orchestrator.planning.planner import plan as make_plan
    from orchestrator.survey import survey

    if automation.plan is not None:
        plan = _planned(workplace, settings, automation.plan)
        return plan.model_copy(update={"base": base})
    items = None
    if automation.for_each is not None:
        items = listed(workplace, settings, automation, base)
        if not items:
            raise NothingToDo("its for_each lists nothing")
    options = PlanOptions(
        checkout=workplace.checkout,
        base=base,
        worker=automation.worker,
        prompt=automation.prompt,
        items=items,
        grouping=Grouping(automation.batch, automation.by_folder, automation.max_tasks),
        planner=_planner(workplace, settings, told) if items is None else None,
    )
    goal = automation.goal or automation.name
    made = make_plan(filled(goal, paths), options).plan
    return check_made_plan(made, survey(workplace, settings)(base), automation.name).sound()


def filled(goal: str, paths: tuple[str, ...]) -> str:
    """The goal with the files in it."""
    # A name is anybody's: none of it may begin a line of its own in what a model is told.
    told = ", ".join(quoted(path) for path in paths[:PATHS_TOLD])
    if len(paths) > PATHS_TOLD:
        told += f" and {len(paths) - PATHS_TOLD} more"
    return goal.replace("{paths}", told)


def _planned(workplace: Workplace, settings: Settings, named: str) -> Plan:
    from orchestrator.planning.check import check_plan_file
    from orchestrator.planning.plan_file import find_plan
    from orchestrator.survey import survey

    path = find_plan(workplace.checkout, named)
    return check_plan_file(path, survey(workplace, settings), path.name).sound()


def _planner(
    workplace: Workplace, settings: Settings, told: Callable[[str], None]
) -> Planner | None:
    """The settings' planner, who is asked nothing back; None where there is none."""
    if settings.planner is None:
        return None
    from orchestrator.config import refuse_missing_keys
    from orchestrator.planning.by_model import ModelPlanner

    refuse_missing_keys(settings, workplace.environ, (settings.planner,))
    return ModelPlanner(workplace=workplace, settings=settings, name=settings.planner, told=told)
