"""A client of `orch mcp` beside a test that is not asynchronous: the SDK's own, over stdio."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread

from tests.support.cli import ORCH

WITHIN_S = 60
LIMIT_BYTES = 2000


class Asked:
    """A client that is connected to a server of its own."""

    def __init__(self, portal: Any, client: Any) -> None:
        self._portal, self.client = portal, client
        self.progress: list[tuple[float, str]] = []

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool; what it answers."""
        result = self.result(tool, **arguments)
        assert not result.is_error, result.content[0].text
        body: dict[str, Any] = result.structured_content
        said = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        assert len(said) <= LIMIT_BYTES, len(said)
        assert json.loads(result.content[0].text) == body
        assert isinstance(body["next"], list)
        return body

    def refused(self, tool: str, **arguments: Any) -> str:
        """Call a tool that does not do it; what it says."""
        result = self.result(tool, **arguments)
        assert result.is_error, result.structured_content
        text: str = result.content[0].text
        assert len(text.encode()) <= LIMIT_BYTES and "Traceback" not in text, text
        return text

    def result(self, tool: str, **arguments: Any) -> Any:
        self.progress = []

        async def call() -> Any:
            with anyio.fail_after(WITHIN_S):
                return await self.client.call_tool(
                    tool, arguments, progress_callback=self._on_progress
                )

        return self._portal.call(call)

    async def _on_progress(self, progress: float, total: float | None, said: str | None) -> None:
        self.progress.append((progress, said or ""))

    def read(self, uri: str) -> str:
        """Read a resource."""

        async def read() -> Any:
            with anyio.fail_after(WITHIN_S):
                return await self.client.read_resource(uri, cache_mode="bypass")

        text: str = self._portal.call(read).contents[0].text
        return text

    def of(self, method: str, *args: Any) -> Any:
        """Await any other method of the client."""
        return self._portal.call(getattr(self.client, method), *args)


@contextmanager
def asking_inside(folder: Path, environ: dict[str, str]) -> Iterator[Asked]:
    """The same server in this process: for what does not depend on how it is started."""
    from mcp import Client

    from orchestrator.mcp_server.office import Office
    from orchestrator.mcp_server.server import make_server

    server = make_server(Office(folder, environ), lambda line: None)
    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Client(server)) as client,
    ):
        yield Asked(portal, client)


@contextmanager
def asking(
    folder: Path, environ: dict[str, str], *args: str, errlog: Path | None = None
) -> Iterator[Asked]:
    """`orch mcp`, installed, in a process of its own, and a client that speaks to it."""
    from mcp import Client, StdioServerParameters
    from mcp.client.stdio import stdio_client

    server = StdioServerParameters(
        command=str(ORCH), args=["mcp", *args], env=dict(environ), cwd=folder
    )
    with (
        open(errlog or "/dev/null", "w") as log,
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(
            Client(stdio_client(server, errlog=log), read_timeout_seconds=WITHIN_S)
        ) as client,
    ):
        yield Asked(portal, client)
