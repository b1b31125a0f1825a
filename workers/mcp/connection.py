"""One connected server: greeted, its tools listed, its tools called.

1. It lives in a task of its own, from the greeting to the end; whoever calls waits for it.
2. Nothing is offered to a server: no sampling, no questions to a person, no folders, no logs.
3. A start and a call are bounded in time. A call that takes too long ends the connection, since
   nobody knows what it is still at.
4. What it says of its tools is a hint, never held against what they answer: a schema of another's
   may be made to take for ever.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import anyio
from mcp import Client, MCPError
from mcp_types import (
    CONNECTION_CLOSED,
    UNSUPPORTED_PROTOCOL_VERSION,
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    Implementation,
    InputRequiredResult,
    PaginatedRequestParams,
)
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS
from pydantic import TypeAdapter, ValidationError

from workers.mcp.catalogue import Listed
from workers.mcp.guard import Guard
from workers.text import clean_line

PAGES = 20
TOOLS = 2_000
"""How many tools are looked at; more are not."""
NAME_CHARS = 128
"""As the protocol has it; a longer name is none."""
WHY_CHARS = 16_000
"""Of why it is over. Whoever tells of it hides secrets first and cuts then: half of one is found by
nobody."""
END_S = 5.0
GONE_S = 15.0
"""How long the end of a server may take: its goodbye, SIGTERM, SIGKILL."""

_RESULT: TypeAdapter[CallToolResult | InputRequiredResult] = TypeAdapter(
    CallToolResult | InputRequiredResult
)
_CLOSED, _BROKEN = "Connection closed", "SSE stream "
"""What the library says where a server hung up, and where the answer to one request did."""
_TEXT: TypeAdapter[Any] = TypeAdapter(Any)
# The library tells its logger of whatever a server does wrong, with what it said.
logging.getLogger("mcp").setLevel(logging.CRITICAL + 1)

Transport = Callable[[Guard], AbstractAsyncContextManager[tuple[Any, Any]]]


class Lost(Exception):
    """The server is not there any more, or never was; the message says why."""


class Refused(Exception):
    """The server, or a tool of it, says that it cannot be done; the message is its own."""


@dataclass(frozen=True)
class Answer:
    """What a tool said."""

    text: str
    failed: bool
    """By its own word."""

    @property
    def size_bytes(self) -> int:
        return len(self.text.encode("utf-8", "replace"))


class Connection:
    """A server that is spoken to, or was."""

    def __init__(self, transport: Transport, timeout_s: float) -> None:
        self.tools: tuple[Listed, ...] = ()
        self.why = ""
        """Why it is over."""
        self.ready = anyio.Event()
        """It was greeted, or that has failed."""
        self.gone = anyio.Event()
        self._transport, self._timeout_s = transport, timeout_s
        self._guard = Guard()
        self._scope = anyio.CancelScope()
        self._client: Client | None = None

    async def live(self) -> None:
        """Keep it up until it is over."""
        scope, guard = self._scope, self._guard
        scope.deadline = anyio.current_time() + self._timeout_s
        failed: BaseException | None = None
        try:
            with scope:
                about = Implementation(name="orch", version="1")
                transport = self._transport(guard)
                async with Client(transport, cache=None, client_info=about) as client:
                    self.tools = await self._list(client)
                    self._client = client
                    scope.deadline = math.inf
                    self.ready.set()
                    await guard.over.wait()
                    self._client = None
                    scope.deadline = anyio.current_time() + END_S
        except Exception as error:
            failed = error
        finally:
            self._client = None
            said = _why(failed) if failed is not None and not _is_closed(failed) else ""
            if failed is None and not self.ready.is_set():
                said = f"it did not answer within {self._timeout_s:g} s"
            self.why = self.why or guard.why or said or guard.how or "it hung up"
            self.ready.set()
            self.gone.set()

    def dismiss(self) -> None:
        """Let it go; it is given a moment to leave."""
        self._guard.ended("it was let go")
        if not self.ready.is_set():
            self._scope.cancel()

    def cut(self, why: str) -> None:
        """End it at once."""
        self.why = self.why or why
        self._scope.cancel()

    async def _list(self, client: Client) -> tuple[Listed, ...]:
        found: list[Listed] = []
        cursor: str | None = None
        for _ in range(PAGES):
            self._guard.asked()
            page = await client.session.list_tools(params=PaginatedRequestParams(cursor=cursor))
            found += [
                Listed(
                    tool.name,
                    tool.description or tool.title or "",
                    tool.input_schema,
                    bool(tool.annotations and tool.annotations.read_only_hint),
                )
                for tool in page.tools
                if len(tool.name) <= NAME_CHARS and tool.name.isprintable()
            ]
            cursor = page.next_cursor
            if cursor is None or len(found) > TOOLS:
                break
        return tuple(found[:TOOLS])

    async def call(self, tool: str, arguments: dict[str, Any], timeout_s: float) -> Answer:
        """What a tool says; Refused, Lost."""
        client = self._client
        if client is None:
            raise Lost(self.why or "it is gone")
        request = CallToolRequest(params=CallToolRequestParams(name=tool, arguments=arguments))
        said: CallToolResult | InputRequiredResult | None = None
        failed: Exception | None = None

        async def limit() -> None:
            await anyio.sleep(timeout_s)
            self.cut(f"it did not answer within {timeout_s:g} s")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(limit)
            self._guard.asked()
            try:
                said = await client.session.send_request(request, _RESULT)
            except Exception as error:  # whatever a server may make of the library
                failed = error
            tasks.cancel_scope.cancel()
        if self._guard.over.is_set() or self._scope.cancel_called or _is_closed(failed):
            if isinstance(failed, MCPError) and failed.message.startswith(_BROKEN):
                self.cut("its answer broke off")  # the one of a call: nothing else ends
            await self._until_gone()
            if said is None:
                raise Lost(self.why or "it is gone")
        if isinstance(failed, MCPError):
            raise Refused(failed.message or f"error {failed.code}") from None
        if failed is not None:
            raise Refused(f"its answer makes no sense: {_why(failed)}") from None
        if not isinstance(said, CallToolResult):
            raise Refused("it asks for something in return, and orch gives servers nothing")
        return Answer(_text_of(said), said.is_error)

    async def _until_gone(self) -> None:
        """Wait until it is known why it is over; whatever is not over by itself is ended."""
        with anyio.move_on_after(GONE_S):
            await self.gone.wait()
            return
        self.cut("it hung up")
        with anyio.move_on_after(GONE_S):
            await self.gone.wait()


def _is_closed(failed: BaseException | None) -> bool:
    """Whether the library says that no answer can come; servers use its code for their errors."""
    first = _first(failed) if failed is not None else None
    return (
        isinstance(first, MCPError)
        and first.code == CONNECTION_CLOSED
        and (first.message == _CLOSED or first.message.startswith(_BROKEN))
    )


def _first(error: BaseException) -> BaseException:
    """The error, or the first of a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _text_of(said: CallToolResult) -> str:
    parts: list[str] = []
    for block in said.content:
        match block.type:
            case "text":
                parts.append(block.text)
            case "image" | "audio":
                parts.append(f"[{block.type}, {block.mime_type}, {len(block.data):,} characters]")
            case "resource_link":
                parts.append(f"[{block.name}: {block.uri}]")
            case "resource":
                text = getattr(block.resource, "text", None)
                parts.append(text if isinstance(text, str) else f"[data of {block.resource.uri}]")
    if not parts and said.structured_content is not None:
        parts.append(_TEXT.dump_json(said.structured_content, fallback=str).decode())
    return "\n".join(parts)


def _why(error: BaseException) -> str:
    """What went wrong, in a line."""
    error = _first(error)
    if isinstance(error, MCPError) and error.code == UNSUPPORTED_PROTOCOL_VERSION:
        return f"it speaks another protocol version ({_spoken()})"
    if isinstance(error, MCPError):
        return f"it refused to begin: {_line(error)}"
    if isinstance(error, RuntimeError) and "protocol version" in str(error):
        return f"it speaks another protocol version: {_line(error)} ({_spoken()})"
    if isinstance(error, ValidationError):
        return f"it answered with what the protocol does not have: {error.error_count()} errors"
    return _line(error) or type(error).__name__


def _spoken() -> str:
    return f"orch speaks {KNOWN_PROTOCOL_VERSIONS[0]} to {KNOWN_PROTOCOL_VERSIONS[-1]}"


def _line(error: BaseException) -> str:
    return clean_line(" ".join(str(error).split()), WHY_CHARS)
