"""The forge of a repository, ready to be asked."""

from __future__ import annotations

from ledger.connectors import ForgeSettings
from orchestrator.forges.address import repo_of
from orchestrator.forges.base import Forge, Repo
from orchestrator.forges.http import Caller, Patience
from orchestrator.forges.tokens import Token, require_token
from orchestrator.workplace import Workplace
from worktree.remote import Remote, find_remote

USUAL = ForgeSettings()


def open_forge(
    workplace: Workplace,
    settings: ForgeSettings | None,
    *,
    remote: Remote | None = None,
    patience: Patience | None = None,
) -> Forge:
    """The forge that a repository's remote is on; OrchError where none can be asked."""
    settings = settings or USUAL
    remote = remote or find_remote(workplace.git, workplace.environ, settings.remote)
    repo = repo_of(settings, remote.address)
    token = require_token(settings, repo, workplace.environ)
    return forge_of(repo, token, remote, workplace, patience or Patience())


def forge_of(
    repo: Repo, token: Token, remote: Remote, workplace: Workplace, patience: Patience
) -> Forge:
    """The forge of that kind."""
    from orchestrator.forges.github import HEADERS, GitHub
    from orchestrator.forges.gitlab import GitLab

    headers = HEADERS if repo.kind == "github" else {"accept": "application/json"}
    caller = Caller(repo, token, headers, workplace.environ, patience)
    if repo.kind == "gitlab":
        return GitLab(repo, caller)
    pushed_to = remote.address.path
    owner = pushed_to.split("/")[0] if remote.address.host and "/" in pushed_to else repo.owner
    return GitHub(repo, caller, owner)
