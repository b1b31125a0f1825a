"""Which repository of which forge a remote is, and where its API is. Pure.

1. What the settings say counts; else the remote's host tells which kind of forge it is, and its
   path which repository.
2. A well-known token goes to the remote's own host, or to the API of that host, and nowhere else
   (and there only where it is for that host, see `tokens`): whoever wants another server names a
   variable of its own for it.
3. A token goes through https, or to this machine.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from ledger.connectors import ForgeSettings
from orchestrator.errors import OrchError
from orchestrator.forges.base import ForgeKind, Repo
from worktree.address import Address

_SAME = {"ssh.github.com": "github.com", "altssh.gitlab.com": "gitlab.com"}
"""Hosts that serve ssh for another one."""
_REPOSITORY = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_.][A-Za-z0-9_.-]*)+")
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def repo_of(settings: ForgeSettings, address: Address) -> Repo:
    """The repository; OrchError where neither the settings nor the remote say enough."""
    host = _SAME.get(address.host, address.host)
    kind = settings.kind or kind_of(host)
    if kind is None:
        where = f"from {address.shown}" if host else f"from the path {address.shown}"
        raise OrchError(
            f"which kind of forge it is cannot be told {where}",
            hint='below [forge]: kind = "github" or "gitlab", and url = "..." where it is needed',
        )
    name = settings.repository or address.path
    if not is_repository(name) or (address.scheme == "file" and not settings.repository):
        raise OrchError(
            f"which repository it is cannot be told from {address.shown}",
            hint='below [forge]: repository = "owner/name"',
        )
    if kind == "github" and name.count("/") != 1:
        raise OrchError(
            f"'{name}' is no repository of GitHub's",
            hint='below [forge]: repository = "owner/name"',
        )
    if settings.url is None and not host:
        raise OrchError(
            "a remote on this machine has no forge",
            hint='below [forge]: url = "https://host/api"',
        )
    api = (settings.url or _api(kind, host, address)).rstrip("/")
    return Repo(kind, name, api, host)


def is_repository(name: str) -> bool:
    """Whether it is the name of a repository: `owner/name`, or with groups in between."""
    return _REPOSITORY.fullmatch(name) is not None and ".." not in name


def kind_of(host: str) -> ForgeKind | None:
    """What kind of forge a host is, by its name; None where that does not tell."""
    labels = re.split(r"[.-]", host)
    if "github" in labels or host.endswith(".ghe.com"):
        return "github"
    return "gitlab" if "gitlab" in labels else None


def _api(kind: ForgeKind, host: str, address: Address) -> str:
    if kind == "github":
        if host == "github.com":
            return "https://api.github.com"
        return f"https://api.{host}" if host.endswith(".ghe.com") else f"https://{host}/api/v3"
    port = f":{address.port}" if address.scheme == "https" and address.port else ""
    return f"https://{host}{port}/api/v4"


def is_own_host(repo: Repo) -> bool:
    """Whether its API is on the remote's own host (rule 2)."""
    host = urlsplit(repo.api).hostname or ""
    return bool(repo.host) and host in (repo.host, f"api.{repo.host}")


def is_safe_way(api: str) -> bool:
    """Whether a token may go there (rule 3)."""
    parts = urlsplit(api)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
