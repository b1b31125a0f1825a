"""Which tools of its servers a model is given, under which names. Pure.

1. What the settings allow, by patterns with `*` and `?` in which nothing else means anything.
2. A tool is called `mcp__SERVER__TOOL`, of signs that every provider takes, and never like another.
3. All descriptions together have a bounded part of the window, and there are no more than so many
   tools: a request begins with all of them. Servers take turns, so that a large one leaves room for
   the others; what has no room is left out, and counted.
4. The order is by server and name, so that requests begin alike whatever order a server has.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workers.mcp.schema import Clean, bounded_schema, cut

MOST_TOOLS = 64
SHARE = 0.04
"""Of the window, for all descriptions."""
LEAST_CHARS = 4_000
DESCRIPTION_CHARS = 700
NAME_CHARS = 64
TOOL_CHARS = 40


@dataclass(frozen=True)
class Listed:
    """A tool as its server tells of it."""

    name: str
    description: str = ""
    schema: Mapping[str, Any] = field(default_factory=dict)
    read_only: bool = False
    """The server says that it changes nothing. It may be wrong."""


@dataclass(frozen=True)
class Offered:
    """A tool as a model has it."""

    name: str
    server: str
    tool: str
    description: str
    schema: dict[str, Any]
    read_only: bool

    @property
    def chars(self) -> int:
        """What it takes of a request."""
        return len(self.name) + len(self.description) + len(json.dumps(self.schema))


@dataclass(frozen=True)
class Catalogue:
    """What a model is given, and how many tools of which servers had no room."""

    offered: tuple[Offered, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def chars(self) -> int:
        return sum(one.chars for one in self.offered)


def is_allowed(tool: str, patterns: Iterable[str]) -> bool:
    """Whether a tool is one of those (rule 1)."""
    return any(re.fullmatch(_regex(pattern), tool, re.DOTALL) for pattern in patterns)


def _regex(pattern: str) -> str:
    # Many stars in a row mean what one does, and would be looked at in every way.
    plain = re.sub(r"\*+", "*", pattern)
    signs = {"*": ".*", "?": "."}
    return "".join(signs.get(sign) or re.escape(sign) for sign in plain)


def make_catalogue(
    listed: Mapping[str, Sequence[Listed]], window_tokens: int, clean: Clean
) -> Catalogue:
    """What a model with that window is given of tools that are allowed, by server."""
    room = max(LEAST_CHARS, int(window_tokens * 4 * SHARE))
    queue: list[tuple[int, str, Listed]] = []
    for server, tools in listed.items():
        unique = {tool.name: tool for tool in tools}
        queue += [(n, server, unique[name]) for n, name in enumerate(sorted(unique))]
    names: set[str] = set()
    offered: list[Offered] = []
    left_out: dict[str, int] = {}
    for _, server, tool in sorted(queue, key=lambda one: one[:2]):
        one = _offer(server, tool, names, clean) if len(offered) < MOST_TOOLS else None
        if one is None or one.chars > room:
            left_out[server] = left_out.get(server, 0) + 1
            continue
        room -= one.chars
        names.add(one.name)
        offered.append(one)
    return Catalogue(tuple(sorted(offered, key=lambda one: (one.server, one.tool))), left_out)


def _offer(server: str, tool: Listed, taken: set[str], clean: Clean) -> Offered:
    description = cut(" ".join(clean(tool.description).split()), DESCRIPTION_CHARS)
    return Offered(
        name=_name(server, tool.name, taken),
        server=server,
        tool=tool.name,
        description=f"[{server}] {description}".rstrip(),
        schema=bounded_schema(tool.schema, clean),
        read_only=tool.read_only,
    )


def _name(server: str, tool: str, taken: set[str]) -> str:
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", tool)
    name = f"mcp__{server}__{plain}"
    if plain == tool and len(name) <= NAME_CHARS and name not in taken:
        return name
    # Of the name itself: the same whatever else the server has.
    sign = hashlib.sha256(tool.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return f"{name[: NAME_CHARS - 7]}_{sign}"
