"""What `[tickets]` may say, and how a person hears what is wrong in it.

1. It names a server of the settings, `[mcp.NAME]`, and the tool of it that tells of a ticket. What
   it says is a part of what is trusted (`orch trust`), the server's command too.
2. A person's own files may say it, the whole of it: a tool of one server with the arguments of
   another's would be neither.
3. A server that is there for tickets alone is for no worker: `workers = []`. Where nothing asks it
   for tickets either, that is a slip.
4. Fixed arguments are plain values, and none takes the place of the key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ledger.connectors import TicketSettings
from ledger.model import Settings
from orchestrator.errors import Problem
from orchestrator.model_rules import Owner
from orchestrator.policy.nearest import listed, nearest
from orchestrator.shape import shape_problems, type_in_words
from orchestrator.toml_lines import Document, KeyPath

AT: KeyPath = ("tickets",)
NAME_CHARS = 128
LARGEST = 2**53
"""Of whole numbers: JSON of others is read differently by many."""


def ticket_problems(document: Document, table: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong in the table `[tickets]` of a file."""
    arguments = table.get("arguments")
    # A value of several types is told by one of ours, not by an error for each type.
    plain = {k: v for k, v in table.items() if k != "arguments" or not isinstance(v, dict)}
    yield from shape_problems(TicketSettings, plain, document, AT)
    for key in ("tool", "argument"):
        name = table.get(key)
        if isinstance(name, str) and name and not _is_name(name):
            yield document.problem((*AT, key), f"'{key}': {name[:40]!r} is no name that a tool has")
    for name, value in arguments.items() if isinstance(arguments, dict) else ():
        at: KeyPath = (*AT, "arguments", name)
        if name == table.get("argument", "key"):
            what = f"'arguments': '{name}' is what gets the key of the ticket"
            yield document.problem(at, what, "take it out, or name another: argument = ...")
        elif not isinstance(value, str | int):
            what = f"'arguments': '{name}' must be text, a whole number, true or false, "
            yield document.problem(at, f"{what}not {type_in_words(value)}")
        elif isinstance(value, int) and abs(value) > LARGEST:
            yield document.problem(at, f"'arguments': '{name}' is too large a number")


def _is_name(name: str) -> bool:
    return len(name) <= NAME_CHARS and name.isprintable() and not name.isspace()


def ticket_problems_between(
    settings: Settings, owner: Owner, documents: Sequence[Document]
) -> Iterator[Problem]:
    """What is wrong between `[tickets]` and the servers."""
    tickets = settings.tickets
    if tickets is not None and tickets.mcp not in settings.mcp:
        close = nearest(tickets.mcp, settings.mcp)
        what = f"'mcp': there is no MCP server '{tickets.mcp}'; known: {listed(settings.mcp)}"
        hint = f"did you mean '{close}'?" if close else "add a table [mcp.NAME], and name it here"
        yield owner[AT].problem((*AT, "mcp"), what, hint)
    # A file may name it whose table another file replaces.
    named = {document.data["tickets"].get("mcp") for document in documents if _says(document)}
    for name, server in settings.mcp.items():
        if not server.workers and name not in named:
            what = "'workers' must not be empty: only a server that [tickets] names is for none"
            hint = f'write: workers = ["coder"], or below [tickets]: mcp = "{name}"'
            yield owner["mcp", name].problem(("mcp", name, "workers"), what, hint)


def _says(document: Document) -> bool:
    return isinstance(document.data.get("tickets"), dict)
