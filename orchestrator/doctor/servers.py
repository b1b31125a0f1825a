"""The MCP servers of the settings, started once each as a worker would have them: for a person.

1. They run in a workspace of the commit that is checked out, set up as for a worker, in its
   sandbox.
2. What they say of themselves is foreign: cleaned, bounded and without secrets. That a tool only
   reads is the server's own word.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread

from ledger.model import Settings
from orchestrator.doctor.programs import within
from orchestrator.errors import OrchError
from orchestrator.hiding import hiding_of
from orchestrator.patience import patiently
from orchestrator.sandboxing import Sandboxes, require_sandbox
from orchestrator.servers import access_to
from orchestrator.verification.preparation import prepare
from orchestrator.workplace import Workplace
from workers.environment import build_environment
from workers.mcp.catalogue import is_allowed
from workers.mcp.server import Access, Ground, Server, Unavailable
from workers.redact import Redactor
from workers.text import clean_line

TEXT_CHARS = 200


@dataclass(frozen=True)
class ToolSeen:
    """A tool of a server, as it tells of it."""

    name: str
    allowed: bool
    reads_only: bool
    description: str


@dataclass(frozen=True)
class ServerSeen:
    """A server, and what it said or why it said nothing."""

    name: str
    workers: tuple[str, ...]
    tools: tuple[ToolSeen, ...] = ()
    why: str = ""
    """Why it could not be used."""
    within: str = ""
    """Why a worker can change what runs; empty where it cannot."""
    ticket_tool: str = ""
    """Its tool that `[tickets]` names; empty where that is another server's."""


async def look_at_servers(
    workplace: Workplace,
    settings: Settings,
    on_wait: Callable[[str], None],
    on_notice: Callable[[str, str], None],
) -> tuple[ServerSeen, ...]:
    """Start each server, list its tools, let it go."""
    from worktree.workspace import Pool

    require_sandbox(settings.sandbox)
    name = f"mcp-{time.time_ns():x}"
    root = workplace.workspaces(settings.workspaces) / name
    workplace.make_workspaces(settings.workspaces)
    pool = Pool(workplace.git, root, f"orch-{name}-worker", settings.preparation.keep)
    sandboxes = Sandboxes(workplace.git, settings.sandbox, workplace.environ, name, on_notice)
    found: dict[str, ServerSeen] = {}
    try:
        head = await anyio.to_thread.run_sync(workplace.git.resolve, "HEAD")
        workspace = await anyio.to_thread.run_sync(pool.take, head)
        confinement = await anyio.to_thread.run_sync(sandboxes.confine, workspace, "worker")
        temporary = workspace.folder / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        env = build_environment(workplace.environ, temporary=temporary)
        trouble = await prepare(
            workspace,
            settings.preparation,
            kind="worker",
            checkout=workplace.checkout,
            environ=workplace.environ,
            allowed=settings.env,
            mark=f"{name}/setup",
            log=workspace.folder / "setup.log",
            confinement=sandboxes.for_setup(confinement),
        )
        if trouble:
            raise OrchError(f"the workspace could not be made ready: {trouble}", hint="orch gate")
        names = tuple(sorted(settings.mcp))
        servers = access_to(settings, names, sandboxes, confinement, workplace.environ)
        with tempfile.TemporaryDirectory(prefix="orch-mcp-") as logs:

            async def look(access: Access) -> None:
                mark = f"{name}/{access.name}"
                ground = Ground(workspace.path, env, mark, Path(logs) / f"{access.name}.log")
                found[access.name] = await _look(workplace, settings, access, ground)

            async with anyio.create_task_group() as looking:
                for access in servers:
                    looking.start_soon(look, access)
    finally:
        with anyio.CancelScope(shield=True):
            remove = partial(anyio.to_thread.run_sync, pool.remove_all)
            await patiently(remove, "removing the workspace", on_wait)
            sandboxes.sweep(everywhere=False)
    return tuple(
        replace(
            found[one],
            within=within(workplace, settings.mcp[one]),
            ticket_tool=settings.tickets.tool
            if settings.tickets and settings.tickets.mcp == one
            else "",
        )
        for one in sorted(found)
    )


async def _look(
    workplace: Workplace, settings: Settings, access: Access, ground: Ground
) -> ServerSeen:
    hidden = hiding_of(workplace, settings)
    redactor = Redactor(access.secrets)

    def clean(text: str) -> str:
        return clean_line(redactor.redact_text(hidden.text(" ".join(text.split()))), TEXT_CHARS)

    server = Server(access)
    said = settings.mcp[access.name]
    async with anyio.create_task_group() as tasks:
        try:
            tools = await server.every(tasks, ground)
        except Unavailable as error:
            return ServerSeen(access.name, said.workers, why=clean(error.why))
        finally:
            server.dismiss()
    return ServerSeen(
        access.name,
        said.workers,
        tuple(
            ToolSeen(
                clean(tool.name),
                is_allowed(tool.name, said.tools),
                tool.read_only,
                clean(tool.description),
            )
            for tool in sorted(tools, key=lambda one: one.name)
        ),
    )
