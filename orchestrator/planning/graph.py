"""A plan's tasks as a graph: what runs beside what, how long the longest path is. Pure.

1. A task's level is one more than the deepest level of what it needs; a level's tasks may run
   side by side, but for those whose paths overlap.
2. The longest path is the one with the greatest sum of durations; ties go to the plan's order.
3. Durations in seconds come from outside; a task without one counts as `DEFAULT_S`.
Needs that name no task are passed over; a plan with a cycle has no graph (ValueError).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ledger.model import Task, TaskId
from orchestrator.policy.nearest import listed
from orchestrator.policy.plan_paths import overlapping_groups

DEFAULT_S = 1.0
WIDTH = 100


@dataclass(frozen=True, slots=True)
class LongestPath:
    """The tasks that a run cannot be quicker than, one after the other."""

    tasks: tuple[TaskId, ...]
    duration_s: float


def levels(tasks: Sequence[Task]) -> tuple[tuple[TaskId, ...], ...]:
    """The tasks level by level, in the plan's order within each."""
    depth: dict[TaskId, int] = {}
    needs = {task.id: task.needs for task in tasks}
    for task_id in in_order(tasks):
        depth[task_id] = 1 + max((depth[n] for n in needs[task_id] if n in depth), default=-1)
    rows: list[list[TaskId]] = [[] for _ in range(1 + max(depth.values(), default=-1))]
    for task in tasks:
        rows[depth[task.id]].append(task.id)
    return tuple(tuple(row) for row in rows)


def in_order(tasks: Sequence[Task]) -> tuple[TaskId, ...]:
    """Every task after what it needs, else in the plan's order; ValueError for a cycle."""
    known = {task.id for task in tasks}
    missing = {task.id: len(known.intersection(task.needs)) for task in tasks}
    needed_by: dict[TaskId, list[TaskId]] = {}
    for task in tasks:
        for need in known.intersection(task.needs):
            needed_by.setdefault(need, []).append(task.id)
    order = [task.id for task in tasks if not missing[task.id]]
    for task_id in order:  # grows while it is walked
        for later in needed_by.get(task_id, ()):
            missing[later] -= 1
            if not missing[later]:
                order.append(later)
    if len(order) < len(known):
        rest = [task_id for task_id, count in missing.items() if count]
        raise ValueError(f"tasks need each other: {listed(rest)}")
    return tuple(order)


def longest_path(
    tasks: Sequence[Task], durations_s: Mapping[TaskId, float] | None = None
) -> LongestPath:
    """The path of needs that takes longest."""
    lengths = durations_s or {}
    needs = {task.id: task.needs for task in tasks}
    total: dict[TaskId, float] = {}
    before: dict[TaskId, TaskId | None] = {}
    for task_id in in_order(tasks):
        slowest = max(
            (n for n in needs[task_id] if n in total), key=total.__getitem__, default=None
        )
        before[task_id] = slowest
        own = lengths.get(task_id, DEFAULT_S)
        total[task_id] = own + (total[slowest] if slowest is not None else 0.0)
    if not total:
        return LongestPath((), 0.0)
    last: TaskId | None = max((task.id for task in tasks), key=total.__getitem__)
    duration_s = total[last] if last is not None else 0.0
    path: list[TaskId] = []
    while last is not None:
        path.append(last)
        last = before[last]
    return LongestPath(tuple(reversed(path)), duration_s)


def render_mermaid(tasks: Sequence[Task]) -> str:
    """The graph as a Mermaid flowchart."""
    number = {task.id: at for at, task in enumerate(tasks)}
    lines = ["flowchart LR"]
    for task in tasks:
        said = task.id if not task.title or task.title == task.id else f"{task.id}: {task.title}"
        lines.append(f'    t{number[task.id]}["{_for_mermaid(said)}"]')
    lines += [
        f"    t{number[need]} --> t{number[task.id]}"
        for task in tasks
        for need in task.needs
        if need in number
    ]
    return "\n".join(lines) + "\n"


def render_graph(
    tasks: Sequence[Task],
    durations_s: Mapping[TaskId, float] | None = None,
    *,
    most_lines: int = 200,
) -> str:
    """The graph for reading: level by level, what each task needs, who waits for whom."""
    by_id = {task.id: task for task in tasks}
    rows = levels(tasks)
    wide = min(40, max((len(task.id) for task in tasks), default=0))
    lines: list[str] = []
    for number, row in enumerate(rows, 1):
        beside = f"{len(row)} side by side" if len(row) > 1 else "one task"
        lines.append(f"step {number}: {beside}")
        for task_id in row:
            task = by_id[task_id]
            title = " ".join(task.title.split()) if task.title != task_id else ""
            needs = f"  needs {listed(task.needs, 6)}" if task.needs else ""
            lines.append(f"  {task_id:<{wide}}  {title}{needs}".rstrip()[: WIDTH + wide])
        lines += [
            f"  but not at once: {listed(group.tasks)}"
            for group in overlapping_groups([by_id[task_id] for task_id in row])
        ]
    if len(lines) > most_lines:
        left = len(lines) - most_lines
        lines = [*lines[:most_lines], f"... and {left} more lines"]
    path = longest_path(tasks, durations_s).tasks
    if len(path) > 1:
        shown = (
            [*path[:6], f"... {len(path) - 10} more ...", *path[-4:]] if len(path) > 12 else path
        )
        lines.append(f"longest path: {' -> '.join(shown)}")
    return "\n".join(lines) + "\n"


def _for_mermaid(text: str) -> str:
    """A label that Mermaid takes as text: its own signs become entities."""
    plain = " ".join(text.split())[:80]
    signs = {'"': "#quot;", "#": "#35;", "<": "#lt;", ">": "#gt;", "`": "#96;", "&": "#amp;"}
    return "".join(signs.get(char, char) for char in plain if char.isprintable())
