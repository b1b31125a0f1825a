"""The reference page of the MCP server, made from its tools and resources themselves.

    python docs/build_mcp_reference.py [--write]

prints it, or writes it to docs/reference/mcp-server.md. A test holds the page to the code.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestrator.mcp_server.fitting import LIMIT_BYTES
from orchestrator.mcp_server.office import Office
from orchestrator.mcp_server.pages import PAGE_BYTES, Pages
from orchestrator.mcp_server.server import INSTRUCTIONS, PAGES, tools_of
from orchestrator.mcp_server.tool import Served

PAGE = Path(__file__).resolve().parent / "reference" / "mcp-server.md"
HEAD = f"""\
# The MCP server

This page is made from the code (`python docs/build_mcp_reference.py --write`). How to connect a
client, and what an agent may not do: [drive orch from an agent](../how-to/drive-from-an-agent.md).

`orch mcp` speaks MCP on stdin and stdout. Each answer is structured, has at most
{LIMIT_BYTES:,} bytes as JSON, and comes as text as well. Fields that have nothing to say are left
out. `next` says what to do: a tool with its arguments, or a command that a person types. `left_out`
counts what did not fit. What could not be done is an answer marked as an error: what, where, and a
hint.

A client is told:

```text
{INSTRUCTIONS}
```
"""

RESOURCES = f"""\
## Resources

A page has at most {PAGE_BYTES:,} bytes; where there is more, its last line names the next.
"""


def render_page() -> str:
    """The whole page."""
    office = Office(Path("/nowhere"), {})
    parts = [HEAD, "## Tools\n"]
    for tool in tools_of(office, lambda line: None):
        parts += _tool(tool)
    parts.append(RESOURCES)
    parts.append("| resource | what |\n|---|---|")
    parts += [f"| `{uri}` | {getattr(Pages, name).__doc__} |" for uri, name, _ in PAGES]
    return "\n".join(parts) + "\n"


def _tool(tool: Served) -> Iterator[str]:
    yield f"### {tool.name}\n\n{tool.description}\n"
    assert tool.annotations is not None and tool.output_schema is not None
    hints = []
    if tool.annotations.read_only_hint:
        hints.append("changes nothing")
    elif tool.annotations.destructive_hint:
        hints.append("changes a branch of the person's")
    elif tool.annotations.idempotent_hint:
        hints.append("again is the same as once")
    if hints:
        yield f"*{', '.join(hints)}*\n"
    required = tool.parameters.get("required", [])
    rows = ["| argument | type | default | meaning |", "|---|---|---|---|"]
    for name, said in tool.parameters["properties"].items():
        default = said.get("default")
        usual = "required" if name in required else "" if default is None else f"`{default}`"
        rows.append(f"| `{name}` | {_type(said)} | {usual} | {_cell(said)} |")
    yield "\n".join(rows) + "\n"
    fields = ", ".join(f"`{name}`" for name in tool.output_schema["properties"])
    yield f"Answers: {fields}\n"


def _type(said: dict[str, Any]) -> str:
    found = [one for one in said.get("anyOf", [said]) if one.get("type") != "null"]
    words = {"string": "text", "integer": "whole number", "boolean": "true or false"}
    one = found[0]
    if "enum" in one:
        return ", ".join(f"`{member}`" for member in one["enum"])
    if one.get("type") == "array":
        items = one["items"]
        return "list of tasks" if "$ref" in items else f"list of {_type(items)}s"
    return words.get(one.get("type", ""), one.get("type", "value"))


def _cell(said: dict[str, Any]) -> str:
    return str(said.get("description", "")).replace("|", "\\|")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(render_page(), "utf-8")
    else:
        sys.stdout.write(render_page())
