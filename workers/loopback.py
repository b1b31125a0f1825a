"""A small HTTP server of ours on this machine's loopback: up when it is entered, gone when left.

1. It listens on 127.0.0.1 and nowhere else, on a free port where none is named.
2. It takes no signals: who started it decides when it ends.
3. It ends within moments, whatever its requests are waiting for; they are cancelled.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager, contextmanager

import anyio
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

HOST = "127.0.0.1"
BACKLOG = 512
START_S = 20.0
END_S = 20.0


class PortTaken(OSError):
    """Somebody listens on the port already."""


class _Server(uvicorn.Server):
    """One that says when it is up, and leaves signals to whoever started it."""

    def __init__(self, config: uvicorn.Config, up: asyncio.Event) -> None:
        super().__init__(config)
        self._up = up

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self._up.set()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def bind(port: int = 0) -> socket.socket:
    """A socket on loopback; PortTaken where the port is not free."""
    # With the protocol named, asyncio has small pieces go at once; else each may wait for 40 ms.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((HOST, port))
        bound.listen(BACKLOG)
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        raise PortTaken(error.errno, f"port {port} of {HOST}: {error.strerror}") from None
    return bound


@asynccontextmanager
async def serving(
    app: ASGIApp,
    *sockets: socket.socket,
    protocol: type[H11Protocol] = H11Protocol,
    keep_alive_s: int = 5,
) -> AsyncIterator[None]:
    """Serve an application on sockets that listen, until the block is left."""
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=keep_alive_s,
        timeout_graceful_shutdown=0,
    )
    up = asyncio.Event()
    server = _Server(config, up)
    # A task of its own: cancelled in the middle, a server would leave its connections open.
    task = asyncio.create_task(server.serve(list(sockets)))
    try:
        async with asyncio.timeout(START_S):
            await up.wait()
        yield
    finally:
        server.should_exit = True
        with anyio.CancelScope(shield=True):
            try:
                async with asyncio.timeout(END_S):
                    await task
            finally:
                for one in sockets:
                    one.close()
