"""The MCP servers of an attempt: which it may use, and what becomes of its calls.

1. A server is given to the workers that its settings name; a task may name fewer servers, never
   more. The planner and the checker, who only look, are given none.
2. A command runs in the attempt's sandbox, with what the settings let it reach and no more.
3. Each call is a fact; what was said is in the attempt's log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ledger import events as e
from ledger.model import Settings, Task
from orchestrator.sandboxing import Sandboxes
from orchestrator.scene import Scene
from workers.base import ServerCall
from workers.mcp.server import Access
from workers.sandbox import Confinement


def servers_for(settings: Settings, task: Task, worker: str) -> tuple[str, ...]:
    """The names of the servers that a worker may use at a task (rule 1)."""
    return tuple(
        name
        for name, server in sorted(settings.mcp.items())
        if worker in server.workers and (task.mcp is None or name in task.mcp)
    )


def access_to(
    settings: Settings,
    names: tuple[str, ...],
    sandboxes: Sandboxes,
    confinement: Confinement | None,
    environ: Mapping[str, str],
) -> tuple[Access, ...]:
    """Access to these servers (rule 2)."""
    return tuple(
        Access(
            name=name,
            settings=settings.mcp[name],
            environ=environ,
            confinement=sandboxes.for_server(confinement, name, settings.mcp[name].network),
        )
        for name in names
    )


def recorder(scene: Scene, task: str, attempt: int, round: int) -> Callable[[ServerCall], None]:
    """What records the calls of a round (rule 3)."""

    def record(call: ServerCall) -> None:
        scene.append(
            e.McpToolCalled(
                task=task,
                attempt=attempt,
                round=round,
                server=call.server,
                tool=call.tool,
                outcome=call.outcome,
                why=call.why,
                duration_s=call.duration_s,
                size_bytes=call.size_bytes,
            )
        )

    return record
