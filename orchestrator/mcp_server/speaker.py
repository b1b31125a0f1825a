"""Who speaks: the client's own name and version, as data."""

from __future__ import annotations

from typing import Any

from mcp.server.mcpserver import Context

from orchestrator.review.words import foreign

NOBODY = "an MCP client"
NAME_CHARACTERS = 60


def speaker_of(ctx: Context[Any, Any]) -> str:
    """How the client names itself: `claude-code 2.1.330`."""
    said = ctx.session.client_params
    if said is None:
        return NOBODY
    name = f"{said.client_info.name} {said.client_info.version}"
    return foreign(name, NAME_CHARACTERS).strip() or NOBODY
