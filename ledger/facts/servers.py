"""What was asked of MCP servers, and what came of it."""

from __future__ import annotations

from typing import Literal

from ledger.connectors import McpOutcome
from ledger.facts.base import Fact
from ledger.model import TaskId

# --- servers of tools ---------------------------------------------------------------------------


class McpToolCalled(Fact):
    """An attempt called a tool of an MCP server; what was said is in its log, redacted."""

    kind: Literal["McpToolCalled"] = "McpToolCalled"
    task: TaskId
    attempt: int
    round: int
    server: str
    tool: str
    """As the server calls it."""
    outcome: McpOutcome
    why: str = ""
    """Why it was lost; empty else."""
    duration_s: float = 0.0
    size_bytes: int = 0
    """Of what was answered."""
