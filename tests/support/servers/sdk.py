"""A server by the library, as others write them: on its input and output, or by HTTP."""

from __future__ import annotations

from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp_types import ToolAnnotations
from pydantic import BaseModel


class Person(BaseModel):
    """Somebody with a name."""

    name: str
    friends: list[str] = []


def make() -> MCPServer[Any]:
    """The server."""
    server = MCPServer("sdk")

    @server.tool(annotations=ToolAnnotations(read_only_hint=True))
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @server.tool()
    def greet(person: Person) -> str:
        """Greet somebody and all their friends."""
        return f"Hello {', '.join([person.name, *person.friends])}"

    @server.tool()
    def headers(ctx: Context[Any, Any]) -> str:
        """What the request brought."""
        return str(dict(ctx.request_context.request.headers))  # type: ignore[union-attr]

    return server


if __name__ == "__main__":
    make().run("stdio")
