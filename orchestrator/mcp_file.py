"""Servers that a file like `.mcp.json` describes, for settings that name it.

1. It is read only where `[mcp.NAME]` says `from = "FILE"`, and of it only the server of that name.
   What it says is then what the settings say: it counts for trust, and is recorded with the run.
2. `$NAME` and `${NAME}` stand for the user's variables, as other tools have it; they are passed on
   by name. A value that looks like a secret itself is refused.
3. What it says of who may use what counts for nothing: that is for the settings.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.errors import Problem
from orchestrator.mcp_rules import FROM, is_header_value, url_problem
from orchestrator.policy.nearest import listed, nearest
from orchestrator.toml_lines import Document, KeyPath
from workers.mcp.server import VARIABLE, named_in
from workers.secrets import is_telling

SIZE_LIMIT_BYTES = 1024 * 1024
_WITH_DEFAULT = re.compile(r"\$\{[A-Z_][A-Z0-9_]*:-")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class _Wrong(Exception):
    """What is wrong, and what to do."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what, self.hint = what, hint


def resolved(document: Document, checkout: Path) -> tuple[Document, list[Problem]]:
    """The document with what the files say that its servers come from, and what is wrong there."""
    servers = document.data.get("mcp", {})
    problems: list[Problem] = []
    made: dict[str, Any] = {}
    for name, table in servers.items():
        made[name] = table
        if FROM in table:
            at: KeyPath = ("mcp", name, FROM)
            try:
                found = _described(checkout, table[FROM], name)
            except _Wrong as wrong:
                problems.append(document.problem(at, wrong.what, wrong.hint))
                continue
            rest = {key: value for key, value in table.items() if key != FROM}
            env = [*rest.pop("env", ()), *found.pop("env", ())]
            made[name] = {**found, **rest, **({"env": list(dict.fromkeys(env))} if env else {})}
    if made == servers:
        return document, problems
    return dataclasses.replace(document, data={**document.data, "mcp": made}), problems


def _described(checkout: Path, named: str, name: str) -> dict[str, Any]:
    """A server as the settings would say it."""
    path = (checkout / named).resolve()
    if not path.is_relative_to(checkout.resolve()):
        raise _Wrong(f"'from': {named!r} is outside the checkout", 'write: from = ".mcp.json"')
    try:
        if path.exists() and not path.is_file():
            raise _Wrong(f"'from': {named!r} is not a file")
        with path.open("rb") as file:
            raw = file.read(SIZE_LIMIT_BYTES + 1)
        whole = json.loads(raw) if len(raw) <= SIZE_LIMIT_BYTES else None
    except OSError as error:
        raise _Wrong(f"'from': {named!r} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise _Wrong(f"'from': {named!r} is no JSON") from None
    servers = whole.get("mcpServers") if isinstance(whole, dict) else None
    if not isinstance(servers, dict):
        raise _Wrong(f"'from': {named!r} holds no table 'mcpServers'")
    table = servers.get(name)
    if not isinstance(table, dict):
        close = nearest(name, servers)
        hint = f"did you mean [mcp.{close}]?" if close else f"it has: {listed(servers)}"
        raise _Wrong(f"'from': {named!r} has no server '{name}'", hint)
    if isinstance(table.get("url"), str):
        return _of_url(named, table)
    return _of_command(named, table)


def _of_url(named: str, table: Mapping[str, Any]) -> dict[str, Any]:
    if table.get("type") == "sse":
        raise _Wrong(f"'from': {named!r}: the transport 'sse' is given up; orch speaks 'http'")
    if wrong := url_problem(table["url"]):
        raise _Wrong(f"'from': {named!r}: {wrong[0]}", wrong[1])
    headers = table.get("headers", {})
    if not isinstance(headers, dict) or not all(isinstance(v, str) for v in headers.values()):
        raise _Wrong(f"'from': {named!r}: 'headers' is no table of texts")
    for header, value in headers.items():
        if not is_header_value(value):
            what = f"'from': {named!r}: the header {header!r} names no variable that holds it"
            raise _Wrong(what, f'write there: "{header}": "${{SOME_TOKEN}}"')
    return {"url": table["url"], **({"headers": dict(headers)} if headers else {})}


def _of_command(named: str, table: Mapping[str, Any]) -> dict[str, Any]:
    words = [table.get("command"), *_list(table.get("args", []))]
    env = table.get("env", {})
    texts = [*words, *(env.values() if isinstance(env, dict) else [None])]
    if not all(isinstance(one, str) for one in texts) or not words[0]:
        raise _Wrong(f"'from': {named!r}: 'command', 'args' and 'env' are no texts")
    if any(_WITH_DEFAULT.search(one) for one in texts):
        what = f"'from': {named!r}: a variable with a default, ${{NAME:-...}}, is not understood"
        raise _Wrong(what, "write the command into the settings instead")
    set_here = list(_set(named, env))
    command = " ".join([*set_here, *(["exec"]), *(_quoted(one) for one in words)])
    if not set_here and not any(named_in(one) for one in words):
        return {"command": words}
    passed = [variable for one in texts for variable in named_in(one)]
    return {"command": command, **({"env": passed} if passed else {})}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [None]


def _set(named: str, env: Mapping[str, str]) -> Iterator[str]:
    """What is set for the command alone, as the shell has it."""
    for name, value in env.items():
        if not _NAME.fullmatch(name):
            raise _Wrong(f"'from': {named!r}: {name!r} is no name of a variable")
        if named_in(value) != (name,) or VARIABLE.sub("", value):
            if not named_in(value) and is_telling(name, value):
                what = f"'from': {named!r} holds the value of {name}, which looks like a secret"
                raise _Wrong(what, f'write there: "{name}": "${{{name}}}", and export that')
            yield f"{name}={_quoted(value)}"


def _quoted(value: str) -> str:
    """A text for the shell, in which variables alone mean something."""
    parts: list[str] = []
    at = 0
    for found in VARIABLE.finditer(value):
        parts += [shlex.quote(value[at : found.start()])] if found.start() > at else []
        parts.append(f'"${{{found[1] or found[2]}}}"')
        at = found.end()
    if at < len(value) or not parts:
        parts.append(shlex.quote(value[at:]))
    return "".join(parts)
