"""A ticket by a tool of an MCP server that the settings name: started, asked once, let go.

1. A command runs as a worker's server does: in the sandbox, with the variables and the network that
   its settings name. It sees the commit that is checked out, as plain files that it cannot change,
   and nothing is set up for it.
2. Whoever calls has seen to it that a person trusts the settings' commands.
3. Its start and the call are bounded in time, what it says in size. Whatever it does instead of
   answering is told as one error, with what to type.
4. What it says of its tools is a hint: a name that it does not list is told with the nearest one,
   and a key of digits is a number where the tool wants one.
5. What it says of the ticket is foreign: printable, and without the secrets that are known.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from ledger.connectors import McpServer, TicketSettings
from ledger.model import Settings
from orchestrator.errors import OrchError
from orchestrator.forges.base import FAILED, Ticket
from orchestrator.hiding import Hiding, hiding_of
from orchestrator.patience import patiently
from orchestrator.policy.nearest import listed, nearest
from orchestrator.review.words import foreign
from orchestrator.sandboxing import Notice, Sandboxes, require_sandbox, unheard
from orchestrator.servers import access_to
from orchestrator.tickets.reading import read_ticket
from orchestrator.workplace import Workplace
from workers.environment import build_environment
from workers.mcp.server import Access, Ground, Server, Unavailable, variables_of
from workers.redact import Redactor
from workers.sandbox import Confinement
from workers.text import printable
from worktree.export import export_commit

if TYPE_CHECKING:
    from workers.mcp.catalogue import Listed

WHY_CHARS = 300


@dataclass(frozen=True)
class McpTickets:
    """Tickets of whatever tracker the server reaches; a TicketSource."""

    workplace: Workplace
    settings: Settings
    on_wait: Callable[[str], None] = lambda what: None
    on_notice: Notice = unheard

    def fetch_ticket(self, number: str) -> Ticket:
        """See TicketSource."""
        return anyio.run(self.fetch, number)

    @property
    def _tickets(self) -> TicketSettings:
        assert self.settings.tickets is not None
        return self.settings.tickets

    @property
    def _server(self) -> McpServer:
        return self.settings.mcp[self._tickets.mcp]

    async def fetch(self, key: str) -> Ticket:
        """The same, within a loop."""
        found: list[Ticket | OrchError] = []

        async def ask() -> None:
            found.append(await self._started(key))

        await patiently(ask, f"asking MCP server '{self._tickets.mcp}' for {key}", self.on_wait)
        if isinstance(found[0], OrchError):
            raise found[0]
        return found[0]

    async def _started(self, key: str) -> Ticket | OrchError:
        """The ticket, or what to tell; the server is gone with all that it started."""
        workplace, settings = self.workplace, self.settings
        name = f"ticket-{time.time_ns():x}"
        sandboxes = Sandboxes(
            workplace.git, settings.sandbox, workplace.environ, name, self.on_notice
        )
        try:
            with tempfile.TemporaryDirectory(
                prefix="orch-ticket-", ignore_cleanup_errors=True
            ) as made:
                folder = Path(made)
                tree, temporary = folder / "tree", folder / "tmp"
                for one in (tree, temporary):
                    one.mkdir()
                confinement = None
                if self._server.command is not None:
                    require_sandbox(settings.sandbox)
                    confinement = sandboxes.confine_view(tree, temporary)
                    await anyio.to_thread.run_sync(self._export, tree)
                env = build_environment(workplace.environ, temporary=temporary)
                ground = Ground(tree, env, f"{name}/{self._tickets.mcp}", folder / "log")
                return await self._asked(key, self._access(sandboxes, confinement), ground)
        finally:
            sandboxes.sweep(everywhere=False)

    def _export(self, tree: Path) -> None:
        git = self.workplace.git
        export_commit(git, git.resolve("HEAD"), tree)

    def _access(self, sandboxes: Sandboxes, confinement: Confinement | None) -> Access:
        names = (self._tickets.mcp,)
        return access_to(self.settings, names, sandboxes, confinement, self.workplace.environ)[0]

    async def _asked(self, key: str, access: Access, ground: Ground) -> Ticket | OrchError:
        from workers.mcp.connection import Refused

        said = self._tickets
        server = Server(access)
        # Out of a group of tasks an error would come as one of a group.
        async with anyio.create_task_group() as tasks:
            try:
                tools = {tool.name: tool for tool in await server.every(tasks, ground)}
                if said.tool not in tools:
                    return self._no_tool(tools)
                if wrong := self._no_argument(tools[said.tool]):
                    return wrong
                arguments = {
                    **said.arguments,
                    said.argument: _as_wanted(key, tools[said.tool], said),
                }
                limit_s = self._server.timeout_s
                answer = await server.call(said.tool, arguments, limit_s, tasks, ground)
            except Unavailable as lost:
                return self._lost(key, access, lost.why)
            except Refused as refused:
                return self._refused(key, str(refused))
            finally:
                server.dismiss()
        if answer.failed:
            return self._refused(key, answer.text)
        ticket = read_ticket(key, answer.text)
        return self._nothing(key) if ticket is None else self._cleaned(ticket)

    # --- what came back -----------------------------------------------------------------------

    def _clean(self, text: str) -> str:
        """A foreign text without secrets: made printable first, or a sign would part one."""
        return self._given.redact_text(self._hiding.text(printable(text)))

    @cached_property
    def _hiding(self) -> Hiding:
        return hiding_of(self.workplace, self.settings)

    @cached_property
    def _given(self) -> Redactor:
        """Hides all that the server was given, whether it looks like a secret or not."""
        environ = self.workplace.environ
        return Redactor({n: environ[n] for n in variables_of(self._server) if n in environ})

    def _cleaned(self, ticket: Ticket) -> Ticket:
        clean = self._clean
        title = clean(" ".join(ticket.title.split()))
        return replace(ticket, title=title, body=clean(ticket.body), url=clean(ticket.url))

    # --- what went wrong ----------------------------------------------------------------------

    def _error(self, what: str, hint: str) -> OrchError:
        return OrchError(what, hint=hint, exit_code=FAILED)

    def _lost(self, key: str, access: Access, why: str) -> OrchError:
        name = self._tickets.mcp
        what = f"MCP server '{name}' did not tell of {key}: {foreign(self._clean(why), WHY_CHARS)}"
        unset = [one for one in access.variables if not access.environ.get(one, "").strip()]
        if unset:
            return self._error(what, f"export {unset[0]}=...")
        return self._error(
            what, f"orch doctor --mcp starts it and lists its tools; its settings are [mcp.{name}]"
        )

    def _refused(self, key: str, why: str) -> OrchError:
        said = foreign(self._clean(why), WHY_CHARS) or "nothing"
        what = f"'{self._tickets.tool}' of MCP server '{self._tickets.mcp}' "
        hint = f"see whether {key} is there and your token may read it; else [tickets] is to change"
        return self._error(f"{what}does not give {key}; it says: {said}", hint)

    def _nothing(self, key: str) -> OrchError:
        what = f"'{self._tickets.tool}' of MCP server '{self._tickets.mcp}' says nothing of {key}"
        return self._error(what, "see whether it is the right one: tool = ... below [tickets]")

    def _no_tool(self, tools: dict[str, Listed]) -> OrchError:
        said = self._tickets
        close = nearest(said.tool, tools)
        names = (foreign(self._clean(name), 60) for name in sorted(tools))
        hint = f"it has: {listed(names)}; orch doctor --mcp tells of each"
        if close:
            hint = f"did you mean '{foreign(self._clean(close), 60)}'? write it below [tickets]"
        return self._error(f"MCP server '{said.mcp}' has no tool '{said.tool}'", hint)

    def _no_argument(self, tool: Listed) -> OrchError | None:
        """What is wrong where the tool tells its arguments, and ours is none of them."""
        said, known = self._tickets, tool.schema.get("properties")
        open_ended = tool.schema.get("additionalProperties") not in (None, False)
        if not isinstance(known, dict) or not known or open_ended:
            return None
        for name in (said.argument, *said.arguments):
            if name not in known:
                close = nearest(name, map(str, known))
                names = (foreign(self._clean(str(one)), 60) for one in known)
                hint = f"it has: {listed(names)}"
                if close:
                    hint = f"did you mean '{foreign(self._clean(close), 60)}'? {hint}"
                what = f"'{said.tool}' of MCP server '{said.mcp}' has no argument '{name}'"
                return self._error(what, f"{hint}; argument = ... below [tickets]")
        return None


def _as_wanted(key: str, tool: Listed, said: TicketSettings) -> Any:
    """The key as the tool wants it."""
    known = tool.schema.get("properties")
    wanted = known.get(said.argument) if isinstance(known, dict) else None
    is_number = isinstance(wanted, dict) and wanted.get("type") in ("integer", "number")
    return int(key) if is_number and key.isascii() and key.isdigit() and len(key) < 16 else key
