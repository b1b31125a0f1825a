"""What an attempt asked of MCP servers, as `orch show` tells it."""

from __future__ import annotations

from ledger.connectors import McpOutcome
from ledger.events import McpToolCalled
from orchestrator.review.served import calls_of, said_of_calls


def call(
    server: str, outcome: McpOutcome = "answered", task: str = "a", attempt: int = 1
) -> McpToolCalled:
    return McpToolCalled(
        task=task, attempt=attempt, round=1, server=server, tool="t", outcome=outcome
    )


def test_calls_are_counted_by_attempt_and_server() -> None:
    made = [call("db"), call("db", "lost"), call("db", attempt=2), call("db", task="b")]
    made += [call("files"), call("db", "refused")]
    calls = calls_of("a", made)
    assert said_of_calls(calls[1]) == "servers: db 3 calls (1 refused, 1 lost), files 1 call"
    assert said_of_calls(calls[2]) == "servers: db 1 call"
    assert said_of_calls(()) == "" and calls_of("c", made) == {}


def test_many_servers_are_one_line() -> None:
    said = said_of_calls([call(f"s{n}") for n in range(12)])
    assert said.endswith("s7 1 call, and 4 more") and "s8" not in said
