"""A forecast for a person: what is known, what is assumed, what is not known yet.

1. No line tells a time that nobody measured.
2. What is assumed is called so, until as many heads were judged here as the assumption weighs.
3. What is not known yet says what measures it.
"""

from __future__ import annotations

from collections.abc import Iterator

from ledger.model import Limits
from orchestrator.policy.forecast import Forecast
from orchestrator.policy.spending import Spending
from orchestrator.review.words import count, duration, listed

ENOUGH_HEADS = 10
"""So many judged heads outweigh what is assumed of the rate of failures."""


A_FEW_S = 5.0
"""Below it what git and orch take counts for more than what is forecast."""


def render_forecast(expected: Forecast, limits: Limits) -> Iterator[str]:
    """At most four lines."""
    parts = [*_time(expected, limits), *_gate_runs(expected, limits)]
    yield f"forecast: {', '.join(parts)}"
    if expected.full_gate_runs_high and expected.heads_judged < ENOUGH_HEADS:
        changes = count(expected.heads_judged, "change")
        judged = (
            f"{changes} judged here so far" if expected.heads_judged else "none judged here yet"
        )
        yield f"assumed: 0 to {expected.failure_rate:.0%} of the changes fail at first; {judged}"
    if expected.unknown_workers:
        yield f"not known yet: {_named('worker', expected.unknown_workers)}: after the first run"
    if expected.unknown_gates:
        by = "after the first run, or orch gate"
        yield f"not known yet: {_named('gate', expected.unknown_gates)}: {by}"


def render_spending(expected: Spending) -> Iterator[str]:
    """What model calls may come to, in at most three lines; none where there are none."""
    if not expected.tasks:
        return
    if expected.from_history + expected.from_sizes:
        span = f"{about(expected.tokens_low)} to {about(expected.tokens_high)} tokens"
        if expected.cost_low is not None and expected.cost_high is not None:
            span += f", {dollars(expected.cost_low)} to {dollars(expected.cost_high)}"
        more = " or more" if expected.unknown else ""
        yield f"models: {span}{more}, {_sources(expected)}"
    if expected.unpriced:
        names = listed(expected.unpriced)
        yield f"not known: what {names} costs: say it in [[price]], or limit budget_tokens"
    if expected.unknown:
        tasks = listed(expected.unknown)
        yield f"not known: what {tasks} comes to: without paths a task has no size"


def _sources(expected: Spending) -> str:
    parts = []
    if own := expected.from_history - expected.by_others:
        parts.append(f"{count(own, 'task')} by what was done here")
    if expected.by_others:
        parts.append(f"{count(expected.by_others, 'task')} by what other models did here")
    if expected.from_sizes:
        parts.append(f"{count(expected.from_sizes, 'task')} assumed by size")
    return ", ".join(parts)


def about(tokens: int) -> str:
    """A number of tokens with two digits that count."""
    if tokens < 1_000:
        return f"{tokens}"
    digits = len(str(tokens)) - 2
    return f"{round(tokens, -digits):,}"


def dollars(cost_usd: float) -> str:
    """Money, with as many digits as say something."""
    return f"${cost_usd:.2f}" if cost_usd >= 0.1 else f"${cost_usd:.4f}"


def _time(expected: Forecast, limits: Limits) -> Iterator[str]:
    workers = count(limits.parallel, "worker")
    if expected.makespan_s is None or expected.low_s is None or expected.high_s is None:
        yield f"{workers} side by side"
    elif expected.makespan_s < A_FEW_S:
        yield f"a few seconds with {workers}"
    else:
        span = f" ({duration(expected.low_s)} to {duration(expected.high_s)})"
        about = f"about {duration(expected.makespan_s)}{span if expected.simulated else ''}"
        yield f"{about} with {workers}"


def _gate_runs(expected: Forecast, limits: Limits) -> Iterator[str]:
    low, high = expected.full_gate_runs_low, expected.full_gate_runs_high
    if not high:
        return
    runs = f"{low} full gate runs" if low == high else f"{low} to {high} full gate runs"
    gate_s = expected.gate_s if expected.gate_s and expected.gate_s >= 0.05 else 0.0
    yield f"{runs} of {duration(gate_s)}" if gate_s else runs
    if gate_s and expected.makespan_s is None:
        slots = limits.gates_parallel
        yield f"{duration(low * gate_s / slots)} to {duration(high * gate_s / slots)} of judging"


def _named(noun: str, names: tuple[str, ...]) -> str:
    quoted = listed(f"'{name}'" for name in names)
    takes = "takes" if len(names) == 1 else "take"
    return f"how long {noun if len(names) == 1 else noun + 's'} {quoted} {takes}"
