"""Start each MCP server of the settings and tell of its tools: for `orch doctor --mcp`."""

from __future__ import annotations

from dataclasses import asdict

import anyio
import typer

from orchestrator.cli import output
from orchestrator.cli.desk import open_here
from orchestrator.cli.options import environ_of
from orchestrator.cli.trusting import require_trust
from orchestrator.doctor.programs import HINT
from orchestrator.doctor.servers import ServerSeen, look_at_servers
from orchestrator.errors import OrchError
from orchestrator.planned import sourced_of
from orchestrator.review.words import count, foreign, listed

UNUSABLE = 2
MOST_TOLD = 100
"""Tools of one server that a person is told of."""


def servers_shown(ctx: typer.Context, as_json: bool) -> int:
    """0 where every server answers and has a tool that is allowed."""
    workplace = open_here(environ_of(ctx))
    sourced = sourced_of(workplace)
    if not sourced.settings.mcp:
        hint = "add a table [mcp.NAME] to .agent/orch.toml"
        raise OrchError("there is no MCP server in the settings", hint=hint)
    require_trust(workplace, sourced, attended=output.can_ask())

    async def look() -> tuple[ServerSeen, ...]:
        return await look_at_servers(
            workplace,
            sourced.settings,
            on_wait=output.narrate,
            on_notice=lambda what, hint: output.narrate([foreign(what, 300), f"  hint: {hint}"]),
        )

    seen = anyio.run(look)
    if as_json:
        output.answer_json([asdict(one) for one in seen])
    else:
        for one in seen:
            _tell(one)
            if one.within:
                said = output.colour_answer(f"odd   {one.name}: {foreign(one.within, 300)}", "ask")
                output.answer([said, f"      type: {HINT} below [mcp.{one.name}]"])
    return UNUSABLE if any(_trouble(one) for one in seen) else 0


def _trouble(seen: ServerSeen) -> str:
    if seen.why:
        return seen.why
    if seen.workers and not any(tool.allowed for tool in seen.tools):
        return "none of its tools is allowed"
    if seen.ticket_tool and _lacks_ticket_tool(seen):
        return f"it has no tool '{seen.ticket_tool}', which [tickets] names"
    return ""


def _lacks_ticket_tool(seen: ServerSeen) -> bool:
    return not any(tool.name == seen.ticket_tool for tool in seen.tools)


def _tell(seen: ServerSeen) -> None:
    if seen.why:
        output.answer(output.colour_answer(f"bad   {seen.name}: {foreign(seen.why, 300)}", "bad"))
        output.answer(f"      type: edit [mcp.{seen.name}] in .agent/orch.toml, by what it said")
        return
    allowed = sum(tool.allowed for tool in seen.tools)
    tools = count(len(seen.tools), "tool")
    if seen.workers:
        tools = f"{allowed} of {tools} for {listed(seen.workers)}"
    if seen.ticket_tool and _lacks_ticket_tool(seen):
        tools += f"; it has no tool '{seen.ticket_tool}'"
    elif seen.ticket_tool:
        tools += f"; {seen.ticket_tool} is asked for tickets"
    word, style = ("bad ", "bad") if _trouble(seen) else ("good", "good")
    output.answer(f"{output.colour_answer(word, style)}  {seen.name}: {tools}")
    if _trouble(seen):
        where = f"tools = [...] below [mcp.{seen.name}], with names from below"
        if not seen.workers or allowed:
            where = "tool = ... below [tickets], with a name from below"
        output.answer(f"      type: {where}")
    for tool in seen.tools[:MOST_TOLD]:
        hint = "says it only reads" if tool.reads_only else "may change things"
        use = hint if tool.allowed else "not allowed"
        output.answer(f"      {foreign(tool.name, 60)}  ({use})  {foreign(tool.description, 90)}")
    if len(seen.tools) > MOST_TOLD:
        output.answer(f"      and {len(seen.tools) - MOST_TOLD} more")
