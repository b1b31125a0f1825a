"""Servers that are reached by HTTP: with headers from variables, and bounded as they answer."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from tests.integration.mcp.support import Room, settings
from tests.support.servers.sdk import make
from workers.loopback import bind, serving
from workers.mcp.connection import Refused

TOKEN = "t0ken-of-a-server-0123456789"
AUTH = {"Authorization": "Bearer $MCP_TOKEN", "X-Team": "${TEAM}"}


@dataclass
class Site:
    """A server by hand that answers as it is told."""

    how: str = "plain"
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """Method, path and headers of each request."""
    elsewhere: str = ""

    async def answer(self, request: Request) -> Response:
        self.seen.append((request.method, request.url.path, dict(request.headers)))
        said = json.loads(await request.body() or b"{}")
        identity, method = said.get("id"), said.get("method")
        if identity is None:
            return Response(status_code=202)
        if method == "initialize":
            result: Any = {
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "site", "version": "1"},
            }
        elif method == "tools/list":
            result = {"tools": [{"name": "get", "inputSchema": {"type": "object"}}]}
        elif method == "tools/call":
            return await self.called(identity)
        else:
            error = {"code": -32601, "message": "Method not found"}
            return JSONResponse({"jsonrpc": "2.0", "id": identity, "error": error})
        return JSONResponse({"jsonrpc": "2.0", "id": identity, "result": result})

    async def called(self, identity: Any) -> Response:
        text = {"jsonrpc": "2.0", "id": identity,
                "result": {"content": [{"type": "text", "text": "got it"}]}}  # fmt: skip
        match self.how:
            case "redirect":
                return RedirectResponse(f"{self.elsewhere}/mcp", status_code=307)
            case "unauthorized":
                return Response(status_code=401)
            case "broken":
                return Response(status_code=500)
            case "hang":
                await anyio.sleep(600)
            case "big":
                return StreamingResponse(self.endless(b"x" * 65536), media_type="application/json")
            case "stream":
                line = b'data: {"jsonrpc": "2.0", "method": "notifications/message"}\n\n'
                return StreamingResponse(self.endless(line), media_type="text/event-stream")
            case "broken-off":
                note = b'data: {"jsonrpc": "2.0", "method": "notifications/message"}\n\n'
                return Response(note, media_type="text/event-stream")
            case "packed":
                body = gzip.compress(json.dumps(text).encode() + b" " * 50_000_000)
                return Response(body, headers={"Content-Encoding": "gzip",
                                               "Content-Type": "application/json"})  # fmt: skip
        return JSONResponse(text)

    async def endless(self, piece: bytes) -> AsyncIterator[bytes]:
        while True:
            yield piece
            await anyio.sleep(0)


@asynccontextmanager
async def served(site: Site) -> AsyncIterator[str]:
    methods = ["GET", "POST", "DELETE"]
    app = Starlette(routes=[Route("/mcp", site.answer, methods=methods)])
    with bind() as socket:
        url = f"http://127.0.0.1:{socket.getsockname()[1]}"
        async with serving(app, socket):
            yield url


async def test_a_server_by_the_library_gets_the_headers(here: Room) -> None:
    here.environ |= {"MCP_TOKEN": TOKEN, "TEAM": "red"}
    app = make().streamable_http_app()
    whole = Starlette(routes=[Mount("/", app)])
    with bind() as socket:
        url = f"http://127.0.0.1:{socket.getsockname()[1]}/mcp"
        async with (
            app.router.lifespan_context(app),
            serving(whole, socket),
            here.serving(settings(url=url, headers=AUTH)) as held,
        ):
            assert await held.tools() == ["add", "greet", "headers"]
            assert await held.call("add", a=1, b=2) == "3"
            seen = await held.call("headers")
            assert f"'authorization': 'Bearer {TOKEN}'" in seen and "'x-team': 'red'" in seen


async def test_a_server_without_the_new_protocol_answers_too(here: Room) -> None:
    site = Site()
    async with served(site) as url, here.serving(settings(url=f"{url}/mcp")) as held:
        assert await held.call("get") == "got it"
    assert {method for method, *_ in site.seen} == {"POST"}, "nothing is listened to by itself"
    assert all(seen["accept-encoding"] == "identity" for *_, seen in site.seen)


async def test_no_header_goes_elsewhere(here: Room) -> None:
    here.environ |= {"MCP_TOKEN": TOKEN, "TEAM": "red"}
    site, other = Site("redirect"), Site()
    async with served(site) as url, served(other) as elsewhere:
        site.elsewhere = elsewhere
        async with here.serving(settings(url=f"{url}/mcp", headers=AUTH)) as held:
            with pytest.raises(Refused, match="not followed"):
                await held.call("get")
    assert other.seen == []
    assert site.seen[0][2]["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.sample(4)
@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("broken-off", "its answer broke off"),
        ("big", "a message of more than 4 MB"),
        ("stream", "messages that nobody asked for"),
        ("packed", "it packs its answers"),
        ("unauthorized", "it answered 401"),
        ("hang", "it did not answer within 0.5 s"),
    ],
)
@pytest.mark.sample(2)
async def test_one_that_answers_badly_is_lost_and_told_of(here: Room, how: str, why: str) -> None:
    site = Site(how)
    async with served(site) as url, here.serving(settings(url=f"{url}/mcp")) as held:
        assert await held.tools() == ["get"]
        assert why in await held.lost("get", within_s=0.5 if how == "hang" else 30)
        site.how = "plain"
        assert await held.call("get") == "got it"


async def test_one_that_is_not_there_is_told_of(here: Room) -> None:
    with bind() as socket:
        url = f"http://127.0.0.1:{socket.getsockname()[1]}/mcp"
    async with here.serving(settings(url=url)) as held:
        assert "connect" in (await held.lost("get")).lower()
    site = Site("broken")
    async with served(site) as url:
        async with here.serving(settings(url=f"{url}/mcp")) as held:
            with pytest.raises(Refused, match="error"):
                await held.call("get")
        async with here.serving(settings(url=f"{url}/other")) as held:
            assert "Not Found" in await held.lost("get")
