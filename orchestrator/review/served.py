"""What an attempt asked of MCP servers, in one line. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ledger.events import McpToolCalled
from ledger.model import TaskId
from orchestrator.review.words import count, foreign

SERVERS_SHOWN = 8

Calls = Mapping[int, tuple[McpToolCalled, ...]]
"""Those of a task, by attempt."""


def calls_of(task: TaskId, facts: Iterable[McpToolCalled]) -> Calls:
    """The calls of a task, by attempt, in their order."""
    found: dict[int, tuple[McpToolCalled, ...]] = {}
    for fact in facts:
        if fact.task == task:
            found[fact.attempt] = (*found.get(fact.attempt, ()), fact)
    return found


def said_of_calls(calls: Iterable[McpToolCalled]) -> str:
    """`servers: db 12 calls (1 refused), files 2 calls`; empty where there was none."""
    of: dict[str, list[McpToolCalled]] = {}
    for call in calls:
        of.setdefault(call.server, []).append(call)
    told = []
    for server, made in list(of.items())[:SERVERS_SHOWN]:
        wrong = [
            f"{number} {outcome}"
            for outcome in ("refused", "lost")
            if (number := sum(call.outcome == outcome for call in made))
        ]
        less = f" ({', '.join(wrong)})" if wrong else ""
        told.append(f"{foreign(server, 40)} {count(len(made), 'call')}{less}")
    if more := len(of) - SERVERS_SHOWN:
        told += [f"and {more} more"] if more > 0 else []
    return f"servers: {', '.join(told)}" if told else ""
