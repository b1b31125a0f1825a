"""A server as an attempt uses it: started when it is needed, and once more where it was lost.

1. One call at a time: what a server is at is always known.
2. A call that was under way when it was lost is not made again: it may have had its effect.
3. One that was lost twice in an attempt stays away for the rest of it.
4. A value that a header or the command needs and that is not set is told, and nothing is started.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from ledger.connectors import McpServer
from workers.environment import is_passable
from workers.sandbox import Confinement

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from workers.mcp.catalogue import Listed
    from workers.mcp.connection import Answer, Connection
    from workers.mcp.guard import Guard

LOSSES = 2
"""After so many it is not started again in an attempt."""
VARIABLE = re.compile(r"\$(?:\{([A-Z_][A-Z0-9_]*)\}|([A-Z_][A-Z0-9_]*))")


@dataclass(frozen=True)
class Access:
    """A server that somebody may use."""

    name: str
    settings: McpServer
    environ: Mapping[str, str] = field(repr=False)
    """The user's; the server gets of it what its settings name."""
    confinement: Confinement | None = None

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of the variables that it is given."""
        return variables_of(self.settings)

    @property
    def secrets(self) -> dict[str, str]:
        """Their values, which no text may show."""
        return {name: self.environ[name] for name in self.variables if name in self.environ}


@dataclass(frozen=True)
class Ground:
    """Where a server that is a child works."""

    tree: Path
    env: Mapping[str, str]
    mark: str
    log: Path


def variables_of(settings: McpServer) -> tuple[str, ...]:
    """The names of the variables of the user's that a server is given."""
    named = [one for value in settings.headers.values() for one in named_in(value)]
    return tuple(dict.fromkeys((*settings.env, *named)))


def named_in(value: str) -> tuple[str, ...]:
    """The variables that a header's value stands for."""
    return tuple(found[1] or found[2] for found in VARIABLE.finditer(value))


def filled(value: str, environ: Mapping[str, str]) -> str:
    """A header's value with the variables' own."""
    return VARIABLE.sub(lambda found: environ.get(found[1] or found[2], "").strip(), value)


class Unavailable(Exception):
    """A server cannot be used; the message says why, and whether there is hope."""

    def __init__(self, why: str, hope: str = "") -> None:
        super().__init__(f"{why}; {hope}" if hope else why)
        self.why = why


class Server:
    """One server of an attempt."""

    def __init__(self, access: Access) -> None:
        self.name = access.name
        self._access = access
        self._losses = 0
        self._why = ""
        self._lock = anyio.Lock()
        self._connection: Connection | None = None

    async def listed(self, tasks: TaskGroup, ground: Ground) -> tuple[Listed, ...]:
        """The tools that it has and that the settings allow; Unavailable."""
        from workers.mcp.catalogue import is_allowed

        allowed = self._access.settings.tools
        every = await self.every(tasks, ground)
        return tuple(tool for tool in every if is_allowed(tool.name, allowed))

    async def every(self, tasks: TaskGroup, ground: Ground) -> tuple[Listed, ...]:
        """The tools that it has, allowed or not; Unavailable."""
        async with self._lock:
            return (await self._connected(tasks, ground)).tools

    async def call(
        self,
        tool: str,
        arguments: dict[str, Any],
        within_s: float,
        tasks: TaskGroup,
        ground: Ground,
    ) -> Answer:
        """What a tool says; Unavailable, or Refused in its own words."""
        from workers.mcp.connection import Lost

        async with self._lock:
            connection = await self._connected(tasks, ground)
            try:
                return await connection.call(
                    tool, arguments, min(within_s, self._access.settings.timeout_s)
                )
            except Lost as lost:
                raise self._lose(str(lost)) from None

    def dismiss(self) -> None:
        """Let it go at the end of a round: the next one starts it anew, where it needs it."""
        if self._connection is not None:
            self._connection.dismiss()
            self._connection = None

    async def _connected(self, tasks: TaskGroup, ground: Ground) -> Connection:
        connection = self._connection
        if connection is not None and connection.gone.is_set():
            self._lose(connection.why)
            connection = None
        if connection is not None:
            return connection
        if self._losses >= LOSSES:
            raise self._unavailable()
        lacking = [n for n in self._access.variables if not self._access.environ.get(n, "").strip()]
        if lacking:
            raise Unavailable(f"the variable {lacking[0]} is not set")
        await anyio.to_thread.run_sync(_import)
        from workers.mcp.connection import Connection

        connection = Connection(partial(self._transport, ground), self._access.settings.timeout_s)
        self._connection = connection
        tasks.start_soon(connection.live)
        await connection.ready.wait()
        if connection.gone.is_set():
            raise self._lose(connection.why)
        return connection

    def _lose(self, why: str) -> Unavailable:
        """It is not there any more."""
        self._losses += 1
        if self._connection is not None:
            self._connection.cut(why)  # nobody knows of it any more: it must not live on
        self._why, self._connection = why, None
        return self._unavailable()

    def _unavailable(self) -> Unavailable:
        again = self._losses < LOSSES
        hope = "it is started anew at the next call" if again else "it is not started again"
        return Unavailable(self._why, hope)

    def _transport(self, ground: Ground, guard: Guard) -> AbstractAsyncContextManager[Any]:
        access, settings = self._access, self._access.settings
        if settings.url is not None:
            from workers.mcp.http import served

            headers = {k: filled(v, access.environ) for k, v in settings.headers.items()}
            return served(settings.url, headers, settings.timeout_s, guard)
        from workers.mcp.pipe import Program, piped

        command = settings.command or ""
        given = {n: access.environ[n] for n in settings.env if is_passable(n) and n != "PATH"}
        program = Program(
            argv=("/bin/sh", "-c", command) if isinstance(command, str) else command,
            tree=ground.tree,
            env={**ground.env, **given},
            mark=ground.mark,
            log=ground.log,
            secrets=access.secrets,
            confinement=access.confinement,
        )
        return piped(program, guard)


def _import() -> None:
    """Bring in what takes long, beside the event loop."""
    import workers.mcp.connection
    import workers.mcp.http
    import workers.mcp.pipe  # noqa: F401
