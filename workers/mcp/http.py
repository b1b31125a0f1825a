"""A server that is reached by HTTP: by the engine itself, not from a sandbox.

1. Nothing of the environment counts: no proxy, no keys but the headers that the settings name.
2. Redirects are followed within the same origin alone, and so are the headers.
3. An answer is bounded as it comes, and comes as it is: nothing is unpacked, since little can
   become much.
4. What servers send by themselves is not asked for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage

from workers.mcp.guard import MESSAGE_BYTES, Guard, TooMuch

CONNECT_S = 15.0


class _TooMuch(httpx2.StreamError):
    """An answer is larger than it may be; what reads it takes this for an answer that broke."""


class _Bounded(httpx2.AsyncByteStream):
    """An answer's bytes, up to so many."""

    def __init__(self, whole: httpx2.AsyncByteStream, guard: Guard) -> None:
        self._whole, self._guard = whole, guard

    async def __aiter__(self) -> AsyncIterator[bytes]:
        came = 0
        async for chunk in self._whole:
            came += len(chunk)
            try:
                self._guard.heard(len(chunk), came)
            except TooMuch as error:
                self._guard.end(str(error))
                raise _TooMuch(str(error)) from None
            yield chunk

    async def aclose(self) -> None:
        await self._whole.aclose()


class _Door(httpx2.AsyncHTTPTransport):
    """Where requests leave."""

    def __init__(self, guard: Guard) -> None:
        super().__init__(trust_env=False)
        self._guard = guard

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            return httpx2.Response(405, request=request)
        request.headers["Accept-Encoding"] = "identity"
        response = await super().handle_async_request(request)
        if response.headers.get("Content-Encoding", "identity") != "identity":
            await response.aclose()
            self._guard.end("it packs its answers, and was asked not to")
            return httpx2.Response(406, request=request)
        if response.status_code in (401, 403):
            self._guard.end(f"it answered {response.status_code}: it wants other credentials")
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Bounded(response.stream, self._guard)
        return response


@asynccontextmanager
async def served(
    url: str, headers: Mapping[str, str], timeout_s: float, guard: Guard
) -> AsyncIterator[tuple[Any, Any]]:
    """The streams of a server at an address."""
    times = httpx2.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s))
    async with (
        httpx2.AsyncClient(
            transport=_Door(guard), trust_env=False, headers=dict(headers), timeout=times
        ) as client,
        streamable_http_client(url, http_client=client, max_sse_event_size=MESSAGE_BYTES) as (
            read,
            written,
        ),
        anyio.create_task_group() as tasks,
    ):
        incoming, passed = anyio.create_memory_object_stream[SessionMessage | Exception](0)

        async def listen() -> None:
            with incoming:
                try:
                    async for item in read:
                        if guard.is_wanted(item):
                            await incoming.send(item)
                except TooMuch as error:
                    guard.end(str(error))
                except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                    pass  # nobody listens any more

        tasks.start_soon(listen)
        try:
            yield passed, written
        finally:
            passed.close()
            tasks.cancel_scope.cancel()
