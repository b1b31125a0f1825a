"""Programs of MCP servers that a worker could write anew, with what the server is given.

1. A server works in the workspace of the attempt. What lies there a worker changes with its own
   tools, and at the server's next start it runs with the server's variables and network.
2. That is a program or script by a path within the repository, also where PATH or a link leads
   there; what `npx` and its like look for in `node_modules` first; a module beside `python -m`.
3. It is told by the words of the command, as a shell would read them; nothing is started.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ledger.connectors import McpServer
from orchestrator.doctor.findings import Finding, Visit
from orchestrator.verification.protected import INTERPRETERS, simple_commands, unwrapped
from orchestrator.workplace import Workplace
from worktree.names import quoted

_OF_NODE = re.compile(r"npx|bunx|pnpx|yarn|pnpm|npm")
_PYTHON = re.compile(r"python[\d.]*|pypy[\d.]*")
_SAFE = re.compile(r"-[A-Za-z]*[IP][A-Za-z]*")
"""Python does not look beside itself for modules then."""
HINT = "install it outside of the repository, and write its whole path: command = [...]"


def programs(visit: Visit) -> Iterator[Finding]:
    """Servers whose program lies where workers write."""
    settings = visit.settings
    for name, server in sorted(settings.mcp.items()) if settings else ():
        if what := within(visit.workplace, server):
            yield Finding("mcp", "odd", f"[mcp.{name}]: {what}", f"{HINT} below [mcp.{name}]")


def within(workplace: Workplace, server: McpServer) -> str:
    """What of a server's command a worker can write anew, in words; empty where nothing."""
    if not server.workers:
        return ""  # it runs where no worker has written
    found = inside(server, workplace.checkout, workplace.environ.get("PATH", ""))
    return f"{found}: a worker can change what runs at its next start" if found else ""


def inside(server: McpServer, checkout: Path, path: str) -> str:
    """The same, without what it means; `path`: where programs are looked for."""
    if server.command is None:
        return ""
    if isinstance(server.command, str):
        commands = list(simple_commands(server.command))
        wrapped = server.command.split()
    else:
        wrapped = list(server.command)
        commands = [words] if (words := unwrapped(wrapped)) else []
    for words in commands:
        named = PurePosixPath(words[0]).name
        if place := _lies(words[0], checkout, path, by_wrapper=words[0] != wrapped[0]):
            return f"its program lies in the repository ({quoted(place)})"
        if _OF_NODE.fullmatch(named):
            return f"`{named}` looks into the node_modules of the workspace first"
        if not (INTERPRETERS.fullmatch(named) or _PYTHON.fullmatch(named)):
            continue
        options = words[1:]
        while options and options[0].startswith("-") and options[0] not in ("-m", "-c"):
            if _PYTHON.fullmatch(named) and _SAFE.fullmatch(options[0]):
                named = ""  # a module is none of the workspace's
            options = options[1:]
        if options[:1] == ["run"]:
            options = options[1:]
        if options[:1] == ["-m"] and _PYTHON.fullmatch(named):
            return f"`{named} -m` looks into the workspace for the module first"
        script = options[0] if options and options[0] not in ("-m", "-c") else ""
        if script and (place := _script(script, checkout)):
            return f"its script lies in the repository ({quoted(place)})"
    return ""


def _lies(word: str, checkout: Path, path: str, *, by_wrapper: bool) -> str:
    """Where in the repository a program lies; empty where it does not."""
    if "/" in word:
        return _script(word, checkout)
    if by_wrapper and (checkout / word).is_file():  # `uv run server.py`
        return word
    found = shutil.which(word, path=path)
    return _script(found, checkout) if found else ""


def _script(word: str, checkout: Path) -> str:
    """Where in the repository a file lies; a path that is not whole begins in the workspace."""
    top = checkout.resolve()
    whole = (checkout / word).absolute()
    for way in (whole, whole.resolve()):
        for root in (checkout.absolute(), top):
            if way.is_relative_to(root):
                return str(way.relative_to(root))
    return ""
