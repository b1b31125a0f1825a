"""The morning report: what all runs of a repository did since a time, in Markdown. Pure.

1. What needs a person comes first, then what failed, then what landed; then each run by itself.
   An automation that never came to a run is no less told than a run that failed.
2. A run is in it when anything was recorded of it since then. What it did before is told with it:
   half a run is no report.
3. What models cost is what was spent since then, and for each task that landed since then.
4. What a later run holds is read and accepted with that: its rounds are one piece of work.
5. As in a run's own report, all text of somebody else's is escaped, and every part is bounded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from ledger.model import RunId
from ledger.state import RunState
from orchestrator.policy.accepted import accepted_elsewhere, holders, unaccepted
from orchestrator.review.advice import next_steps
from orchestrator.review.against import said_of_target
from orchestrator.review.cost import Costs, Line
from orchestrator.review.firings import Fired, failures_of, needs_of
from orchestrator.review.flakes import said_of_flake
from orchestrator.review.judged import warnings_of
from orchestrator.review.markdown import code, commands, escaped, section
from orchestrator.review.moved import said_of_moves
from orchestrator.review.spent import said_of_cost
from orchestrator.review.status import why_so
from orchestrator.review.words import (
    branch,
    count,
    day,
    duration,
    headline,
    listed,
    money,
    result_branch,
    short,
    tokens,
)

if TYPE_CHECKING:
    from orchestrator.target import TargetNow

RUNS = 50
"""The newest so many are told."""
TASKS = 20
"""Of each kind, of each run."""
STEPS = 8
"""Commands for each run."""
BRANCHES = 5
"""Into which it was accepted."""
LINES = 3
"""Of what a gate printed, and of notices."""


@dataclass(frozen=True)
class Seen:
    """One run, as it stands."""

    state: RunState
    alive: bool
    took_s: float
    now: TargetNow | None = None

    @property
    def waits(self) -> bool:
        """Whether it goes no further without a person."""
        if self.state.finished is None:
            return not self.alive and not self.state.cleaned
        return self.state.finished.exit_code == 5 or bool(self.state.by_status["held"])


def render_morning(
    project: str,
    runs: Sequence[Seen],
    costs: Costs,
    since: float,
    now: float,
    *,
    more: int = 0,
    fired: Sequence[Fired] = (),
) -> str:
    """The whole report; `more`: runs of that time that are not in it."""
    held = holders(one.state for one in runs)
    lines, flat = {line.name: line for line in costs.lines}, chain.from_iterable
    parts = [
        f"# {escaped(project)} since {day(since)}",
        _summary(runs, costs, now, more),
        section("Needs you", [*flat(map(_needs, runs)), *flat(map(needs_of, fired))]),
        section("Failed", [*flat(map(_failed, runs)), *flat(map(failures_of, fired))]),
        section("Landed", [row for one in runs for row in _landed(one, held)]),
        "## Runs" if runs else "",
        *(_run(one, lines.get(one.state.run), held.get(one.state.run)) for one in runs),
        _next(runs, held),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _summary(runs: Sequence[Seen], costs: Costs, now: float, more: int) -> str:
    if not runs:
        return f"Nothing was run. (Written {day(now)}.)"
    outcomes = Counter(_phase(one) for one in runs)
    tasks = Counter(t.status for one in runs for t in one.state.tasks.values())
    counts = ", ".join(f"{number} {status}" for status, number in tasks.most_common())
    rows = [
        f"- {count(len(runs), 'run')}: " + ", ".join(f"{n} {name}" for name, n in outcomes.items()),
        f"- {count(sum(tasks.values()), 'task')}: {counts}",
    ]
    if more:
        rows.append(f"- {count(more, 'older run')} of that time not told here")
    bill = costs.whole.bill
    if bill.calls:
        cost = said_of_cost(bill.amount.nanos / 1e9, bill.amount.unpriced)
        rows.append(f"- Spent: {tokens(bill.amount.tokens)}, {escaped(cost)}")
        rows.append(f"- **Per landed task: {escaped(_each(costs.whole))}**")
    rows.append(f"- Written {day(now)}")
    return "\n".join(rows)


def _phase(one: Seen) -> str:
    state = one.state
    if state.finished:
        return state.finished.outcome.replace("-", " ")
    if state.cleaned:
        return "cleaned"
    return "going on" if one.alive else "interrupted"


def _each(line: Line) -> str:
    """What a landed task cost, all spending shared out."""
    if not line.landed:
        return "none landed"
    usd = line.usd_each
    return f"{tokens(line.tokens_each or 0)}, {'cost unknown' if usd is None else money(usd)}"


def _needs(one: Seen) -> Iterator[str]:
    state = one.state
    if not one.waits:
        return
    if state.finished is None:
        yield f"- {code(state.run)}: no engine drives it: {code(f'orch resume {state.run}')}"
        return
    held = state.with_status("held")
    if not held:
        yield f"- {code(state.run)}: {escaped(state.finished.why or state.finished.outcome, 300)}"
    for task_id in held[:TASKS]:
        why = escaped(why_so(state, state.tasks[task_id]), 300)
        yield f"- {code(task_id)} of {code(state.run)}: {why}"
    yield from _rest(len(held))


def _failed(one: Seen) -> Iterator[str]:
    failed = one.state.with_status("failed")
    for task_id in failed[:TASKS]:
        task = one.state.tasks[task_id]
        title = f" {escaped(task.task.title, 80)}" if task.task.title else ""
        why = escaped(task.note, 300) or "no reason was recorded"
        yield f"- {code(task_id)}{title} of {code(one.state.run)}: {why}"
        if task.last and task.last.rounds:
            red = [v for v in task.last.rounds[-1].verdicts if v.outcome != "passed"]
            yield from (f"    {code(line)}" for v in red[:1] for line in v.lines[:LINES])
    yield from _rest(len(failed))


def _landed(one: Seen, held: Mapping[RunId, RunId]) -> Iterator[str]:
    landed = one.state.with_status("landed")
    if not landed:
        return
    names = listed((code(task_id) for task_id in landed), TASKS)
    if holder := held.get(one.state.run):
        said = [f"run {code(holder)} has all of it"]
    else:
        others = _branches(accepted_elsewhere(one.state))
        said = [said_of_target(one.now)] if one.now else []
        said += [f"accepted into {others}"] if others else []
    where = f" ({'; '.join(said)})" if said else ""
    yield f"- {code(one.state.run)}: {names}{where}"


def _branches(names: tuple[str, ...]) -> str:
    return listed((code(branch(name)) for name in names), BRANCHES)


def _rest(number: int) -> Iterator[str]:
    if number > TASKS:
        yield f"- and {number - TASKS} more"


def _run(one: Seen, cost: Line | None, holder: RunId | None) -> str:
    state = one.state
    by = f"by automation {code(state.started.automation)}" if state.started.automation else ""
    by = by or ("unattended" if state.started.unattended else "by a person")
    counts = ", ".join(f"{len(ids)} {status}" for status, ids in state.by_status.items() if ids)
    why = f": {escaped(state.finished.why, 300)}" if state.finished and state.finished.why else ""
    rows = [
        f"### {escaped(headline(state.plan.goal))}",
        "",
        f"- Run {code(state.run)}, {_phase(one)}{why}; {counts}",
        f"- Started {day(state.started_at)}, {by}; took {duration(one.took_s)}",
        *(f"- {escaped(said, 300)}" for said in _loud(state)),
    ]
    if state.landings:
        rows.append(f"- Result: {code(result_branch(state.run))} at {code(short(state.result))}")
    target = state.started.target
    if holder:
        rows.append(f"- Run {code(holder)} began at its result and has all of it")
    elif one.now:
        rows.append(f"- {said_of_target(one.now)}")
    if target and not holder and (others := _branches(accepted_elsewhere(state))):
        theirs = listed(map(code, unaccepted(state, target)), TASKS)
        rows.append(f"- Accepted into {others}, not into {code(branch(target))}: {theirs}")
    if not holder and (left := unaccepted(state)):
        rows.append(f"- Not accepted yet: {listed(map(code, left), TASKS)}")
    if cost and cost.bill.calls:
        spent = said_of_cost(cost.bill.amount.nanos / 1e9, cost.bill.amount.unpriced)
        rows.append(f"- Spent {escaped(spent)}; per landed task {escaped(_each(cost))}")
    return "\n".join(rows)


def _loud(state: RunState) -> Iterator[str]:
    """What every report of the run says of it."""
    yield from (f"{said[0].upper()}{said[1:]}" for said in warnings_of(state))
    yield from list(dict.fromkeys(said_of_flake(flake) for flake in state.flakes))[:LINES]
    yield from said_of_moves(state)[:LINES]
    yield from (notice.what for notice in state.notices[:LINES])


def _next(runs: Sequence[Seen], held: Mapping[RunId, RunId]) -> str:
    """What to type, for those first that wait for a person."""
    ordered = sorted(runs, key=lambda one: not one.waits)
    return commands(
        step
        for one in ordered
        for step in next_steps(one.state, one.alive, named=True, held=one.state.run in held)[:STEPS]
    )
