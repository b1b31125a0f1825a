"""What a worker is: given a brief and its surroundings, it changes a tree and reports."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from ledger.connectors import McpOutcome
from ledger.model import Identity, RunId, Sha, Task, Usage
from workers.mcp.server import Access
from workers.sandbox import Confinement
from workers.skills import Shelf


@dataclass(frozen=True)
class Brief:
    """What is asked of it in this round."""

    run: RunId
    task: Task
    attempt: int
    round: int
    base: Sha
    prompt: str
    """The task's prompt as written."""
    rules: str = ""
    """Guard rails for every worker."""
    texts: str = ""
    """What the repository's AGENTS.md files say for the task's paths, as Markdown."""
    skills: Shelf = field(default_factory=Shelf)
    """What it may read up when it needs to."""
    feedback: str | None = None
    """What failed before; None at the first round of the first attempt."""
    note: str = ""
    """What a person said when they asked for another try."""
    map: str = ""
    """A map of the repository, for those who do not know it."""
    ledger_json: str = "{}"
    paths: tuple[str, ...] | None = None
    """The files that the task's `paths` cover; None where it may change anything."""


@dataclass(frozen=True)
class ModelAccess:
    """Which models an attempt may call, where, and by which key. The key dies with the attempt."""

    url: str
    """The gateway's."""
    key: str = field(repr=False)
    dialect: Literal["anthropic", "openai"]
    models: tuple[str, ...]
    """The first is used."""
    window_tokens: int = 128_000
    max_output_tokens: int = 16_000
    """What one answer may have."""
    waited_s: Callable[[], float] = lambda: 0.0
    """How long its calls have waited for a provider's limits so far: time that is not its own."""


@dataclass(frozen=True)
class ServerCall:
    """A call of a tool of an MCP server, and what became of it."""

    server: str
    tool: str
    outcome: McpOutcome
    why: str = ""
    """Why it was lost."""
    duration_s: float = 0.0
    size_bytes: int = 0
    """Of what was answered."""


@dataclass(frozen=True)
class Surroundings:
    """Where it works and what it may use."""

    tree: Path
    """The workspace's files, which it may change."""
    folder: Path
    """Outside the tree: what it reads (`brief/`) and its temporary files (`tmp/`)."""
    environ: Mapping[str, str]
    """A snapshot of the user's environment, from which a child's is built."""
    mark: str
    """run/task/attempt/nonce, by which its processes are found."""
    log: Path
    """Becomes its output, bounded."""
    port: int | None = None
    person: Identity | None = None
    """Whose name its own commits carry."""
    on_line: Callable[[str], None] | None = None
    """Is offered the newest line of its output."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Values by names, in files that it can read, which no output of its may show."""
    confinement: Confinement | None = None
    """What it may touch; None: all that the user may."""
    model: ModelAccess | None = None
    """For workers that are models."""
    check: Callable[[], Awaitable[str]] | None = None
    """Judge what is in the tree now by the check gates, and say in words how it went."""
    servers: tuple[Access, ...] = ()
    """The MCP servers whose tools it may use; for workers that are models."""
    on_server_call: Callable[[ServerCall], None] | None = None
    """Is told of each call of such a tool."""
    notice: Callable[[str, str], None] | None = None
    """Is told what a person should know, and a hint."""


@dataclass(frozen=True)
class Report:
    """What became of the round. Whether the tree changed is not the worker's to say."""

    outcome: Literal["done", "failed", "timeout", "not-started", "stopped"]
    """`stopped`: by something that is nobody's fault; `cause` says by what."""
    exit_code: int | None = None
    why: str = ""
    """For a person; empty where it is done."""
    cause: Literal["", "budget", "provider"] = ""
    """What stopped it: no money or calls left, or a provider that does not serve it."""
    summary: str = ""
    """What it says it did, in two sentences."""
    question: str | None = None
    """What it asks a person; the round ends with it."""
    duration_s: float = 0.0
    usage: Usage = field(default_factory=Usage)
    note: str = ""
    """What a person should know beside it: an incomplete log, processes that would not end."""
    tail: tuple[str, ...] = ()
    """The last lines of its output, cleaned."""


class Worker(Protocol):
    """Who does tasks."""

    async def run(self, brief: Brief, surroundings: Surroundings, timeout_s: float) -> Report:
        """Work for one round. Failed work is a value; cancelled, it leaves no process."""
