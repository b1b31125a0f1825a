"""Where a remote is, read out of the address that git has for it. Pure.

1. Taken are paths, `file`, `https`, `http` and `ssh` addresses, and `user@host:path`. Whatever
   would start a program of the address's own choice (`ext::`, any `NAME::`) is refused, and so is
   what git or ssh could take for an option.
2. A user and a password may stand in an address; they are never in what is shown of it, and the
   password is not in what git is given as an argument, which everybody on the machine can read.
3. The user's own rewriting (`url.X.insteadOf`) is applied here, so that what was looked at is what
   git is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit

from worktree.names import quoted

Scheme = Literal["file", "http", "https", "ssh"]

_SCHEMES: dict[str, Scheme] = {
    "file": "file",
    "http": "http",
    "https": "https",
    "ssh": "ssh",
    "git+ssh": "ssh",
    "ssh+git": "ssh",
}
_PROGRAM = re.compile(r"[A-Za-z0-9+.-]+::")
_WITH_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SHORT = re.compile(
    r"(?:[A-Za-z0-9_.+-]+@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):(?P<path>.+)"
)
_LENGTH = 2000


class BadAddress(ValueError):
    """An address that is not used, and why."""


@dataclass(frozen=True)
class Address:
    """Where a remote is."""

    url: str = field(repr=False)
    """As git is given it; it may name a user."""
    scheme: Scheme
    host: str = ""
    """In small letters; empty where it is a path of this machine."""
    port: int | None = None
    path: str = ""
    """What it is called there, without slashes around it and without `.git`."""
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    """Those that stood in it, as the server is told them."""

    @property
    def shown(self) -> str:
        """For a person, without user and password."""
        if self.scheme == "file":
            return quoted(self.url.removeprefix("file://"))
        port = f":{self.port}" if self.port else ""
        return quoted(f"{self.scheme}://{self.host}{port}/{self.path}")


def parse_address(url: str) -> Address:
    """The address that a text is; BadAddress where it is not used."""
    if not url or len(url) > _LENGTH or re.search(r"[\x00-\x20\x7f]", url):
        raise BadAddress("it is empty, too long, or holds spaces or control characters")
    if url.startswith("-"):
        raise BadAddress("it begins with '-', which git would take for an option")
    if _PROGRAM.match(url):
        raise BadAddress("it names a program that git would start")
    scheme = _WITH_SCHEME.match(url)
    if scheme is not None:
        return _whole(url, scheme[1].lower())
    if url.startswith(("/", "./", "../")):
        return Address(url, "file", path=_name(url))
    short = _SHORT.fullmatch(url)
    if short is None:
        raise BadAddress("it is neither a path nor an address")
    _refuse_option(short["host"], short["path"])
    return Address(url, "ssh", short["host"].strip("[]").lower(), None, _name(short["path"]))


def _whole(url: str, scheme: str) -> Address:
    known = _SCHEMES.get(scheme)
    if known is None:
        raise BadAddress(f"'{quoted(scheme, 40)}' is no way to push; use https or ssh")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise BadAddress("it is no address") from None
    if known == "file":
        if host not in ("", "localhost"):
            raise BadAddress("a file address names another machine")
        return Address(url, "file", path=_name(parts.path))
    if not host or not parts.path.strip("/"):
        raise BadAddress("it names no repository on a host")
    _refuse_option(host, parts.path, parts.username or "")
    user, password = unquote(parts.username or ""), ""
    if known in ("http", "https") and parts.password:
        password = unquote(parts.password)
        if re.search(r"[\x00-\x1f\x7f]", user + password):
            raise BadAddress("its user or password holds control characters")
        named = f"{parts.username}@" if parts.username else ""
        url = parts._replace(netloc=named + parts.netloc.rpartition("@")[2]).geturl()
    return Address(url, known, host.lower(), port, _name(parts.path), user, password)


def _refuse_option(*parts: str) -> None:
    if any(part.startswith("-") for part in parts):
        raise BadAddress("a part of it begins with '-', which ssh would take for an option")


def _name(path: str) -> str:
    return path.strip("/").removesuffix(".git").rstrip("/")


def rewritten(
    url: str, rules: Iterable[tuple[str, str]], push_rules: Iterable[tuple[str, str]] = ()
) -> str:
    """The address after the user's rules (from, to); the longest that fits counts, push first."""
    for some in (push_rules, rules):
        fitting = [(old, new) for old, new in some if old and url.startswith(old)]
        if fitting:
            old, new = max(fitting, key=lambda rule: len(rule[0]))
            return new + url[len(old) :]
    return url
