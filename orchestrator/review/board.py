"""What the live view shows, as a value: the DAG, the queue, the totals. Pure.

1. A plan that fits is shown whole, each task below what it needs, indented.
2. A plan that does not fit shows what is under way first, then what needs a person or failed,
   then the queue, then the newest landings, then what comes next; the order on the screen is the
   plan's, so that a row does not jump about. What is left out is counted.
3. Making it costs by the rows shown, not by the size of the plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from ledger.state import RunState, Status, TaskState
from orchestrator.review.spent import budget_of, said_of_waits, spent, waits
from orchestrator.review.status import why_so
from orchestrator.review.words import count, duration, foreign, headline, listed, short

INDENT_AT_MOST = 6
URGENT: tuple[Status, ...] = ("working", "held", "failed", "queued")
LATER: tuple[Status, ...] = ("ready", "waiting", "skipped", "unchanged", "rejected")


@dataclass(frozen=True, slots=True)
class Row:
    """One task on the board."""

    task: str
    status: Status
    depth: int
    tries: str
    took: str
    said: str
    """The last line of its output, or why it stands where it stands."""


@dataclass(frozen=True, slots=True)
class Board:
    """All that is shown at one moment."""

    title: str
    rows: tuple[Row, ...]
    hidden: int
    queue: str
    totals: tuple[tuple[str, Status | None], ...]
    money: str = ""
    """What models came to, and what is left; empty where none was called."""
    waits: str = ""
    """The limits of providers that calls wait for."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each task stands in the drawing of the DAG; worked out once for a plan."""

    place: Mapping[str, int]
    depth: Mapping[str, int]


def lay_out(state: RunState) -> Layout:
    """Each task below the last of its deepest needs."""
    depth: dict[str, int] = {}
    parent: dict[str, str] = {}
    unmet = {task.id: len(set(task.needs)) for task in state.plan.tasks}
    free = [task.id for task in state.plan.tasks if not task.needs]
    for task_id in free:  # grows while it is walked: a topological order
        depth.setdefault(task_id, 0)
        for child in state.dependents[task_id]:
            if depth.get(child, 0) <= depth[task_id] + 1:
                depth[child], parent[child] = depth[task_id] + 1, task_id
            unmet[child] -= 1
            if unmet[child] == 0:
                free.append(child)
    children: dict[str, list[str]] = {}
    for task in state.plan.tasks:
        if task.id in parent:
            children.setdefault(parent[task.id], []).append(task.id)
    place: dict[str, int] = {}
    stack = [task.id for task in reversed(state.plan.tasks) if task.id not in parent]
    while stack:
        task_id = stack.pop()
        place[task_id] = len(place)
        stack += reversed(children.get(task_id, []))
    return Layout(place, depth)


def board(
    state: RunState,
    layout: Layout,
    said: Mapping[str, str],
    now: float,
    height: int,
    took_s: float | None = None,
) -> Board:
    """The board at a moment, with at most `height` tasks; `took_s`: how long it was driven."""
    chosen = _chosen(state, height)
    chosen.sort(key=layout.place.__getitem__)
    rows = tuple(_row(state, state.tasks[task_id], layout, said, now) for task_id in chosen)
    took = now - state.started_at if took_s is None else took_s
    return Board(
        title=f"{state.run}  {foreign(headline(state.plan.goal), 80)}  {duration(took)}",
        rows=rows,
        hidden=len(state.tasks) - len(rows),
        queue=_queue(state, said, now),
        totals=_totals(state),
        money="; ".join(filter(None, (spent(state).said, budget_of(state).said))),
        waits="; ".join(said_of_waits(waits(state, now), now)),
    )


def _chosen(state: RunState, height: int) -> list[str]:
    if len(state.tasks) <= height:
        return list(state.tasks)
    chosen: list[str] = []
    for status in URGENT:
        # The newest of a kind: dictionaries keep the order in which tasks came into a state.
        chosen += islice(reversed(state.by_status.get(status, {})), height - len(chosen))
    landed_at_most = max(1, (height - len(chosen)) // 2) if height > len(chosen) else 0
    chosen += islice(reversed(state.by_status.get("landed", {})), landed_at_most)
    chosen += (task_id for *_, task_id in islice(state.ready, height - len(chosen)))
    for status in LATER[1:]:
        chosen += islice(state.by_status.get(status, {}), height - len(chosen))
    return chosen


def _row(
    state: RunState, task: TaskState, layout: Layout, said: Mapping[str, str], now: float
) -> Row:
    last, task_id = task.last, task.task.id
    tries = took = ""
    if last and task.status == "working":
        tries = f"{last.number}.{len(last.rounds) + 1}"
        took = duration(now - last.started_at)
    elif last:
        tries = str(len(task.attempts)) if len(task.attempts) > 1 else ""
        took = duration(last.finished.duration_s) if last.finished else ""
    line = said.get(task_id, "") if task.status == "working" else why_so(state, task)
    if task.status == "queued":
        line = ""
    return Row(
        task=task_id,
        status=task.status,
        depth=min(layout.depth.get(task_id, 0), INDENT_AT_MOST),
        tries=tries,
        took=took,
        said=line,
    )


def _queue(state: RunState, said: Mapping[str, str], now: float) -> str:
    parts = []
    judged: set[str] = set()
    if state.baseline == "running":
        done = len(state.baseline_verdicts)
        parts.append(
            f"judging the base ({count(done, 'gate')} done) {said.get('base', '')}".rstrip()
        )
    if asked := state.tip_judging:
        what = f"asking gate '{asked.gate}' about {short(asked.tip)}, which somebody put there"
        parts.append(f"{what}  {said.get('tip', '')}".rstrip())
    for number in state.open_candidates:
        candidate = state.candidates[number]
        if candidate.status != "judging":
            continue
        names = [ref.task for ref in candidate.built.heads] or list(candidate.built.removes)
        judged.update(names)
        spent = now - (candidate.judging_at or now)
        expected = expected_judging_s(state)
        of = f" of about {duration(expected)}" if expected else ""
        line = said.get(f"candidate-{number}", "")
        parts.append(f"judging {listed(names, 4)}: {duration(spent)}{of}  {line}".rstrip())
    behind = sum(ref.task not in judged for ref in state.queue) if judged else len(state.queue)
    if behind and not parts:
        held = " until the base is judged" if state.baseline in ("unknown", "running") else ""
        parts.append(f"{listed((ref.task for ref in state.queue), 4)}{held}")
    elif behind:
        parts.append(f"{behind} more queued")
    return "; ".join(parts)


def expected_judging_s(state: RunState) -> float:
    """Seconds that all land gates of a candidate usually take; 0 where nothing is known."""
    known = dict(state.started.estimates.gate_s)
    known |= {v.gate: v.duration_s for v in state.baseline_verdicts.values() if not v.reused}
    gates = [g.name for g in state.started.settings.gates if g.when == "always"]
    return sum(known.get(name, 0.0) for name in gates)


def _totals(state: RunState) -> tuple[tuple[str, Status | None], ...]:
    statuses: tuple[Status, ...] = (
        *("landed", "unchanged", "working", "queued", "ready", "waiting"),
        *("held", "failed", "skipped", "rejected"),
    )
    counts: list[tuple[str, Status | None]] = [
        (f"{len(ids)} {status}", status)
        for status in statuses
        if (ids := state.by_status.get(status))
    ]
    return (*counts, (f"of {len(state.tasks)}", None))
