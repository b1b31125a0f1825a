"""The one door to model providers: one HTTP client for all calls of a run.

1. Proxies, certificates and keys come from what it is given, never from the environment.
2. A redirect is an answer like any other: nothing follows it, and no key with it.
3. It tries once. Whether there is another try is for whoever counts the money.
4. Every wait is bounded: for a connection, for a place to write, for each next piece of an answer.
   The clock is the event loop's, which stands still while a laptop sleeps.
5. What broke says whether the request may have reached the provider: then it may be billed.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

import anyio

from workers.gateway.trouble import TroubleKind
from workers.wire.dialects import dialect_named

if TYPE_CHECKING:
    import httpx

    from workers.gateway.grants import Grant


CLOSE_S = 10.0


@dataclass(frozen=True)
class Waits:
    """How long each step of a call may take."""

    connect_s: float = 15.0
    first_s: float = 600.0
    """Until an answer begins: models think for minutes before they say a word."""
    silence_s: float = 180.0
    """Between two pieces of an answer."""
    whole_s: float = 1800.0
    """From the request's last byte to the answer's."""
    patience_s: float = 6 * 3600.0
    """For a provider's limit to pass."""


@dataclass(frozen=True)
class Provider:
    """Who serves models, at which address, by whose key."""

    name: str
    dialect: str
    """`anthropic` or `openai`: the name of a dialect of `workers.wire`."""
    url: str
    """As the vendor's own library takes it; with or without the version at its end."""
    key: str = field(default="", repr=False)
    """Empty: it wants none."""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Others that it wants."""
    max_output: int = 32_000
    """What a call may write where neither it nor its grant says."""
    parallel: int | None = None
    """How many calls it serves at a time; None: as many as come."""
    waits: Waits = field(default_factory=Waits)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no client may ever see."""
        return tuple(filter(None, (self.key, *(value for _, value in self.headers))))

    @property
    def credential(self) -> dict[str, str]:
        """The headers that carry its key."""
        own = dialect_named(self.dialect).key_headers(self.key) if self.key else {}
        return {**own, **dict(self.headers)}

    def address(self, path: str) -> str:
        """Where a request goes that a client sends to that path of the vendor's."""
        base = self.url.rstrip("/")
        if not dialect_named(self.dialect).base_has_version:
            return base.removesuffix("/v1") + path
        # A bare host is no base URL of that kind, but what many write.
        return base + (path.removeprefix("/v1") if urlsplit(base).path else path)


@dataclass(frozen=True)
class Outgoing:
    """A request as it leaves."""

    provider: Provider
    path: str
    headers: Mapping[str, str]
    body: bytes
    grant: Grant
    number: int
    """The how manyth call of its attempt it is, from 1."""


@dataclass(frozen=True)
class Incoming:
    """An answer as it comes."""

    status: int
    headers: list[tuple[str, str]]
    chunks: AsyncIterator[bytes]


class Broke(Exception):
    """The way to the provider broke."""

    def __init__(self, kind: TroubleKind, why: str, *, sent: bool) -> None:
        super().__init__(why)
        self.kind, self.why, self.sent = kind, why, sent


class Upstream(Protocol):
    """Where calls go."""

    def send(self, request: Outgoing) -> AbstractAsyncContextManager[Incoming]:
        """Send once; raises Broke, also while chunks are read."""


class HttpUpstream:
    """Real providers, by HTTP."""

    def __init__(self, *, secure: bool = True) -> None:
        """`secure`: a provider of it speaks TLS. To read certificates for none takes a while."""
        import httpx

        self._httpx = httpx
        self._client = httpx.AsyncClient(
            trust_env=False,
            verify=secure,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
        )
        # Anything that the client says of itself or keeps by itself is left out.
        self._client.headers.clear()

    async def __aenter__(self) -> HttpUpstream:
        return self

    async def __aexit__(self, *_: object) -> None:
        with anyio.move_on_after(CLOSE_S, shield=True):
            await self._client.aclose()

    @asynccontextmanager
    async def send(self, request: Outgoing) -> AsyncIterator[Incoming]:
        """As the protocol says."""
        waits = request.provider.waits
        timeout = self._httpx.Timeout(waits.first_s, connect=waits.connect_s, pool=waits.connect_s)
        asked = self._client.build_request(
            "POST",
            request.provider.address(request.path),
            headers=dict(request.headers),
            content=request.body,
            timeout=timeout,
        )
        try:
            response = await self._client.send(asked, stream=True)
        except (self._httpx.HTTPError, self._httpx.InvalidURL) as error:
            raise self._broke(error, request.provider.url) from None
        try:
            # Its first piece may take as long as its head; the following may not.
            yield Incoming(
                response.status_code, list(response.headers.multi_items()), self._read(response)
            )
        finally:
            self._client.cookies.clear()
            await response.aclose()

    async def _read(self, response: httpx.Response) -> AsyncIterator[bytes]:
        packed = response.headers.get("content-encoding", "identity").lower() != "identity"
        # What is not packed is taken as it comes, without the layers that could unpack it.
        chunks = response.aiter_bytes() if packed else response.stream
        assert isinstance(chunks, AsyncIterable)
        try:
            async for chunk in chunks:
                yield chunk
        except self._httpx.HTTPError as error:
            raise self._broke(error) from None

    def _broke(self, error: Exception, url: str = "") -> Broke:
        httpx = self._httpx
        match error:
            case httpx.ConnectTimeout() | httpx.PoolTimeout():
                return Broke("unreachable", "no connection in time", sent=False)
            case httpx.ConnectError() | httpx.UnsupportedProtocol() | httpx.InvalidURL():
                return Broke("unreachable", f"it cannot be reached{_at(url)}", sent=False)
            case httpx.TimeoutException():
                return Broke("silent", "it said nothing for too long", sent=True)
            case httpx.DecodingError():
                return Broke("not-json", "its answer cannot be unpacked", sent=True)
            case _:
                return Broke("broken-off", "it broke off the connection", sent=True)


def _at(url: str) -> str:
    """The host and port of an address, without whatever else is in it."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    return f" at {parts.hostname}{port}" if parts.hostname else ""
