"""What a settings file may say of MCP servers, and how a person hears what is wrong in it.

1. `[mcp.NAME]` says how a server is reached: by a `command`, by a `url`, or `from` a file such as
   `.mcp.json`. A repository's file of that kind means nothing unless the settings name it.
2. Who may use it, `workers`, and what of it, `tools`, is always said: a server that is only there
   opens nothing. One that `[tickets]` names may be for no worker.
3. A secret is in no file: a header's value names the variables that hold it, `env` lists those of a
   command. The key of a provider of models is given to no server.
4. `http://` leads to this machine alone: what goes further would be readable on its way.
5. Only model workers have tools; naming another worker is a slip.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from ledger.connectors import McpServer
from ledger.model import Settings
from orchestrator.errors import Problem
from orchestrator.policy.models import WELL_KNOWN, model_workers
from orchestrator.policy.nearest import listed, nearest
from orchestrator.shape import shape_problems, type_in_words
from orchestrator.toml_lines import Document, KeyPath
from workers.mcp.server import VARIABLE, named_in, variables_of
from workers.reach import parse_address

SERVER_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,30}")
HEADER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
FROM = "from"
MCP_KEYS = (FROM, *McpServer.model_fields)
REACHED = (FROM, "command", "url")
OF_COMMANDS = ("env", "network")
_OURS = frozenset(
    """
    accept accept-encoding content-type content-length host connection transfer-encoding
    mcp-session-id mcp-protocol-version mcp-method mcp-name last-event-id
    """.split()  # noqa: SIM905
)
"""Headers that orch or the protocol sets."""
_STANDS_IN: dict[str, Any] = {"workers": ["a"], "tools": ["a"]}


def mcp_problems(document: Document, servers: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong in the tables `[mcp.NAME]` of a file."""
    for name, table in servers.items():
        at: KeyPath = ("mcp", name)
        if not isinstance(table, dict):
            hint = "write: [mcp.NAME], and below it command, workers and tools"
            yield document.problem(at, f"'mcp.{name}' is {type_in_words(table)}", hint)
            continue
        if not SERVER_NAME.fullmatch(name):
            hint = "up to 31 small letters, digits, - and _, first a letter or digit"
            yield document.problem(at, f"{name!r} is no legal name of an MCP server", hint)
        yield from _reached(document, at, table)
        yield from _given(document, at, table)
        rest = {key: value for key, value in table.items() if key not in REACHED}
        yield from shape_problems(McpServer, {**_STANDS_IN, **rest}, document, at, known=MCP_KEYS)
        yield from _headers(document, at, table.get("headers"))


def _reached(document: Document, at: KeyPath, table: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with how it is reached."""
    said = [key for key in REACHED if key in table]
    if len(said) != 1:
        what = f"MCP server '{at[-1]}' has no 'command', no 'url' and no 'from'"
        if said:
            what = f"MCP server '{at[-1]}' has both {' and '.join(map(repr, said))}"
        hint = 'one of: command = "...", url = "https://...", from = ".mcp.json"'
        yield document.problem((*at, *said[1:2]), what, hint)
    command = table.get("command")
    words = [one for one in command if isinstance(one, str)] if isinstance(command, list) else []
    words = [command] if isinstance(command, str) else words
    if "command" not in table:
        pass
    elif not words or (isinstance(command, list) and len(words) < len(command)):
        what = f"'command' must be text or a list of words, not {type_in_words(command)}"
        yield document.problem((*at, "command"), what, 'write: command = ["npx", "..."]')
    elif not words[0].strip():
        yield document.problem((*at, "command"), "'command' is empty", "write what shall run")
    elif any("\0" in one for one in words):
        yield document.problem((*at, "command"), "'command' holds a NUL character")
    for key in ("url", FROM):
        if key in table and not isinstance(table[key], str):
            what = f"'{key}' must be text in quotes, not {type_in_words(table[key])}"
            yield document.problem((*at, key), what)
    if isinstance(table.get("url"), str) and (wrong := url_problem(table["url"])):
        yield document.problem((*at, "url"), *wrong)
    for key in OF_COMMANDS:
        if key in table and "url" in table:
            what = f"'{key}' is of a command; orch itself reaches what has a 'url'"
            yield document.problem((*at, key), what, "take it out: it would have no effect")
    if "headers" in table and "command" in table:
        what = "'headers' are of a 'url'; a command is given variables by 'env'"
        yield document.problem((*at, "headers"), what, "take it out: it would have no effect")


def url_problem(url: str) -> tuple[str, str] | None:
    """What is wrong with an address, and what to write instead."""
    hint = 'write: url = "https://host/mcp"'
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "'url' is no address", hint
    if parts.username is not None or parts.password is not None:  # never repeated: it is a secret
        what = "'url' holds a user or a password, and settings are read by everybody"
        return what, 'name the variable that holds it: headers = { Authorization = "Bearer $NAME" }'
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        return f"'url': {url!r} is no address of a server", hint
    if parts.fragment or re.search(r"[^!-~]", url):
        return f"'url': {url!r} holds more than an address", hint
    if parts.scheme == "http" and not _is_own(parts.hostname):
        what = f"'url': http:// to {parts.hostname} could be read on its way, headers and all"
        return what, "write https://; http:// is for this machine: localhost, 127.0.0.1, [::1]"
    return None


def _is_own(host: str) -> bool:
    address = parse_address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _given(document: Document, at: KeyPath, table: Mapping[str, Any]) -> Iterator[Problem]:
    """Whether it is said who may use what."""
    name = at[-1]
    examples = {"workers": '["coder"]', "tools": '["*"] for all, or ["read_*", "query"]'}
    for key, example in examples.items():
        if key not in table:
            what = f"MCP server '{name}' does not say which {key} may be used"
            if key == "workers":
                what = f"MCP server '{name}' does not say which workers may use it"
            yield document.problem(at, what, f"add: {key} = {example}")
        values = table.get(key)
        for position, one in enumerate(values if isinstance(values, list) else ()):
            if isinstance(one, str) and not one.strip():
                yield document.problem((*at, key, position), f"an empty name in '{key}'")
    if table.get("tools") == [] and table.get("workers"):
        hint = f"write: tools = {examples['tools']}"
        yield document.problem((*at, "tools"), "'tools' must not be empty", hint)


def _headers(document: Document, at: KeyPath, headers: Any) -> Iterator[Problem]:
    for name, value in headers.items() if isinstance(headers, dict) else ():
        where = (*at, "headers", name)
        if not HEADER_NAME.fullmatch(name) or name.lower() in _OURS:
            yield document.problem(where, f"'headers': {name!r} is no header that can be set")
        elif isinstance(value, str) and not is_header_value(value):
            # Never repeated: it may be the secret itself.
            what = f"'headers': the value of {name!r} names no variable that holds it"
            hint = f'write: {name} = "$SOME_TOKEN", or "Bearer $SOME_TOKEN", and export that'
            yield document.problem(where, what, hint)


def is_header_value(value: str) -> bool:
    """Whether a header's value names its variables, and holds little beside them."""
    rest = VARIABLE.sub("", value)
    return bool(named_in(value)) and re.fullmatch(r"[ -~]{0,40}", rest) is not None


def mcp_problems_between(
    settings: Settings, owner: Mapping[KeyPath, Document]
) -> Iterator[Problem]:
    """What is wrong between servers, workers and providers."""
    models = model_workers(settings)
    known = {**WELL_KNOWN, **settings.providers}
    keys = {one.key: name for name, one in known.items() if one.key}
    for name, server in settings.mcp.items():
        document = owner["mcp", name]
        for position, worker in enumerate(server.workers):
            at = ("mcp", name, "workers", position)
            if worker in models:
                continue
            if worker in settings.workers:
                what = f"'workers': '{worker}' is a command; only models are given tools"
                yield document.problem(at, what, f"models: {listed(models)}")
            else:
                close = nearest(worker, models)
                hint = f"did you mean '{close}'?" if close else f"models: {listed(models)}"
                yield document.problem(at, f"'workers': there is no worker '{worker}'", hint)
        for variable in variables_of(server):
            if variable in keys:
                what = f"{variable} is the key of provider '{keys[variable]}', "
                what += "which stays with orch: no server gets it"
                hint = "give the server a key of its own, by another name"
                yield document.problem(("mcp", name), what, hint)
