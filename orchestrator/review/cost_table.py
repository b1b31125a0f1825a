"""Costs as a table for people, and as JSON. Pure.

1. What is not known is called so, in the table and below it; in JSON it is null, never zero.
2. The figure that counts stands last and alone: what a landed task cost, and how that is made up.
"""

from __future__ import annotations

from typing import Any

from orchestrator.review.cost import PURPOSES, Bill, Costs, Line, Purpose
from orchestrator.review.spent import said_of_cost
from orchestrator.review.words import Paint, count, foreign, money, tokens, unpainted

HEADS = ("calls", "input", "cached", "written", "output", "reasoning", "cost", "landed", "each")
"""`cached` and `written`: read out of a provider's cache, and into it; `each`: by landed task."""
PURPOSE_WORDS: dict[Purpose, str] = {
    "landed": "attempts that landed",
    "unchanged": "attempts with nothing to do",
    "open": "attempts that are open yet",
    "failed": "attempts that did not land",
    "checking": "checkers",
    "planning": "planning",
}
NAME_CHARS = 60


def render_costs(costs: Costs, paint: Paint = unpainted, within: str = "") -> list[str]:
    """The table, what has to be said of it, and what a landed task cost; `within` one run."""
    rows: list[tuple[str, ...]] = [(costs.by, *HEADS)]
    rows += [_row(line, within) for line in costs.lines]
    rows.append(_row(costs.whole, within))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for place, row in enumerate(rows):
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        text = "  ".join(cells).rstrip()
        strong = place in (0, len(rows) - 1)
        lines.append(paint(text, "strong") if strong else text)
    return [*lines, *_said(costs.whole.bill, paint), "", *_figure(costs, paint)]


def _row(line: Line, within: str) -> tuple[str, ...]:
    bill = line.bill
    numbers = [bill.tokens.input, bill.tokens.cache_read, bill.tokens.cache_write]
    numbers += [bill.tokens.output, bill.tokens.reasoning]
    name = line.name.removeprefix(f"{within} ") if within else line.name
    return (
        foreign(name, NAME_CHARS),
        f"{bill.calls:,}",
        *(f"{number:,}" for number in numbers),
        _short_cost(bill),
        str(line.landed) if line.landed else "",
        money(line.usd_each) if line.usd_each is not None else "unknown" if line.landed else "",
    )


def _short_cost(bill: Bill) -> str:
    """`$1.20`, `$1.20 + ?` where a part of it is not known, `unknown` where all of it is."""
    known = bill.amount.nanos / 1e9
    if not bill.amount.unpriced:
        return money(known) if bill.calls else ""
    return f"{money(known)} + ?" if known else "unknown"


def _said(bill: Bill, paint: Paint) -> list[str]:
    lines = []
    if bill.amount.unpriced:
        calls = count(bill.amount.unpriced, "call")
        lines.append(f"the price of {calls} is not known: [[price]] in the settings tells it")
    if bill.unsettled:
        calls = count(bill.unsettled, "call")
        worst = f"the worst they may come to, up to {tokens(bill.worst)}"
        lines.append(f"{calls}: nobody knows, or knows yet, what they came to; {worst}, counts")
    return [paint(line, "ask") for line in lines]


def _figure(costs: Costs, paint: Paint) -> list[str]:
    whole, bill = costs.whole, costs.whole.bill
    if not whole.landed:
        figure = "no task of these has landed"
    else:
        each = money(whole.usd_each) if whole.usd_each is not None else "unknown"
        figure = f"cost per landed task: {each}, {tokens(whole.tokens_each or 0)}"
    landed = count(whole.landed, "task") + " landed"
    spent = said_of_cost(bill.amount.nanos / 1e9, bill.amount.unpriced)
    lines = [paint(figure, "strong") + f"  ({landed}, {tokens(bill.amount.tokens)}, {spent})"]
    parts = [(PURPOSE_WORDS[one], costs.purposes[one]) for one in PURPOSES]
    parts = [(words, part) for words, part in parts if part.calls]
    width = max(len(words) for words, _ in parts) if parts else 0
    for words, part in parts:
        came_to = said_of_cost(part.amount.nanos / 1e9, part.amount.unpriced)
        lines.append(f"  {words:<{width}}  {tokens(part.amount.tokens)}, {came_to}")
    return lines


# --- JSON -------------------------------------------------------------------------------------


def costs_as_json(costs: Costs, run: str | None, since: float | None) -> dict[str, Any]:
    """The same as plain values."""
    return {
        "run": run,
        "since": since,
        "by": costs.by,
        "rows": [{"name": line.name, **_line_as_json(line)} for line in costs.lines],
        "total": _line_as_json(costs.whole),
        "purposes": {name: _bill_as_json(costs.purposes[name]) for name in PURPOSES},
    }


def _line_as_json(line: Line) -> dict[str, Any]:
    return {
        **_bill_as_json(line.bill),
        "landed_tasks": line.landed,
        "usd_per_landed_task": line.usd_each,
        "tokens_per_landed_task": line.tokens_each,
    }


def _bill_as_json(bill: Bill) -> dict[str, Any]:
    return {
        "calls": bill.calls,
        "tokens": {
            **bill.tokens.model_dump(),
            "unsettled_worst": bill.worst,
            "total": bill.amount.tokens,
        },
        "cost_usd": bill.amount.cost_usd,
        "known_usd": bill.amount.nanos / 1e9,
        "unpriced_calls": bill.amount.unpriced,
        "unsettled_calls": bill.unsettled,
    }
