"""What a settings file may say of forges, and how a person hears what is wrong in it.

1. `[forge]` says where results are pushed to and where pull requests are opened. Without it, what
   the remote says is enough for the forges that everybody knows.
2. A token is never in a file: `token` names the variable that holds it, and what looks like a
   token itself is refused and not repeated.
3. The file that everybody shares cannot send a token of a forge that people have anyway to a
   server of its own choice: with another `url` it names a variable of its own. What is another's
   secret it cannot send to any forge: `secret_rules`.
   What it says of `url` and `token` is a part of what is trusted (`orch trust`).
4. Which branches are protected is the team's to say.
5. No child may be let have the variable that holds the token.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from ledger.connectors import ForgeSettings
from ledger.model import Settings
from orchestrator.errors import Problem
from orchestrator.forges.address import is_repository, is_safe_way
from orchestrator.forges.tokens import WELL_KNOWN as FORGE_TOKENS
from orchestrator.model_rules import KEY_VARIABLE, Owner
from orchestrator.shape import shape_problems
from orchestrator.toml_lines import Document, KeyPath
from worktree.names import is_remote_name

_OWN_HOSTS = ("api.github.com", "gitlab.com")


def forge_problems(document: Document, table: Mapping[str, Any], *, own: bool) -> Iterator[Problem]:
    """What is wrong in the table `[forge]` of a file; `own`: a person's own."""
    at: KeyPath = ("forge",)
    yield from shape_problems(ForgeSettings, table, document, at)
    remote, repository, url = (table.get(key) for key in ("remote", "repository", "url"))
    if own and "protected" in table:
        what = "'protected' is the team's to say"
        yield document.problem((*at, "protected"), what, "write it in .agent/orch.toml")
    if isinstance(remote, str) and not is_remote_name(remote):
        hint = 'write the name of one, as `git remote` lists them: remote = "origin"'
        yield document.problem(
            (*at, "remote"), f"'remote': {remote!r} is no name of a remote", hint
        )
    if isinstance(repository, str) and not is_repository(repository):
        what = f"'repository': {repository!r} is no repository of a forge"
        yield document.problem((*at, "repository"), what, 'write: repository = "owner/name"')
    if isinstance(url, str):
        yield from _url_problems(document, (*at, "url"), url)
    if "token" in table:
        yield from _token_problems(document, (*at, "token"), table["token"])
    if not own and isinstance(url, str):
        yield from _astray(document, at, url, table.get("token"))
    for position, name in enumerate(table.get("protected") or ()):
        if isinstance(name, str) and (not name.strip() or re.search(r"[\x00-\x20\x7f]", name)):
            what = f"'protected': {name!r} is no name of a branch"
            yield document.problem((*at, "protected", position), what, 'write: "stable" or "v*"')


def _url_problems(document: Document, at: KeyPath, url: str) -> Iterator[Problem]:
    hint = 'write the address of its API: url = "https://host/api/v4"'
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        yield document.problem(at, "'url' is no address", hint)
        return
    if parts.username is not None or parts.password is not None:  # never repeated: it is a secret
        what = "'url' holds a user or a password, and settings are read by everybody"
        yield document.problem(at, what, 'name the variable that holds it: token = "NAME"')
    elif (
        not parts.hostname
        or port == 0
        or parts.query
        or parts.fragment
        or re.search(r"[^!-~]", url)
    ):
        yield document.problem(at, f"'url': {url!r} is no address of a server", hint)
    elif not is_safe_way(url):
        yield document.problem(at, f"'url': {url!r} would send a token without https", hint)


def _token_problems(document: Document, at: KeyPath, token: Any) -> Iterator[Problem]:
    from workers.redact import Redactor

    hint = 'write the name of the variable that holds it: token = "FORGE_TOKEN"'
    if isinstance(token, str) and (
        not KEY_VARIABLE.fullmatch(token) or any(Redactor().find(token.encode()))
    ):
        what = "'token' is no name of a variable in capitals; a token itself belongs in no file"
        yield document.problem(at, what, hint)


def _astray(document: Document, at: KeyPath, url: str, token: Any) -> Iterator[Problem]:
    if not isinstance(token, str) or not token:
        return  # usual tokens go to the remote's own host alone, which is looked at then
    host = urlsplit(url).hostname if "[" not in url else ""
    if token not in FORGE_TOKENS or host in _OWN_HOSTS:
        return  # whether it is another's than a forge's, `secret_rules` say
    what = f"your token of a forge ({token}) would go to {host}"
    hint = "name a variable of its own here, or say this in .agent/orch.local.toml"
    yield document.problem((*at, "token"), what, hint)


def forge_problems_between(settings: Settings, owner: Owner) -> Iterator[Problem]:
    """What is wrong between `[forge]` and what children are let have (rule 5)."""
    token = settings.forge.token if settings.forge else None
    if token is None:
        return
    lists: list[tuple[KeyPath, tuple[str, ...]]] = [(("run", "env"), settings.env)]
    for name, worker in settings.workers.items():
        lists.append((("worker", name, "env"), getattr(worker, "env", ())))
    for at, variables in lists:
        document = owner.get(at if at[0] == "run" else at[:2])
        for position, variable in enumerate(variables):
            if document is not None and variable == token:
                what = f"'env': {token} is the token for the forge, which stays with orch"
                hint = "take it out; a program that needs one gets its own, by another name"
                yield document.problem((*at, position), what, hint)
