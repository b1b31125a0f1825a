"""The tools of MCP servers, as the model of one attempt has them.

1. They are listed once, before the first request, and stay as they were then: a conversation begins
   the same each time. A server that cannot be listed is told of, to the model and to a person.
2. A server lives as long as the round. In a later round it is started when it is first called.
3. A call is a tool's call like any other: printable, redacted, bounded, a failure in words. Each is
   told with what became of it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from ledger.connectors import McpOutcome
from workers.base import ServerCall
from workers.mcp.catalogue import Catalogue, Listed, Offered, make_catalogue
from workers.mcp.server import Ground, Server, Unavailable
from workers.model.cleaning import cleaned_start
from workers.model.files import Unusable
from workers.text import clean_line

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from workers.model.desk import Desk

WHY_CHARS = 400
TOLD_CHARS = 16_000
"""Far more of a description, a name or a reason than any model is given."""


class Servers:
    """The servers of an attempt; none of it costs anything where there are none."""

    def __init__(self, desk: Desk) -> None:
        self.catalogue = Catalogue()
        self._desk = desk
        self._servers = {one.name: Server(one) for one in desk.surroundings.servers}
        self._listed = False
        self._tasks: TaskGroup | None = None

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """A round: what is started in it is gone when it is over."""
        if not self._servers:
            yield
            return
        failed: Exception | None = None
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            try:
                yield
            except Exception as error:  # out of here it would come as one of a group
                failed = error
            finally:
                self._tasks = None
                for server in self._servers.values():
                    server.dismiss()
        if failed is not None:
            raise failed

    async def look(self, window_tokens: int) -> str:
        """List what there is, once; what the model is to be told of what there is not."""
        if self._listed or not self._servers:
            return ""
        self._listed = True
        listed: dict[str, tuple[Listed, ...]] = {}
        missing: dict[str, str] = {}

        async def look_at(server: Server) -> None:
            try:
                listed[server.name] = await server.listed(self._group, self._ground())
            except Unavailable as error:
                missing[server.name] = self._clean_why(str(error))

        async with anyio.create_task_group() as looking:
            for server in self._servers.values():
                looking.start_soon(look_at, server)
        # A server may tell of its tools by the megabyte.
        self.catalogue = await anyio.to_thread.run_sync(
            make_catalogue, listed, window_tokens, self._clean
        )
        words: list[str] = []
        for name, why in sorted(missing.items()):
            self._notice(f"MCP server '{name}' could not be used: {why}", "orch doctor --mcp")
            words.append(f"- `{name}`: {why}")
        for name, tools in sorted(listed.items()):
            if not tools:
                what = f"MCP server '{name}' has no tool that its settings allow"
                self._notice(what, f"orch doctor --mcp, then tools = [...] below [mcp.{name}]")
        for name, number in sorted(self.catalogue.left_out.items()):
            what = f"{number} tools of MCP server '{name}' have no room: no model is given them"
            self._notice(what, f"name those that are needed: tools = [...] below [mcp.{name}]")
        if not words:
            return ""
        head = "These servers of tools cannot be used now; do without them, or `ask`:"
        return "\n".join([head, *words])

    async def call(self, tool: Offered, arguments: dict[str, Any]) -> str:
        """What a tool says; Unusable where it says nothing or that it failed."""
        from workers.mcp.connection import Refused

        desk, began = self._desk, time.monotonic()
        outcome: McpOutcome = "lost"
        text = why = ""
        try:
            answer = await self._servers[tool.server].call(
                tool.tool, arguments, max(1.0, desk.left_s()), self._group, self._ground()
            )
            outcome, text = ("refused" if answer.failed else "answered"), answer.text
        except Refused as refused:
            outcome, text = "refused", str(refused)
        except Unavailable as error:
            why = self._clean_why(str(error))
        self._told(
            ServerCall(
                server=tool.server,
                tool=self._clean_why(tool.tool),
                outcome=outcome,
                why=why,
                duration_s=round(time.monotonic() - began, 3),
                size_bytes=len(text.encode("utf-8", "replace")),
            )
        )
        if outcome == "lost":
            raise Unusable(f"no answer of the server `{tool.server}`: {why}")
        if outcome == "refused":
            raise Unusable(f"the server `{tool.server}` says that it failed: {text or 'no reason'}")
        return text or "(an empty answer)"

    @property
    def _group(self) -> TaskGroup:
        if self._tasks is None:
            raise RuntimeError("a server was called outside of a round")
        return self._tasks

    def _ground(self) -> Ground:
        ground = self._desk.ground("server")
        return Ground(ground.tree, self._desk.env_of_servers, ground.mark, ground.log)

    def _clean(self, text: str) -> str:
        return cleaned_start(text, TOLD_CHARS, self._desk.redactor)

    def _clean_why(self, text: str) -> str:
        return clean_line(self._clean(text), WHY_CHARS)

    def _notice(self, what: str, hint: str) -> None:
        self._desk.transcript.note(what)
        if self._desk.surroundings.notice is not None:
            self._desk.surroundings.notice(what, hint)

    def _told(self, call: ServerCall) -> None:
        if self._desk.surroundings.on_server_call is not None:
            self._desk.surroundings.on_server_call(call)
