"""The way out of a sandbox that may reach some hosts: a small HTTP proxy on this side of it.

1. It is of one child, on a unix socket that only this child's sandbox can see, and has that
   child's allowance (`workers.reach`). It ends with the child.
2. It takes CONNECT, and requests with a whole address (`GET http://host/...`), one a connection.
   The host of the address is the one that is reached and named onwards, whatever the headers say.
3. Names are looked up here, once; what is connected to is the address that was looked at.
4. What is refused is answered with 403 and how to allow it, and told once for each host.
5. Connections, the size of a request's head and every wait are bounded. What does not fit waits.
6. Beside it stand doors that lead to one port of this machine's loopback each, where settings name
   such a port.
7. It reads no further than the head of a request, and records nothing.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import socket
import stat
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import anyio

from workers.reach import Reach, parse_target, render_target
from workers.stream import Stream, carry, connect

CONNECTIONS = 48
"""At a time; as many again wait at the socket."""
HEAD_BYTES = 64 * 1024
HEAD_S = 20.0
CONNECT_S = 20.0
IDLE_S = 900.0
"""How long nothing at all may flow: models think for minutes before they say a word."""
PATH_BYTES = 100
"""A socket's path has room for 107 bytes."""
Answer = Callable[[Stream], Awaitable[None]]

_HOP = (b"proxy-connection", b"proxy-authorization", b"connection", b"keep-alive", b"host", b"te")
_PLAIN = "".join(map(chr, range(0x20, 0x7F)))


async def look_up(name: str, port: int) -> tuple[str, ...]:
    """The addresses that this machine finds for a name."""
    found = await anyio.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def socket_folders(environ: Mapping[str, str], name: str) -> tuple[Path, ...]:
    """Where the sockets of a run may lie, the best first: short paths, found again by its name."""
    own = environ.get("XDG_RUNTIME_DIR", "")
    places = [own] if own.startswith("/") and len(os.fsencode(own)) < 50 else []
    places += [f"/run/user/{os.geteuid()}", "/tmp"]
    return tuple(dict.fromkeys(Path(place, f"orch-{name}") for place in places))


def socket_folder(environ: Mapping[str, str], name: str) -> Path:
    """Where the sockets of a run are to lie."""
    folders = socket_folders(environ, name)
    usable = (folder for folder in folders if os.access(folder.parent, os.W_OK | os.X_OK))
    return next(usable, folders[-1])


def make_socket_folder(folder: Path) -> None:
    """Make it for this user's eyes only; OSError where somebody else has it."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        hint = "remove it, or set XDG_RUNTIME_DIR to a folder of your own"
        raise OSError(errno.EPERM, f"{folder} is not this user's own folder: {hint}")


def remove_socket_folder(folder: Path) -> None:
    """Remove it with what a killed engine left in it."""
    with contextlib.suppress(OSError):
        if folder.is_symlink() or folder.lstat().st_uid != os.geteuid():
            return
        for left in folder.iterdir():
            left.unlink()
        folder.rmdir()


class Door:
    """A socket of one child's; made by `open_door`, served until cancelled, closed by its maker."""

    def __init__(self, path: Path, listening: socket.socket, answer: Answer) -> None:
        self.path = path
        self._listening, self._answer = listening, answer

    async def serve(self) -> None:
        """Serve until cancelled."""
        room = anyio.Semaphore(CONNECTIONS)
        async with anyio.create_task_group() as tasks:
            while True:
                await room.acquire()
                tasks.start_soon(self._serve_one, await self._accepted(), room)

    def close(self) -> None:
        """Take the socket away."""
        self._listening.close()
        self.path.unlink(missing_ok=True)

    async def _accepted(self) -> Stream:
        while True:
            try:
                return Stream(self._listening.accept()[0])
            except BlockingIOError:
                await anyio.wait_readable(self._listening)
            except OSError:
                # No descriptor is left: those who have one give it back some time.
                await anyio.sleep(0.1)

    async def _serve_one(self, client: Stream, room: anyio.Semaphore) -> None:
        try:
            await self._answer(client)
        except OSError:
            pass  # its end, not ours
        finally:
            client.close()
            room.release()


def open_door(folder: Path, answer: Answer) -> Door:
    """A door whose socket is there. OSError where it cannot be made."""
    make_socket_folder(folder)
    path = folder / secrets.token_hex(4)
    if len(os.fsencode(path)) > PATH_BYTES:
        raise OSError(errno.ENAMETOOLONG, "its path is too long for a socket", str(path))
    listening = socket.socket(socket.AF_UNIX)
    try:
        listening.setblocking(False)
        listening.bind(os.fsencode(path))
        path.chmod(0o600)
        listening.listen(128)
    except BaseException:
        listening.close()
        raise
    return Door(path, listening, answer)


def lead_to(port: int) -> Answer:
    """An answer that leads to a port of this machine's loopback, whatever is said."""

    async def answer(client: Stream) -> None:
        server = await _first_of(("127.0.0.1", "::1"), port)
        try:
            await carry(client, server, IDLE_S)
        finally:
            server.close()

    return answer


class Proxy:
    """The answers of one child's proxy."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._told: set[tuple[str, int]] = set()

    async def answer(self, client: Stream) -> None:
        """Serve one connection."""
        head = b""
        with anyio.move_on_after(HEAD_S) as waiting:
            while b"\r\n\r\n" not in head and len(head) < HEAD_BYTES:
                if not (chunk := await client.receive()):
                    return
                head += chunk
        if waiting.cancelled_caught:
            return
        head, end, more = head.partition(b"\r\n\r\n")
        request = parse_head(head) if end else "the head of the request is too long"
        if isinstance(request, str):
            await _say(client, 400, request)
            return
        server = await self._connected(client, request)
        if server is None:
            return
        try:
            if not request.onwards:
                await client.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await server.send(request.onwards + more)
            await carry(client, server, IDLE_S)
        finally:
            server.close()

    async def _connected(self, client: Stream, request: Request) -> Stream | None:
        """The host that is asked for; None where the client has been told why not."""
        name, port = request.name, request.port
        target, allowance = render_target(name, port), self._reach.allowance
        if not allowance.allows(name, port):
            self._tell(name, port)
            await _say(client, 403, f"orch: {target} is not allowed here; {self._reach.how}")
            return None
        try:
            with anyio.fail_after(CONNECT_S):
                addresses = tuple(await (self._reach.resolve or look_up)(name, port))
            allowed = [one for one in addresses if allowance.allows_address(one, port)]
            if addresses and not allowed:
                why = f"orch: {target} leads to {addresses[0]}, which is no public address"
                await _say(client, 403, f"{why}; where that is meant, allow the address too")
                return None
            return await _first_of(allowed, port)
        except TimeoutError:
            await _say(client, 504, f"orch: {target} does not answer")
        except OSError as error:
            await _say(client, 502, f"orch: {target} is not reached: {error.strerror or error}")
        return None

    def _tell(self, name: str, port: int) -> None:
        if (name, port) not in self._told:
            self._told.add((name, port))
            self._reach.refused(render_target(name, port))


async def _first_of(addresses: Sequence[str], port: int) -> Stream:
    """A connection to the first address that answers."""
    last = OSError(errno.EHOSTUNREACH, "it has no address")
    for address in addresses:
        try:
            with anyio.fail_after(CONNECT_S / len(addresses)):
                return await connect(address, port)
        except OSError as error:
            last = error
    raise last


# --- what is said -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Request:
    """What a client asks for."""

    name: str
    port: int
    onwards: bytes = b""
    """The head to send to the host; empty for CONNECT."""


def parse_head(head: bytes) -> Request | str:
    """The request that a head makes, or what is wrong with it. Pure."""
    first, *headers = head.split(b"\r\n")
    parts = first.split(b" ")
    if len(parts) != 3 or not parts[2].startswith(b"HTTP/1.") or not parts[1].isascii():
        return "this is no request of HTTP/1"
    method, target = parts[0], parts[1].decode("ascii")
    if method == b"CONNECT":
        found = parse_target(target)
        return Request(*found) if found else "CONNECT wants a host and a port"
    if not target.lower().startswith("http://"):
        return "this is a proxy: it wants whole addresses, http://host/..., or CONNECT"
    try:
        url = urlsplit(target)
    except ValueError:
        return "the address cannot be read"
    found = parse_target(url.netloc, 80)
    if found is None:
        return "the address has no plain host"
    path = target.split("/", 3)[3] if target.count("/") > 2 else ""
    # One request a connection: a second one on it could be meant for another host.
    kept = [line for line in headers if line.partition(b":")[0].strip().lower() not in _HOP]
    lines = (
        b"%s /%s %s" % (method, path.partition("#")[0].encode(), parts[2]),
        b"Host: " + url.netloc.encode("ascii"),
        *kept,
        b"Connection: close",
    )
    return Request(*found, b"\r\n".join(lines) + b"\r\n\r\n")


async def _say(client: Stream, status: int, why: str) -> None:
    """An answer whose reason stands where clients show it: in its first line, and in its body."""
    text = "".join(char for char in why if char in _PLAIN)[:500]
    body = f"{text}\n"
    head = f"HTTP/1.1 {status} {text}\r\nContent-Type: text/plain\r\nConnection: close\r\n"
    with anyio.move_on_after(HEAD_S):
        await client.send(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode("ascii"))
