"""The gateway: a local reverse proxy that every model call of a run passes through.

1. It listens on 127.0.0.1, at a port of its own, and on a unix socket that relays of sandboxes lead
   to. Whoever has a key that is open may call what its grant says; nobody else anything.
2. Real keys stay in this process: in the headers of requests to their own provider.
3. To close a grant ends its calls in order: each is settled, and its client told.
4. It leaves nothing: no task, no socket, no key.
5. A defect in here is raised where the gateway was entered, not swallowed by a server.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio

from workers.gateway.bill import House
from workers.gateway.call import Exchange
from workers.gateway.client import Client, ClientGone
from workers.gateway.grants import Access, Grant, Keys, Told
from workers.gateway.pacing import Pacer
from workers.gateway.prices import Prices
from workers.gateway.record import Recorder
from workers.gateway.till import Till
from workers.gateway.upstream import HttpUpstream, Provider, Upstream
from workers.proxy import PATH_BYTES, make_socket_folder
from workers.redact import Redactor
from workers.wire.dialect import Dialect
from workers.wire.dialects import DIALECTS, dialect_of

REQUEST_BYTES = 32 * 1024 * 1024
"""What vendors take."""
READ_S = 60.0
"""How long a client may take to say what it wants."""
END_S = 20.0
"""How long calls may take to end when a grant is closed."""
HOST = "127.0.0.1"
KEEP_ALIVE_S = 75
"""Longer than clients keep a connection that they do not use: who closes first must be them, or
a call meets the end of its connection."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Gateway:
    """Made and entered by `open_gateway`."""

    def __init__(
        self,
        providers: Iterable[Provider],
        prices: Prices,
        till: Till,
        pacer: Pacer,
        upstream: Upstream,
        recorder: Recorder | None = None,
    ) -> None:
        self._providers = {provider.name: provider for provider in providers}
        self._keys = Keys()
        self._house = House(
            prices=prices,
            till=till,
            pacer=pacer,
            upstream=upstream,
            recorder=recorder,
            redactor=redactor_of(self._providers.values()),
        )
        self.url = ""
        """Where it listens, without a path: what vendors' libraries call a base URL, but that
        some want `/v1` behind it."""
        self.socket: Path | None = None
        """Where relays of sandboxes lead to."""
        self.defect: BaseException | None = None

    def open(self, grant: Grant, told: Told | None = None) -> Access:
        """A key for an attempt; KeyError where its provider is not known."""
        if grant.provider not in self._providers:
            raise KeyError(grant.provider)
        return self._keys.open(grant, told or Told())

    async def close(self, access: Access) -> None:
        """The attempt has ended: its key is dead, and its calls end in order."""
        self._keys.close(access.key)
        with anyio.move_on_after(END_S):
            await access.end_calls()

    async def close_all(self) -> None:
        """Every attempt has ended."""
        for access in self._keys:
            await self.close(access)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as ASGI has it."""
        headers = [
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
        ]
        named = {name.lower(): value for name, value in headers}
        path = str(scope["path"])
        dialect = dialect_of(path) or _guess(named)
        client = Client(dialect, send)
        key = next(filter(None, (one.key(named) for one in DIALECTS)), None)
        access = self._keys.find(key) if key else None
        try:
            if access is None:
                await client.fail(401, "orch: this key is not valid, or not any more")
            elif scope["method"] == "GET" and path.rstrip("/").endswith("/models"):
                await client.models(access.grant.models)
            elif scope["method"] != "POST" or dialect_of(path) is None:
                await client.fail(404, f"orch: the gateway has nothing at {path[:200]}")
            else:
                await self._serve_call(access, client, path, headers, receive)
        except ClientGone:
            pass
        except Exception as defect:
            self.defect = self.defect or defect
            if not client.began:
                await client.fail(500, "orch: the gateway failed; the run says how")

    async def _serve_call(
        self,
        access: Access,
        client: Client,
        path: str,
        headers: list[tuple[str, str]],
        receive: Receive,
    ) -> None:
        body = await _body(receive)
        if body is None:
            await client.fail(
                413, f"orch: a request may have {REQUEST_BYTES:,} bytes, in {READ_S:.0f} s"
            )
            return
        provider = self._providers[access.grant.provider]
        exchange = Exchange(self._house, access, provider, client)
        defect: Exception | None = None
        with access.under_way() as call:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_watch, receive, call)
                try:
                    await exchange.serve(path, headers, body)
                except Exception as error:  # out of here it would come as one of a group
                    defect = error
                tasks.cancel_scope.cancel()
        if defect is not None:
            raise defect
        if call.cancelled_caught and access.ended is not None:
            with anyio.move_on_after(END_S):
                await client.fail(401, "orch: the attempt has ended")


@contextlib.asynccontextmanager
async def open_gateway(
    providers: Iterable[Provider],
    *,
    till: Till,
    prices: Prices | None = None,
    pacer: Pacer | None = None,
    socket_path: Path | None = None,
    upstream: Upstream | None = None,
    recorder: Recorder | None = None,
) -> AsyncIterator[Gateway]:
    """A gateway that listens. Without an upstream it goes to the providers themselves."""
    from workers.loopback import bind, serving

    async with contextlib.AsyncExitStack() as held:
        providers = tuple(providers)
        if upstream is None:
            secure = any(urlsplit(one.url).scheme != "http" for one in providers)
            upstream = await held.enter_async_context(HttpUpstream(secure=secure))
        gateway = Gateway(
            providers, prices or Prices(), till, pacer or Pacer(None), upstream, recorder
        )
        sockets = [bind()]
        held.callback(sockets[0].close)
        gateway.url = f"http://{HOST}:{sockets[0].getsockname()[1]}"
        if socket_path is not None:
            sockets.append(_unix(socket_path))
            held.callback(socket_path.unlink, missing_ok=True)
            held.callback(sockets[1].close)
            gateway.socket = socket_path
        await held.enter_async_context(serving(gateway, *sockets, keep_alive_s=KEEP_ALIVE_S))
        try:
            yield gateway
        finally:
            with anyio.CancelScope(shield=True):
                await gateway.close_all()
    if gateway.defect is not None:
        raise gateway.defect


def redactor_of(providers: Iterable[Provider]) -> Redactor:
    """Hides the providers' keys, and whatever looks like one."""
    named = {
        f"{provider.name} ({number})": secret
        for provider in providers
        for number, secret in enumerate(provider.secrets)
    }
    return Redactor(named)


def _unix(path: Path) -> socket.socket:
    """A socket for this user only. OSError where it cannot be made."""
    make_socket_folder(path.parent)
    if len(bytes(path)) > PATH_BYTES:
        raise OSError(f"{path} is too long for a socket: set XDG_RUNTIME_DIR to a shorter folder")
    listening = socket.socket(socket.AF_UNIX)
    try:
        listening.bind(bytes(path))
        path.chmod(0o600)
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    return listening


def _guess(headers: dict[str, str]) -> Dialect:
    """The dialect of who asks at a path that is none's."""
    name = "anthropic" if "anthropic-version" in headers or "x-api-key" in headers else "openai"
    return next(dialect for dialect in DIALECTS if dialect.name == name)


async def _body(receive: Receive) -> bytes | None:
    """A request's body; None where it is too large or too slow."""
    parts, size = [], 0
    with anyio.move_on_after(READ_S):
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            part = message.get("body", b"")
            size += len(part)
            if size > REQUEST_BYTES:
                return None
            parts.append(part)
            if not message.get("more_body"):
                return b"".join(parts)
    return None


async def _watch(receive: Receive, call: anyio.CancelScope) -> None:
    """End a call whose client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    call.cancel()
