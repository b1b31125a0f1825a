"""A server that is a child: spoken to by its input and output, through the one door for children.

1. It runs in a sandbox, is marked, and is gone with all that came from it when the block is left.
2. A message is a line. What it prints as errors is its log; the last line of it says why it ended.
3. To end it, its input is closed first: that is how a server is asked to leave.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from workers.mcp.guard import Guard, TooMuch
from workers.process import Ended, Speech, run_process
from workers.sandbox import Confinement
from workers.text import clean_line

LEAVE_S = 1.0
"""How long it may take to leave when its input is closed."""
END_S = 5.0
"""How long it may live on after it has closed its output."""
GRACE_S = 1.0
LONGEST_S = 24 * 3600.0
LOG_BYTES = 64 * 1024
_CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True)
class Program:
    """How a server is started."""

    argv: tuple[str, ...]
    tree: Path
    env: Mapping[str, str]
    mark: str
    log: Path
    secrets: Mapping[str, str]
    confinement: Confinement | None


@asynccontextmanager
async def piped(program: Program, guard: Guard) -> AsyncIterator[tuple[Any, Any]]:
    """Its streams, while it runs."""
    with contextlib.ExitStack() as held:
        theirs, to_it = _pipe(held)
        from_it, printed = _pipe(held)
        speech = Speech(theirs, printed)
        for ours in (to_it, from_it):
            os.set_blocking(ours.fileno(), False)
        incoming, read = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        written, outgoing = anyio.create_memory_object_stream[SessionMessage](0)
        gone = anyio.Event()

        async def live() -> None:
            try:
                ended = await run_process(
                    program.argv,
                    cwd=program.tree,
                    env=program.env,
                    mark=program.mark,
                    timeout_s=LONGEST_S,
                    log=program.log,
                    log_limit_bytes=LOG_BYTES,
                    grace_s=GRACE_S,
                    secrets=program.secrets,
                    confinement=program.confinement,
                    speech=speech,
                )
                guard.ended(_how(ended))
            except OSError as error:  # of the log
                guard.ended(f"it could not be started: {error.strerror}")
            finally:
                speech.close()
                gone.set()

        telling = anyio.CancelScope()

        async def tell() -> None:
            try:
                with telling:
                    await _tell(to_it.fileno(), outgoing)
            finally:
                to_it.close()  # not before nobody writes: its number may be another's by then

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(live)
            tasks.start_soon(_listen, from_it.fileno(), incoming, guard, gone)
            tasks.start_soon(tell)
            try:
                yield read, written
            finally:
                telling.cancel()
                with anyio.move_on_after(LEAVE_S):
                    await gone.wait()
                tasks.cancel_scope.cancel()
        for stream in (incoming, read, written, outgoing):
            stream.close()


def _pipe(held: contextlib.ExitStack) -> tuple[Any, Any]:
    """Both ends of a pipe, the one to read first."""
    reading, writing = os.pipe()
    ends = open(reading, "rb", buffering=0), open(writing, "wb", buffering=0)  # noqa: SIM115
    for end in ends:
        held.enter_context(end)
    return ends


async def _listen(
    source: int,
    incoming: MemoryObjectSendStream[SessionMessage | Exception],
    guard: Guard,
    gone: anyio.Event,
) -> None:
    """Take its lines until it has said all, or too much."""
    line = bytearray()
    with incoming:
        try:
            while chunk := await _read(source):
                *whole, rest = chunk.split(b"\n")
                for piece in whole:
                    line += piece
                    guard.heard(len(piece) + 1, len(line))
                    item = _parsed(bytes(line))
                    line.clear()
                    if guard.is_wanted(item):
                        await incoming.send(item)
                line += rest
                guard.heard(len(rest), len(line))
        except TooMuch as error:
            guard.end(str(error))
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass  # nobody listens any more
    # Whoever has closed its output is mostly about to end, and how it does says more.
    with anyio.move_on_after(END_S):
        await gone.wait()
    guard.ended("it closed its output")


async def _read(source: int) -> bytes:
    while True:
        try:
            return os.read(source, _CHUNK_BYTES)
        except BlockingIOError:
            await anyio.wait_readable(source)


def _parsed(line: bytes) -> SessionMessage | Exception:
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as error:
        return error


async def _tell(target: int, outgoing: MemoryObjectReceiveStream[SessionMessage]) -> None:
    """Write what is to be said, as it takes it."""
    with outgoing:
        try:
            async for said in outgoing:
                text = said.message.model_dump_json(by_alias=True, exclude_unset=True)
                left = memoryview(text.encode() + b"\n")
                while left:
                    try:
                        left = left[os.write(target, left) :]
                    except BlockingIOError:
                        await anyio.wait_writable(target)
        except (OSError, anyio.ClosedResourceError):
            return  # it is gone: what it printed last tells more


def _how(ended: Ended) -> str:
    match ended.reason:
        case "not-started":
            return f"it could not be started: {ended.why}"
        case "limit":
            return f"it was ended: {ended.why}"
        case _:
            last = clean_line(ended.why) or "exit 0"
            return f"it ended ({last})"
