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
from ledger.model import Plan, Settings, Sha
from orchestrator.base import Base, newest_base
from orchestrator.workplace import Workplace

if TYPE_CHECKING:
    from orchestrator.planning.planner import Planner

PATHS_TOLD = 200
"""More would drown what is wanted; the rest is counted."""

BASES: Mapping[str, Callable[[Workplace, str | None], Base]] = {}
"""By the words of `base`: which commit is meant now, and the branch that it is of."""


@dataclass(frozen=True)
class Beginning:
    """What a firing starts from."""

    base: Base
    paths: tuple[str, ...]


class NothingToDo(Exception):
    """There is nothing that a run could do."""


def begin(
    workplace: Workplace, settings: Settings, automation: Automation, paths: tuple[str, ...]
) -> Beginning:
    """The commit and the branch that it starts from, and the files it is about.

    NothingToDo where its goal is about files and there are none.
    """
    revision = automation.base
    if revision is None and automation.plan is not None:
        revision = _planned(workplace, settings, automation.plan).base
    find = BASES.get(revision or "", newest_base)
    base = find(workplace, revision)
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
    made = make_plan(filled(automation.goal or "", paths), options).plan
    return check_made_plan(made, survey(workplace, settings)(base), automation.name).sound()


def filled(goal: str, paths: tuple[str, ...]) -> str:
    """The goal with the files in it."""
    told = ", ".join(paths[:PATHS_TOLD])
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
