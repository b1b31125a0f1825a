"""Settings of what connects a run to the world: servers of tools, forges, tickets, messages."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ledger.value import Network, Value

McpOutcome = Literal[
    "answered",
    "refused",  # the server, or its tool, said that it could not be done
    "lost",  # the server was not there, ended, said nothing in time, or said too much
]
"""What became of a call of a tool of an MCP server."""


class McpServer(Value):
    """A server of tools (Model Context Protocol): how it is reached, and who may use what of it."""

    command: str | tuple[str, ...] | None = None
    """Run in the attempt's sandbox, a text by `sh -c`; spoken to by its input and output."""
    url: str | None = None
    """Instead: where it is served as streamable HTTP."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Of requests to `url`; `$NAME` in a value stands for that variable of the user's."""
    env: tuple[str, ...] = ()
    """Names of variables of the user's environment that the command may see."""
    network: Network = False
    """What the command may reach from its sandbox."""
    workers: tuple[str, ...]
    """The model workers that are given its tools; none: it is there for tickets."""
    tools: tuple[str, ...]
    """The tools that they are given, by names with `*` and `?`."""
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """What its start, and each call, may take."""


class McpServerSettings(Value):
    """What agents may do that drive orch by MCP."""

    accept: tuple[str, ...] = ()
    """Branches, by name, into which they may accept results."""


class NotifySettings(Value):
    """How a person is told of a run's end."""

    command: str | None = None
    """Run by `sh -c` as the user, in the checkout; it reads the message from its input."""
    env: tuple[str, ...] = ()
    """Names of variables of the user's environment that the command may see."""
    webhook: str | None = None
    """The name of the variable that holds the address to post to."""
    shape: Literal["slack", "discord", "ntfy", "json"] = "json"
    """Whose webhook it is."""
    bell: bool = False
    """Ring the terminal's bell, where there is one."""
    when: Literal["always", "trouble"] = "always"
    """`trouble`: only of a run that did not end with exit code 0."""


class ForgeSettings(Value):
    """Where results are pushed to, and pull requests opened."""

    kind: Literal["github", "gitlab"] | None = None
    """None: by the remote's host."""
    remote: str = "origin"
    """The remote of git's that branches are pushed to."""
    url: str | None = None
    """The address of its API. None: by the remote's host."""
    repository: str | None = None
    """`owner/name` there. None: as the remote's address says."""
    token: str | None = None
    """The name of the variable that holds the token. None: the usual ones, then the forge's CLI."""
    protected: tuple[str, ...] = ()
    """Names of branches that are never pushed to, beside the usual ones; `*` is any text."""


class TicketSettings(Value):
    """Where tickets come from, if not from the forge: a tool of an MCP server."""

    mcp: str
    """The name of the server."""
    tool: Annotated[str, Field(min_length=1)]
    """Of it, the tool that tells of a ticket."""
    argument: Annotated[str, Field(min_length=1)] = "key"
    """The argument of the tool that gets the ticket's key."""
    arguments: dict[str, str | int | bool] = Field(default_factory=dict)
    """What it gets beside that, always the same."""
