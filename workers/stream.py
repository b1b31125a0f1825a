"""A connection whose both directions end on their own: non-blocking, for the event loop."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time

import anyio

CHUNK_BYTES = 64 * 1024


class Stream:
    """One connected socket; closed by whoever opened it."""

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        self._socket = connected

    async def receive(self) -> bytes:
        """What comes next; nothing when the other side has said all. OSError where it broke."""
        while True:
            try:
                return self._socket.recv(CHUNK_BYTES)
            except BlockingIOError:
                await anyio.wait_readable(self._socket)

    async def send(self, text: bytes) -> None:
        """Say all of it. OSError where the connection broke."""
        left = memoryview(text)
        while left:
            try:
                left = left[self._socket.send(left) :]
            except BlockingIOError:
                await anyio.wait_writable(self._socket)

    def finish(self) -> None:
        """Say that this was all; the other side may go on."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End both directions."""
        self._socket.close()


async def connect(address: str, port: int) -> Stream:
    """A connection to an address. OSError where nobody takes it."""
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        number = made.connect_ex((address, port))
        if number == errno.EINPROGRESS:
            await anyio.wait_writable(made)
            number = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise OSError(number, os.strerror(number))
        return Stream(made)
    except BaseException:
        made.close()
        raise


async def carry(one: Stream, other: Stream, idle_s: float) -> None:
    """Carry bytes both ways until both sides have said all, one broke, or nothing flows."""
    last = time.monotonic()

    async def one_way(source: Stream, goal: Stream) -> None:
        nonlocal last
        try:
            while chunk := await source.receive():
                await goal.send(chunk)
                last = time.monotonic()
            goal.finish()
        except OSError:
            tasks.cancel_scope.cancel()

    async def watch() -> None:
        left_s = idle_s
        while left_s > 0:
            await anyio.sleep(left_s)
            left_s = last + idle_s - time.monotonic()
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        async with anyio.create_task_group() as both:
            both.start_soon(one_way, one, other)
            both.start_soon(one_way, other, one)
        tasks.cancel_scope.cancel()
