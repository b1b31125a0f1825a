"""The side of the gateway that a client sees: one answer, begun once and ended once.

1. An answer ends in order, or its connection is cut: a client never takes a part for a whole.
2. What orch answers by itself is in the words of the client's dialect, and says that trying again
   is of no use: there is one place for that, and it was tried there.
3. A client that does not take what it asked for is let go.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from typing import Any

import anyio

from workers.wire.dialect import Dialect

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
TAKE_S = 120.0


class ClientGone(Exception):
    """It does not listen any more."""


class Client:
    """Who asked, and what it was answered so far."""

    def __init__(self, dialect: Dialect, send: Send) -> None:
        self.dialect = dialect
        self.began = False
        self.ended = False
        self._send = send

    async def begin(self, status: int, headers: Iterable[tuple[str, str]]) -> None:
        """The head of an answer."""
        self.began = True
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        await self._take({"type": "http.response.start", "status": status, "headers": raw})

    async def write(self, chunk: bytes) -> None:
        """The next piece of it; whoever sends pieces bounds how long they may take."""
        if chunk:
            await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def end(self) -> None:
        """The answer is whole."""
        self.ended = True
        await self._take({"type": "http.response.body", "body": b""})

    async def whole(self, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        """An answer in one piece."""
        await self.begin(status, [*headers, ("content-length", str(len(body)))])
        self.ended = True
        await self._take({"type": "http.response.body", "body": body})

    async def fail(self, status: int, why: str, *, kind: str = "") -> None:
        """Say that nothing, or nothing more, will come."""
        if self.ended:
            return
        if self.began:
            # What was sent cannot be taken back. It says so, and the connection is cut.
            with anyio.move_on_after(TAKE_S):
                await self.write(self.dialect.fault_event(status, why))
            return
        body = json.dumps(self.dialect.fault(status, why, kind=kind)).encode()
        headers = [("content-type", "application/json"), ("x-should-retry", "false")]
        await self.whole(status, headers, body)

    async def models(self, names: Sequence[str]) -> None:
        """Which models there are, for a client that asks."""
        body = json.dumps(self.dialect.models(names)).encode()
        await self.whole(200, [("content-type", "application/json")], body)

    async def _take(self, message: MutableMapping[str, Any]) -> None:
        with anyio.move_on_after(TAKE_S) as waiting:
            await self._send(message)
        if waiting.cancelled_caught:
            raise ClientGone
