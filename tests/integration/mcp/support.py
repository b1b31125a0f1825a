"""A room in which an attempt's server is started, called and ended."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import psutil

from ledger.connectors import McpServer
from tests.support.project import ENVIRON
from workers.environment import build_environment
from workers.mcp.server import Access, Ground, Server, Unavailable
from workers.sandbox import Confinement

SERVERS = Path(__file__).parents[2] / "support" / "servers"
WITHIN_S = 60.0


def raw(mode: str = "plain") -> str:
    """The command of the server by hand."""
    return f"exec {shlex.quote(sys.executable)} -S {shlex.quote(str(SERVERS / 'raw.py'))} {mode}"


def sdk() -> tuple[str, ...]:
    """The words of the server by the library."""
    return (sys.executable, str(SERVERS / "sdk.py"))


def settings(command: Any = None, **more: Any) -> McpServer:
    """Settings of a server that everybody may use all of."""
    fields = {"command": command, "workers": ("coder",), "tools": ("*",), **more}
    return McpServer.model_validate(fields)


class Room:
    """A tree, an environment, and servers that work in it."""

    def __init__(self, folder: Path) -> None:
        self.tree = folder / "tree"
        self.tree.mkdir()
        (folder / "tmp").mkdir()
        self.folder = folder
        self.token = f"t{os.urandom(6).hex()}"
        self.environ: dict[str, str] = dict(ENVIRON)
        self.grounds = 0

    def ground(self) -> Ground:
        self.grounds += 1
        env = build_environment(self.environ, temporary=self.folder / "tmp")
        mark = f"{self.token}/a/1/{self.grounds}"
        return Ground(self.tree, env, mark, self.folder / f"log-{self.grounds}")

    @asynccontextmanager
    async def serving(
        self, server: McpServer, confinement: Confinement | None = None
    ) -> AsyncIterator[Held]:
        """A server for a round."""
        failed: Exception | None = None
        with anyio.fail_after(WITHIN_S):
            async with anyio.create_task_group() as tasks:
                held = Held(self, Server(Access("db", server, self.environ, confinement)), tasks)
                try:
                    yield held
                except Exception as error:  # out of here it would come as one of a group
                    failed = error
                finally:
                    held.server.dismiss()
        if failed is not None:
            raise failed
        assert self.living() == [], "something of the server is left"

    def living(self) -> list[int]:
        """What carries a mark of this room."""
        found = []
        for process in psutil.process_iter():
            try:
                mark = process.environ().get("ORCH_MARK", "")
                if mark.startswith(self.token) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process.pid)
            except psutil.Error:
                continue
        return found


class Held:
    """One server in a round."""

    def __init__(self, room: Room, server: Server, tasks: Any) -> None:
        self.room, self.server, self.tasks = room, server, tasks

    async def tools(self) -> list[str]:
        return [one.name for one in await self.server.listed(self.tasks, self.room.ground())]

    async def call(self, tool: str, within_s: float = 30.0, **arguments: Any) -> str:
        answer = await self.server.call(tool, arguments, within_s, self.tasks, self.room.ground())
        return answer.text

    async def lost(self, tool: str, **how: Any) -> str:
        """Why a call was lost."""
        try:
            said = await self.call(tool, **how)
        except Unavailable as error:
            return str(error)
        raise AssertionError(f"it answered: {said[:200]}")
