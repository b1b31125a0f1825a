"""The report of a run, in Markdown: for a person in the morning, or a pull request. Pure.

1. What failed or waits is told before what went well: nobody reads past good news.
2. All text that somebody else wrote is escaped: a task's title cannot make a heading or a link.
3. No sandbox, no gate, a base that was not green, a flaky gate, commits of somebody else's and
   lost time are said each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.books import Sum
from ledger.events import HeadRef
from ledger.model import Verdict
from ledger.state import RunState, TaskState
from orchestrator.driven import Driven
from orchestrator.policy.accepted import unaccepted
from orchestrator.policy.checking import against
from orchestrator.policy.judges import unjudged
from orchestrator.review.advice import next_steps
from orchestrator.review.against import said_of_target
from orchestrator.review.flakes import flaky_on, said_of_flake
from orchestrator.review.judged import said_of_landings, warnings_of
from orchestrator.review.markdown import code, commands, escaped, section
from orchestrator.review.moved import said_of_moves
from orchestrator.review.narrate import said_of
from orchestrator.review.spent import budget_of, said_of_cost, said_of_worker, spending, spent
from orchestrator.review.status import why_so
from orchestrator.review.tested import tests_on_result
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

LINES_SHOWN = 10


def render_report(
    state: RunState,
    alive: bool,
    now: float,
    named: bool = False,
    driven: Driven | None = None,
    target: TargetNow | None = None,
) -> str:
    """The whole report; `driven`: for how long engines drove the run.

    `target`: how the branch that it is meant for stands to it now, where somebody has looked.
    """
    took_s = driven.until(now) if driven else (state.finished_at or now) - state.started_at
    parts = [
        f"# {escaped(headline(state.plan.goal))}",
        _summary(state, alive, took_s, target),
        _warnings(state),
        section("Waiting for you", [_waiting(state, t) for t in _tasks(state, "held")]),
        section("Failed", [_failed(state, t) for t in _tasks(state, "failed")]),
        section(
            "Not tried",
            [_line(t, why_so(state, t)) for t in _tasks(state, "skipped", "waiting", "ready")],
        ),
        section(
            "Under way",
            [_line(t, t.status) for t in _tasks(state, "working", "queued")],
        ),
        section("Landed", _landed(state)),
        section("Unchanged", [_line(t, "nothing to do") for t in _tasks(state, "unchanged")]),
        section("Taken out again", [_line(t, "") for t in _rejected(state, landed=True)]),
        section("Rejected", [_line(t, why_so(state, t)) for t in _rejected(state, landed=False)]),
        _time(state, took_s),
        _cost(state),
        _next(state, alive, named),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _tasks(state: RunState, *statuses: str) -> list[TaskState]:
    return [task for task in state.tasks.values() if task.status in statuses]


def _rejected(state: RunState, *, landed: bool) -> list[TaskState]:
    """The rejected tasks that had landed, or those that were held."""
    tasks = _tasks(state, "rejected")
    return [task for task in tasks if bool(task.last and task.last.taken_out) is landed]


def _summary(state: RunState, alive: bool, took_s: float, target: TargetNow | None) -> str:
    finished = state.finished
    if finished:
        phase = finished.outcome.replace("-", " ") + (f": {finished.why}" if finished.why else "")
        phase += f" (exit code {finished.exit_code})"
    elif state.cleaned:
        phase = "cleaned before it had finished"
    else:
        phase = "going on" if alive else "interrupted: no engine drives it"
    counts = ", ".join(
        f"{len(ids)} {status}"
        for status, ids in sorted(state.by_status.items(), key=lambda pair: -len(pair[1]))
        if ids
    )
    took = duration(took_s)
    base = f"{code(short(state.started.base))}"
    if state.started.target:
        base += f" of {code(state.started.target)}"
    rows = [
        f"- Run {code(state.run)}, {escaped(phase, 300)}",
        f"- {count(len(state.tasks), 'task')}: {counts}",
        f"- From {base}, started {day(state.started_at)}, took {took}",
    ]
    if state.started.automation:
        rows.append(f"- Started by automation {code(state.started.automation)}")
    if state.started.unattended:
        rows.append("- Unattended: nobody was asked anything")
    if state.landings:
        where = f"{code(result_branch(state.run))} at {code(short(state.result))}"
        judged = said_of_landings(len(state.landings), len(unjudged(state)))
        rows.append(f"- Result: {where}, {judged}")
    if target and target.how != "holds":
        rows.append(f"- {said_of_target(target)}")
    if cost := "; ".join(filter(None, (spent(state).said, budget_of(state).said))):
        rows.append(f"- Spent: {escaped(cost)}")
    rows += [f"- Gate {code(gate)} on the result: {said}" for gate, said in tests_on_result(state)]
    rows += [
        f"- {'Found in' if fact.before == fact.commit else 'Accepted into'}"
        f" {code(branch(fact.target))} at {code(short(fact.commit))}: {_held(state, fact.heads)}"
        for fact in state.accepted
    ]
    for push in state.pushed.values():
        pull = state.pull_requests.get(push.branch)
        request = f", pull request {pull.number}" if pull else ""
        at = f"{code(push.branch)} at {code(short(push.commit))}"
        rows.append(f"- Pushed to {code(push.remote)} as {at}{request}")
    if state.accepted and (rest := unaccepted(state)):
        rows.append(f"- Not accepted yet: {listed(rest)}")
    if state.cleaned:
        rows.append("- Cleaned: its refs are gone")
    return "\n".join(rows)


def _held(state: RunState, heads: tuple[HeadRef, ...]) -> str:
    """The tasks whose heads a branch holds; an earlier head than the result's is said so."""
    standing = state.landed_heads()
    gone = [ref for ref in heads if standing.get(ref.task) != ref]
    here = [ref.task for ref in heads if ref not in gone]
    old = [f"attempt {ref.attempt} at {ref.task}" for ref in gone]
    rest = f"{listed(old)} (not in the result any more)" if old else ""
    return "; ".join(part for part in (listed(here), rest) if part)


def _warnings(state: RunState) -> str:
    rows = [f"- {escaped(said[0].upper() + said[1:], 300)}." for said in warnings_of(state)]
    red = [v for v in state.baseline_verdicts.values() if v.outcome != "passed"]
    if red and state.baseline != "advisory":
        rows.append("- The base was not green: nothing landed.")
    rows += [f"- {escaped(said_of(verdict), 300)}" for verdict in red]
    for said in dict.fromkeys(said_of_flake(flake) for flake in state.flakes):
        rows.append(f"- {escaped(said[0].upper() + said[1:], 300)} (red, then green, on one tree)")
    rows += _known_failures(state)
    rows += [f"- {escaped(said, 300)}" for said in said_of_moves(state)]
    rows += [f"- {escaped(notice.what, 300)}" for notice in state.notices]
    return "## Read this first\n\n" + "\n".join(rows) if rows else ""


def _known_failures(state: RunState) -> list[str]:
    """Gates that are red on the base and judge all the same: what they excuse."""
    rows = []
    for verdict in state.baseline_verdicts.values():
        if verdict.outcome == "passed" and verdict.failed_tests:
            tests = count(len(verdict.failed_tests), "test")
            named = ", ".join(code(name) for name in verdict.failed_tests[:LINES_SHOWN])
            more = len(verdict.failed_tests) - LINES_SHOWN
            named += f" and {more} more" if more > 0 else ""
            rows.append(
                f"- Gate {code(verdict.gate)}: {tests} failed on the base, and may: {named}"
            )
    return rows


def _line(task: TaskState, what: str) -> str:
    title = f" {escaped(task.task.title, 80)}" if task.task.title else ""
    return f"- {code(task.task.id)}{title}" + (f": {escaped(what)}" if what else "")


def _waiting(state: RunState, task: TaskState) -> str:
    rows = [_line(task, why_so(state, task))]
    if task.question is not None:
        rows.append("  - your answer lets it go on: " + code(f'orch answer {task.task.id} "..."'))
    finished = task.last.finished if task.last else None
    findings = finished.findings if finished else ()
    found = {finding.path for finding in findings}
    others = [path for path in state.to_allow(task) if path not in found]
    rows += [f"  - {code(path)}" for path in others[:LINES_SHOWN]]
    rows += [f"  - {escaped(one.said, 240)}" for one in findings[:LINES_SHOWN]]
    stood = against(task.last) if task.last else ()
    rows += [f"  - {escaped(one.said, 240)}" for one in stood[:LINES_SHOWN]]
    if more := max(0, len(findings) - LINES_SHOWN) + max(0, len(stood) - LINES_SHOWN):
        rows.append(f"  - and {more} more: orch show {task.task.id}")
    return "\n".join(rows)


def _failed(state: RunState, task: TaskState) -> str:
    rows = [_line(task, task.note)]
    for attempt in task.attempts:
        finished = attempt.finished
        why = attempt.sent_back.why if attempt.sent_back else finished.why if finished else ""
        outcome = (
            "sent back" if attempt.sent_back else finished.outcome if finished else "under way"
        )
        took = duration(finished.duration_s) if finished else ""
        cost = spent(state, task.task.id, attempt.number).said
        by = said_of_worker(attempt.started.worker, attempt.started.model)
        rounds = count(len(attempt.rounds), "round")
        said = [rounds, took, escaped(cost), f"by {escaped(by)}" if attempt.started.model else ""]
        rows.append(
            f"  - attempt {attempt.number}, {', '.join(filter(None, said))}: {outcome}"
            + (f", {escaped(why)}" if why else "")
        )
    last = task.last
    if last and last.rounds:
        red = [v for v in last.rounds[-1].verdicts if v.outcome != "passed"]
        rows += [f"    {code(line)}" for v in red for line in v.lines[:LINES_SHOWN]]
    if last and last.head:
        rows.append(f"  - its last head is kept: {code(short(last.head))}")
    return "\n".join(rows)


def _landed(state: RunState) -> list[str]:
    rows = []
    for task in _tasks(state, "landed"):
        tries = len(task.attempts)
        landing = next((la for la in state.landings if la.candidate == task.landed_by), None)
        what = f"{code(short(landing.commit))}" if landing else ""
        what += f", {count(tries, 'attempt')}" if tries > 1 else ""
        what += f", {escaped(cost)}" if (cost := spent(state, task.task.id).said) else ""
        what += f", {escaped(flaky)}" if (flaky := flaky_on(state, task)) else ""
        rows.append(_line(task, "") + (f": {what}" if what else ""))
    return rows


def gate_times(state: RunState) -> dict[str, tuple[int, int, float]]:
    """How often each gate ran, how often its verdict was known already, how long it took."""
    gates: dict[str, tuple[int, int, float]] = {}
    for verdict in _verdicts(state):
        runs, reused, seconds = gates.get(verdict.gate, (0, 0, 0.0))
        new = (
            (runs, reused + 1, seconds)
            if verdict.reused
            else (runs + 1, reused, seconds + verdict.duration_s)
        )
        gates[verdict.gate] = new
    return gates


def of_landed(state: RunState) -> tuple[list[HeadRef], Sum]:
    """The landed heads that models were called for, and what those attempts came to."""
    landed = [ref for ref in state.landed_heads().values() if spent(state, ref.task)]
    return landed, sum((_purse(state, f"{ref.task}/{ref.attempt}") for ref in landed), Sum())


def _time(state: RunState, took_s: float) -> str:
    work = sum(
        a.finished.duration_s for t in state.tasks.values() for a in t.attempts if a.finished
    )
    gates = gate_times(state)
    if not gates and not work:
        return ""
    rows = ["## Time", "", "| what | times | took |", "| --- | ---: | ---: |"]
    attempts = sum(len(task.attempts) for task in state.tasks.values())
    rows.append(f"| attempts | {attempts} | {duration(work)} |")
    for name, (runs, reused, seconds) in gates.items():
        known = f" ({reused} known already)" if reused else ""
        rows.append(f"| gate {code(name)} | {runs}{known} | {duration(seconds)} |")
    rows.append(f"| the run, while it was driven | | {duration(took_s)} |")
    return "\n".join(rows)


def _cost(state: RunState) -> str:
    """What models came to: of what landed, and of all that did not."""
    whole = state.books.spent_by() + state.books.held_by()
    if not spending(whole):
        return ""
    landed, good = of_landed(state)
    rest = Sum(whole.tokens - good.tokens, whole.nanos - good.nanos, whole.unpriced - good.unpriced)
    rows = ["## Cost", "", "| what | tokens | cost |", "| --- | ---: | ---: |"]
    named = [("attempts that landed", good), ("all else", rest), ("the run", whole)]
    for name, amount in named:
        said = spending(amount)
        if not said:
            continue
        cost = said_of_cost(said.known_usd, said.unpriced)
        rows.append(f"| {name} | {amount.tokens:,} | {escaped(cost)} |")
    if landed:
        each = money(whole.nanos / 1e9 / len(landed)) if not whole.unpriced else "cost unknown"
        cost = f"{tokens(whole.tokens // len(landed))}, {each}"
        of = count(len(landed), "task")
        rows += ["", f"**Per landed task: {escaped(cost)}** ({of}, all spending shared out)."]
    rows += [
        "",
        f"With cached tokens and checkers apart: {code(f'orch cost {state.run} --by model')}",
    ]
    return "\n".join(rows)


def _purse(state: RunState, purse: str) -> Sum:
    return state.books.spent_by(purse) + state.books.held_by(purse)


def _verdicts(state: RunState) -> list[Verdict]:
    found = list(state.baseline_verdicts.values())
    for task in state.tasks.values():
        for attempt in task.attempts:
            for round_state in attempt.rounds:
                found += round_state.verdicts
    for candidate in state.candidates.values():
        found += candidate.verdicts
    for move in state.moves:
        found += move.verdicts
    return found


def _next(state: RunState, alive: bool, named: bool) -> str:
    return commands(next_steps(state, alive, named))
