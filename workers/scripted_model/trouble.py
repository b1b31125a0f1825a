"""How an answer goes out: at its pace, and with the trouble that its turn asks for."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
from uvicorn.protocols.http.h11_impl import H11Protocol

from workers.scripted_model.script import Turn
from workers.wire.dialect import Answer, Asked, Dialect, packed

BUSY = 529
"""The status that an error in the middle of a stream is worded for."""
ENDS = ("cut", "reset", "silence", "error")
"""Troubles after which nothing more of the answer comes."""
FILLER_CHARS = 64 * 1024

Ends = tuple[tuple[str, int] | None, tuple[str, int] | None]
"""The client's address and the server's, which is all that an application is told."""

_connections: dict[Ends, asyncio.Transport] = {}


class Connection(H11Protocol):
    """A connection that can be found again and broken."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Remember it."""
        super().connection_made(transport)
        _connections[self._ends] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        _connections.pop(self._ends, None)
        super().connection_lost(exc)

    @property
    def _ends(self) -> Ends:
        server = self.server
        return self.client, None if server is None else (server[0], server[1] or 0)


def reset(ends: Ends) -> None:
    """Break a connection at once: the client hears of a reset, not of an end."""
    transport = _connections.get(ends)
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def chunks(
    dialect: Dialect, asked: Asked, answer: Answer, turn: Turn, ends: Ends
) -> AsyncIterator[bytes]:
    """The answer's bytes as they go out."""
    whole = _stream(dialect, asked, answer, turn) if asked.stream else _body(dialect, answer, turn)
    for number, chunk in enumerate(whole):
        if turn.trouble in ENDS and number >= turn.after:
            break
        if number and turn.chunk_s:
            await anyio.sleep(turn.chunk_s)
        yield _broken(chunk) if turn.trouble == "broken" and number == turn.after else chunk
    match turn.trouble:
        case "reset":
            await anyio.sleep(0.05)  # what went before shall arrive
            reset(ends)
        case "silence":
            await anyio.sleep(turn.silence_s)
        case "error":
            message = turn.message or "Overloaded"
            yield (
                dialect.fault_event(BUSY, message)
                if asked.stream
                else packed(dialect.fault(BUSY, message)).encode()
            )


def _broken(chunk: bytes) -> bytes:
    """A chunk that stays an event of its stream, or a part of its body, but is no JSON."""
    return chunk[: len(chunk) // 2] + (b"\n\n" if chunk.endswith(b"\n\n") else b'"{')


def _stream(dialect: Dialect, asked: Asked, answer: Answer, turn: Turn) -> Iterator[bytes]:
    piece = FILLER_CHARS if turn.trouble == "huge" else turn.chunk_chars
    return dialect.events(answer, asked, piece)


def _body(dialect: Dialect, answer: Answer, turn: Turn) -> Iterator[bytes]:
    body: Any = packed(dialect.body(answer)).encode("utf-8", "surrogatepass")
    size = turn.chunk_chars if turn.chunk_s or turn.trouble else len(body)
    size = FILLER_CHARS if turn.trouble == "huge" else size
    return (body[start : start + size] for start in range(0, len(body), size))
