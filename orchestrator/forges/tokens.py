"""The token for a forge: from the environment, else from the forge's own CLI; never from a file.

1. The variable that the settings name is the only one that counts, where they name one.
2. Else the usual ones count, and then `gh auth token` or `glab config get token` for that host.
   These are well-known: see `address` for where they may go.
3. A usual one is for the forge that everybody knows by that name, and for the host that the
   environment itself says it is for (`GH_HOST`, what a CI system says of its server): whoever
   cloned from somewhere else has not given it to that place, whatever the place is called.
4. A token is never part of what is said, and whoever shows anything of a call redacts it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ledger.connectors import ForgeSettings
from orchestrator.errors import OrchError
from orchestrator.forges.address import is_own_host, is_safe_way
from orchestrator.forges.base import ForgeKind, Repo

USUAL: Mapping[ForgeKind, tuple[str, ...]] = {
    "github": ("GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"),
    "gitlab": ("GITLAB_TOKEN", "GITLAB_ACCESS_TOKEN"),
}
WELL_KNOWN = frozenset(name for names in USUAL.values() for name in names)
_PRINTED = WELL_KNOWN | {"OAUTH_TOKEN"}
_HOMES: Mapping[ForgeKind, tuple[str, ...]] = {
    "github": ("GH_HOST", "GITHUB_SERVER_URL"),
    "gitlab": ("GITLAB_HOST", "GL_HOST", "GITLAB_URI", "CI_SERVER_URL", "CI_SERVER_HOST"),
}
"""Variables that say, as a host or an address, whose server the usual tokens are for."""
CLI_S = 10.0
_TOKEN = re.compile(r"[!-~]{8,1000}")


@dataclass(frozen=True)
class Token:
    """A token, and where it came from."""

    value: str = field(repr=False)
    source: str


def find_token(settings: ForgeSettings, repo: Repo, environ: Mapping[str, str]) -> Token | None:
    """The token for that repository; None where there is none. OrchError where it may not go."""
    if not is_safe_way(repo.api):
        raise OrchError(
            f"no token is sent to {repo.api}: it is not https",
            hint='below [forge]: url = "https://..."',
        )
    if settings.token is not None and settings.token not in WELL_KNOWN:
        return _from(environ, settings.token)
    if not is_own_host(repo):
        named = settings.token or USUAL[repo.kind][0]
        raise OrchError(
            f"your token ({named}) would go to another server than the remote's: {repo.api}",
            hint='name a variable of its own for it: token = "NAME" below [forge]',
        )
    home = is_home(repo, environ)
    if settings.token is not None and not home and environ.get(settings.token):
        raise _abroad(settings.token, repo)
    if settings.token is not None:
        return _from(environ, settings.token)
    for name in USUAL[repo.kind] if home else ():
        if (found := _from(environ, name)) is not None:
            return found
    return _from_cli(repo, environ)


def is_home(repo: Repo, environ: Mapping[str, str]) -> bool:
    """Whether the usual tokens are for the remote's host (rule 3)."""
    host = repo.host
    hosts = {_host(environ.get(name, "").strip()) for name in _HOMES[repo.kind]} - {""}
    if repo.kind == "github":
        return host == "github.com" or host.endswith(".ghe.com") or host in hosts
    return host == "gitlab.com" or host in hosts


def kept_back(settings: ForgeSettings, repo: Repo, environ: Mapping[str, str]) -> str | None:
    """The usual variable that is set and not for the remote's host, where none else is named."""
    if settings.token is not None or is_home(repo, environ):
        return None
    return next((name for name in USUAL[repo.kind] if environ.get(name)), None)


def _host(text: str) -> str:
    try:
        return urlsplit(text if "//" in text else f"//{text}").hostname or ""
    except ValueError:
        return ""


def _abroad(variable: str, repo: Repo) -> OrchError:
    forge = "github.com" if repo.kind == "github" else "gitlab.com"
    return OrchError(
        f"{variable} is not sent to {repo.host}: it is for {forge}, as far as can be told",
        hint=f"where it is for that server: export {_HOMES[repo.kind][0]}={repo.host};"
        ' or name a variable of its own: token = "NAME" below [forge]',
    )


def require_token(settings: ForgeSettings, repo: Repo, environ: Mapping[str, str]) -> Token:
    """The same; OrchError where there is none."""
    found = find_token(settings, repo, environ)
    if found is not None:
        return found
    if (kept := kept_back(settings, repo, environ)) is not None:
        raise _abroad(kept, repo)
    name = settings.token or USUAL[repo.kind][1 if repo.kind == "github" else 0]
    login = "gh auth login" if repo.kind == "github" else "glab auth login"
    also = "" if settings.token else f", or {login}"
    raise OrchError(
        f"there is no token for {repo.api}: {name} is not set", hint=f"export {name}=...{also}"
    )


def token_variables(settings: ForgeSettings | None) -> tuple[str, ...]:
    """The variables that may hold a token: what is in them is hidden everywhere."""
    named = (settings.token,) if settings and settings.token else ()
    return (*named, *sorted(WELL_KNOWN))


def _from(environ: Mapping[str, str], name: str) -> Token | None:
    value = environ.get(name, "").strip()
    if not value:
        return None
    if not _TOKEN.fullmatch(value):
        raise OrchError(
            f"{name} holds no token: spaces, or other letters", hint=f"export {name}=..."
        )
    return Token(value, name)


def _from_cli(repo: Repo, environ: Mapping[str, str]) -> Token | None:
    program, args = (
        ("gh", ("auth", "token", "--hostname", repo.host))
        if repo.kind == "github"
        else ("glab", ("config", "get", "token", "--host", repo.host))
    )
    found = shutil.which(program, path=environ.get("PATH"))
    if found is None or not found.startswith("/"):
        return None
    quiet = {"GH_PROMPT_DISABLED": "1", "NO_PROMPT": "1", "NO_COLOR": "1"}
    try:
        said = subprocess.run(
            (found, *args),
            # With one of these set both programs print it, for whichever host.
            env={k: v for k, v in environ.items() if k not in _PRINTED} | quiet,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=CLI_S,
            check=False,
            start_new_session=True,
            cwd="/",
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    value = said.stdout[:2000].decode("utf-8", "replace").strip()
    return Token(value, program) if said.returncode == 0 and _TOKEN.fullmatch(value) else None
