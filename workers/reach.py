"""Which hosts a child may reach: from the settings' words to yes or no. Pure.

1. An entry is a host, or `*.` and a domain, each with a port after a colon or without; a number
   that holds colons stands in brackets. Without a port it means 80 and 443.
2. `*.domain` means every host below the domain, not the domain itself.
3. Names are compared in small letters and without the dot at their end.
4. A name does not say where it leads: its owner may let it lead anywhere, also to this machine or
   into its network. So an address that is not public is reached only where the settings name that
   very address, alone or beside the name; `localhost` names this machine's own.
5. Programs ask no proxy for this machine's own loopback. So where the settings name a port of it,
   `localhost:5432`, that port is there within, too, and leads to the one out here.
6. What is not plainly a host and a port is refused.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

USUAL_PORTS = (80, 443)
PROXY_PORT = 19128
"""Of the loopback within, where a child finds its proxy; below those that children are given."""
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_-]{1,63})*")
_OWN = ("127.0.0.1", "::1")
LOWEST_PORT = 1024
"""Of those that a sandbox may listen at."""
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
"""Where networks without IPv4 show its addresses."""

NODE = "NODE_USE_ENV_PROXY"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Host:
    """One entry of the settings."""

    name: str
    ports: tuple[int, ...] = USUAL_PORTS
    below: bool = False
    """All hosts below that domain are meant."""

    @property
    def is_own(self) -> bool:
        """Whether this machine's loopback is meant."""
        return self.name == "localhost" or self.name in _OWN

    def means(self, name: str, port: int) -> bool:
        """Whether a host's port is meant."""
        if port not in self.ports:
            return False
        return name.endswith(f".{self.name}") if self.below else name == self.name


@dataclass(frozen=True)
class Allowance:
    """All that one child may reach."""

    hosts: tuple[Host, ...]

    def allows(self, name: str, port: int) -> bool:
        """Whether it may ask for that host; `name` as `parse_target` gives it."""
        return any(host.means(name, port) for host in self.hosts)

    @property
    def own_ports(self) -> tuple[int, ...]:
        """The ports of this machine's loopback that are to be there within, too."""
        own = (h for h in self.hosts if h.is_own)
        return tuple(dict.fromkeys(p for host in own for p in host.ports if p >= LOWEST_PORT))

    def allows_address(self, address: str, port: int) -> bool:
        """Whether a name may lead there."""
        found = parse_address(address)
        if found is None:
            return False
        if is_public(found):
            return True
        named = {str(found)} | ({"localhost"} if str(found) in _OWN else set())
        return any(host.means(name, port) for host in self.hosts for name in named)


Resolve = Callable[[str, int], Awaitable[Iterable[str]]]
"""The addresses of a name, the best first; OSError where there are none."""


@dataclass(frozen=True)
class Reach:
    """What a child may reach, and whom to tell what it may not."""

    allowance: Allowance
    sockets: Path
    """A folder for its socket, of the run's own, with a short path."""
    how: str
    """How to allow more, for a person."""
    refused: Callable[[str], None]
    """Is told each host that it may not reach, once; it must not raise."""
    resolve: Resolve | None = None
    """None: as this machine does."""


def proxy_variables() -> dict[str, str]:
    """What programs read to find the proxy, in both spellings that they use."""
    proxy = f"http://127.0.0.1:{PROXY_PORT}"
    found = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), proxy)
    found["NO_PROXY"] = "127.0.0.1,localhost,::1"
    # Node asks for a leave of its own.
    return found | {name.lower(): value for name, value in found.items()} | {NODE: "1"}


def allowance_of(texts: Iterable[str]) -> Allowance:
    """The allowance that settings write; ValueError for a text that is no entry."""
    hosts = []
    for text in texts:
        host = parse_host(text)
        if host is None:
            raise ValueError(f"{text!r} is no host")
        hosts.append(host)
    return Allowance(tuple(hosts))


def parse_host(text: str) -> Host | None:
    """An entry of the settings; None where it is none."""
    below = text.startswith("*.")
    found = _host_and_port(text.removeprefix("*."))
    if found is None or (below and parse_address(found[0]) is not None):
        return None
    name, port = found
    return Host(name, USUAL_PORTS if port is None else (port,), below)


def parse_target(text: str, default_port: int | None = None) -> tuple[str, int] | None:
    """The host and the port that somebody asks for; None where that is not plainly said."""
    found = _host_and_port(text)
    if found is None:
        return None
    name, port = found
    port = default_port if port is None else port
    return None if port is None else (name, port)


def render_target(name: str, port: int) -> str:
    """As it is written in settings."""
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def _host_and_port(text: str) -> tuple[str, int | None] | None:
    bracketed = re.fullmatch(r"\[([0-9A-Fa-f:.]+)\](?::([0-9]{1,5}))?", text)
    plain = bracketed or re.fullmatch(r"([^:\[\]]+)(?::([0-9]{1,5}))?", text)
    if plain is None:
        return None
    name, port = plain[1].lower().removesuffix("."), int(plain[2]) if plain[2] else None
    if port is not None and not 0 < port < 65536:
        return None
    if bracketed:
        address = parse_address(name)
        return (str(address), port) if address is not None else None
    return (name, port) if _NAME.fullmatch(name) else None


def parse_address(text: str) -> Address | None:
    """An address, IPv4 that is wrapped in IPv6 as what it is; None for everything else."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _TRANSLATED:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_public(address: Address) -> bool:
    """Whether it is an address of the public internet, as far as addresses tell."""
    if isinstance(address, ipaddress.IPv6Address):
        wrapped = address.sixtofour or (address.teredo[1] if address.teredo else None)
        if wrapped is not None and not is_public(wrapped):
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved
