"""The way out of a sandbox, seen from within: asked over its socket, with real servers behind."""

import os
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.abc
import pytest

from workers import proxy
from workers.proxy import (
    Proxy,
    lead_to,
    make_socket_folder,
    open_door,
    remove_socket_folder,
    socket_folder,
)
from workers.reach import Reach, allowance_of

HERE = {"a.test": "127.0.0.1"}
Handler = Callable[[anyio.abc.SocketStream], Awaitable[None]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[int]:
    """A server on loopback; its port."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, handler)
        yield listener.extra(anyio.abc.SocketAttribute.local_port)
        tasks.cancel_scope.cancel()


async def web(client: anyio.abc.SocketStream) -> None:
    """Answers each request with what it was sent, and closes."""
    async with client:
        text = b""
        while b"\r\n\r\n" not in text:
            text += await client.receive()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n\r\n".encode()
        await client.send(head + text)


async def echo(client: anyio.abc.SocketStream) -> None:
    """Says what it hears, and goodbye when it hears no more."""
    async with client:
        async for chunk in client:
            await client.send(chunk)
        await client.send(b"goodbye")


class Asked:
    """A proxy for some hosts, and what it told of others."""

    def __init__(self, folder: Path, *hosts: str, names: dict[str, str] | None = None) -> None:
        self.refused: list[str] = []
        self.looked_up: list[str] = []
        self._names = names or {}
        self.reach = Reach(
            allowance_of(hosts), folder / "s", "ask", self.refused.append, self._resolve
        )

    async def _resolve(self, name: str, port: int) -> tuple[str, ...]:
        self.looked_up.append(name)
        if name not in self._names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return (self._names[name],)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Path]:
        door = open_door(self.reach.sockets, Proxy(self.reach).answer)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(door.serve)
                yield door.path
                tasks.cancel_scope.cancel()
        finally:
            door.close()


async def say(path: Path, text: bytes, *, finish: bool = False) -> bytes:
    """All that is answered to that."""
    with anyio.fail_after(20):
        async with await anyio.connect_unix(path) as stream:
            await stream.send(text)
            if finish:
                await stream.send_eof()
            said = b""
            try:
                async for chunk in stream:
                    said += chunk
            except anyio.BrokenResourceError:
                pass
            return said


def connect(target: str, then: bytes = b"") -> bytes:
    return f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode() + then


async def test_connect_carries_bytes_both_ways_to_the_last(tmp_path: Path) -> None:
    async with serving(echo) as port:
        asked = Asked(
            tmp_path, f"a.test:{port}", f"127.0.0.1:{port}", names={"a.test": "127.0.0.1"}
        )
        async with asked.open() as path:
            said = await say(path, connect(f"a.test:{port}", b"hello"), finish=True)
    assert said == b"HTTP/1.1 200 Connection established\r\n\r\nhellogoodbye"
    assert asked.refused == []


async def test_a_plain_request_names_the_host_that_it_asks_for(tmp_path: Path) -> None:
    async with serving(web) as port:
        asked = Asked(
            tmp_path, f"a.test:{port}", f"127.0.0.1:{port}", names={"a.test": "127.0.0.1"}
        )
        async with asked.open() as path:
            head = f"GET http://A.test:{port}/x?y=1#z HTTP/1.1\r\nHost: other.test\r\nX-A: 1\r\n"
            head += "Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\n"
            said = await say(path, f"{head}Connection: keep-alive\r\n\r\n".encode())
    _, _, seen = said.partition(b"\r\n\r\n")
    assert seen.decode() == (
        f"GET /x?y=1 HTTP/1.1\r\nHost: A.test:{port}\r\nX-A: 1\r\nConnection: close\r\n\r\n"
    )


async def test_other_hosts_and_ports_are_refused_and_told_once(tmp_path: Path) -> None:
    asked = Asked(tmp_path, "a.test", "*.b.test", names=dict.fromkeys(("c.test",), "192.0.2.1"))
    async with asked.open() as path:
        for target in ("c.test:443", "c.test:443", "a.test:22", "b.test:443", "xb.test:443"):
            said = await say(path, connect(target))
            assert said.startswith(f"HTTP/1.1 403 orch: {target} is not allowed here; ask".encode())
        said = await say(path, b"GET http://c.test/ HTTP/1.1\r\n\r\n")
        assert said.startswith(b"HTTP/1.1 403 ") and b"\r\n\r\norch: c.test:80 is not" in said
    assert asked.refused == ["c.test:443", "a.test:22", "b.test:443", "xb.test:443", "c.test:80"]
    assert asked.looked_up == [], "a name that is not allowed is not even looked up"


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "0.0.0.0"])
async def test_an_allowed_name_cannot_be_turned_inwards(tmp_path: Path, address: str) -> None:
    heard = []

    async def listen(client: anyio.abc.SocketStream) -> None:
        heard.append(client)
        await client.aclose()

    async with serving(listen) as port:
        asked = Asked(tmp_path, f"a.test:{port}", names={"a.test": address})
        async with asked.open() as path:
            said = await say(path, connect(f"a.test:{port}"))
    assert said.startswith(f"HTTP/1.1 403 orch: a.test:{port} leads to {address}".encode())
    assert heard == []


async def test_what_cannot_be_reached_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as once:
        port = once.getsockname()[1]
    hosts = (f"a.test:{port}", f"127.0.0.1:{port}", "gone.test")
    asked = Asked(tmp_path, *hosts, names=HERE)
    async with asked.open() as path:
        closed = await say(path, connect(f"a.test:{port}"))
        unknown = await say(path, connect("gone.test:443"))
    assert closed.startswith(b"HTTP/1.1 502 ") and unknown.startswith(b"HTTP/1.1 502 ")
    assert b"Name or service not known" in unknown


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"GET https://a.test/ HTTP/1.1\r\n\r\n",
        b"GET http://u:p@a.test/ HTTP/1.1\r\n\r\n",
        b"GET http:///etc/passwd HTTP/1.1\r\n\r\n",
        b"GET http://[::1/ HTTP/1.1\r\n\r\n",
        b"CONNECT a.test HTTP/1.1\r\n\r\n",
        b"CONNECT a.test:443 extra HTTP/1.1\r\n\r\n",
        b"CONNECT a.test:99999 HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\r\n\r\n",
        b"\r\n\r\n",
        b"GET http://\xff/ HTTP/1.1\r\n\r\n",
        b"GET http://a.test/" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
async def test_what_is_no_request_is_answered_as_such(tmp_path: Path, head: bytes) -> None:
    asked = Asked(tmp_path, "a.test")
    async with asked.open() as path:
        assert (await say(path, head)).startswith(b"HTTP/1.1 400 ")
    assert asked.looked_up == []


async def test_who_says_nothing_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy, "HEAD_S", 0.2)
    asked = Asked(tmp_path, "a.test")
    async with asked.open() as path:
        assert await say(path, b"CONNECT a.te") == b""
        assert await say(path, b"CONNECT a.te", finish=True) == b""


async def test_a_connection_on_which_nothing_flows_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy, "IDLE_S", 0.3)
    async with serving(echo) as port:
        asked = Asked(
            tmp_path, f"a.test:{port}", f"127.0.0.1:{port}", names={"a.test": "127.0.0.1"}
        )
        async with asked.open() as path:
            said = await say(path, connect(f"a.test:{port}", b"hello"))
    assert said.endswith(b"\r\n\r\nhello")


async def test_a_flood_waits_and_everyone_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy, "CONNECTIONS", 8)
    at_once = most = 0

    async def slow(client: anyio.abc.SocketStream) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await anyio.sleep(0.005)
        await echo(client)
        at_once -= 1

    async with serving(slow) as port:
        asked = Asked(
            tmp_path, f"a.test:{port}", f"127.0.0.1:{port}", names={"a.test": "127.0.0.1"}
        )
        said: list[bytes] = []
        async with asked.open() as path, anyio.create_task_group() as tasks:

            async def one(number: int) -> None:
                word = f"word {number};".encode()
                said.append(await say(path, connect(f"a.test:{port}", word), finish=True))

            for number in range(100):
                tasks.start_soon(one, number)
    assert len(said) == 100 and all(text.endswith(b"goodbye") for text in said)
    assert most <= 8


async def test_a_port_of_this_machine_stands_beside_the_proxy(tmp_path: Path) -> None:
    async with serving(echo) as port:
        door = open_door(tmp_path / "s", lead_to(port))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(door.serve)
            assert await say(door.path, b"hello", finish=True) == b"hellogoodbye"
            tasks.cancel_scope.cancel()
        door.close()
    assert list((tmp_path / "s").iterdir()) == []


async def test_its_socket_is_this_users_alone_and_goes(tmp_path: Path) -> None:
    asked = Asked(tmp_path, "a.test")
    async with asked.open() as path:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not path.exists()
    (asked.reach.sockets / "left-by-a-crash").write_text("")
    remove_socket_folder(asked.reach.sockets)
    remove_socket_folder(asked.reach.sockets)
    assert not asked.reach.sockets.exists()


def test_a_folder_that_others_made_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "file").write_text("x")
    (tmp_path / "file").chmod(0o600)
    for name in ("open", "link", "file"):
        with pytest.raises(OSError, match="not this user's own"):
            make_socket_folder(tmp_path / name)
    remove_socket_folder(tmp_path / "link")
    assert (tmp_path / "file").exists()


def test_where_sockets_lie_is_short_and_found_again(tmp_path: Path) -> None:
    usual = socket_folder({}, "abc")
    assert usual in (Path(f"/run/user/{os.geteuid()}/orch-abc"), Path("/tmp/orch-abc"))
    assert socket_folder({"XDG_RUNTIME_DIR": "/nonexistent"}, "abc") == usual
    assert socket_folder({"XDG_RUNTIME_DIR": "/" + "x" * 90}, "abc") == usual
    assert socket_folder({"XDG_RUNTIME_DIR": "/var/tmp"}, "abc") == Path("/var/tmp/orch-abc")
