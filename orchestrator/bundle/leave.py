"""What a run from a file changed, or may change, that is protected here.

1. A plan gives a task leave to change what is protected (`may_change`), and a person may have given
   it afterwards (`PathAllowed`). In a file both are words of whoever wrote the file. What counts is
   the leave that a plan in this checkout gives the task of the same name.
2. What the file's commits have changed is read out of their trees, not out of its facts: the
   result, and the heads that wait to land. It is held against what the settings here protect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from ledger.model import Settings, TaskId
from ledger.state import RunState
from orchestrator.errors import OrchError
from orchestrator.planning.plan_file import PLANS_FOLDER, read_plan
from orchestrator.review.words import listed
from orchestrator.verification.protected import held_paths
from worktree.git import Git
from worktree.names import quoted

PERSON_NEEDED = 5
MOST_PLANS = 200
Leave = Mapping[TaskId, frozenset[str]]
"""By task: the patterns that it may change."""


def leave_here(checkout: Path) -> Leave:
    """What the plans of this checkout let tasks change."""
    found: dict[TaskId, frozenset[str]] = {}
    for path in sorted((checkout / PLANS_FOLDER).glob("*.toml"))[:MOST_PLANS]:
        with suppress(OrchError, OSError):
            for task in read_plan(path).tasks:
                found[task.id] = found.get(task.id, frozenset()) | set(task.may_change)
    return found


def leave_wished(state: RunState, here: Leave) -> Iterator[str]:
    """What its plan would let tasks change that no plan here does, a line each."""
    for task in state.plan.tasks:
        for pattern in task.may_change:
            if pattern not in here.get(task.id, frozenset()):
                yield f"task {task.id}: may_change = {pattern!r}, which no plan here says"


def refuse_protected(git: Git, state: RunState, here: Settings, leave: Leave) -> None:
    """OrchError where its commits changed what is protected here, and no plan here lets them."""
    base = state.started.base
    commits = {"the result": state.result}
    for task_id in state.with_status("queued"):
        if head := state.tasks[task_id].attempts[-1].head:
            commits[f"the work of {task_id}"] = head
    for whose, commit in commits.items():
        held = held_paths(
            git.changed_paths(base, git.tree_of(commit)),
            read_before=partial(git.show_file, base),
            read_after=partial(git.show_file, commit),
            settings=here,
            may_change=sorted(frozenset().union(*leave.values())),
        )
        if held:
            paths = listed([quoted(path) for path in held], 5)
            raise OrchError(
                f"nothing was taken in: {whose} changes what is protected here: {paths}",
                hint="where you know who wrote it: orch resume --trust-bundle --bundle FILE",
                exit_code=PERSON_NEEDED,
            )
