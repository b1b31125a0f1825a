"""The forge: whether results could be pushed and pull requests opened. Nothing is sent anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orchestrator.doctor.findings import Finding, Visit

_JOB = ("CI", "GITHUB_ACTIONS", "GITLAB_CI")
_SUBJECT = "forge"


def delivery(visit: Visit) -> Iterator[Finding]:
    """The remote, which forge it is on, and whether there is a token for it.

    Nothing is said where the settings name no forge, outside of a job: who never pushes needs none.
    """
    from orchestrator.errors import OrchError
    from orchestrator.forges.address import repo_of
    from orchestrator.forges.opening import USUAL
    from orchestrator.forges.tokens import USUAL as VARIABLES
    from orchestrator.forges.tokens import find_token, kept_back, require_token
    from worktree.remote import RemoteError, find_remote

    if visit.settings is None:
        return
    environ = visit.workplace.environ
    if visit.settings.forge is None and not in_job(environ):
        return
    settings = visit.settings.forge or USUAL
    try:
        remote = find_remote(visit.workplace.git, environ, settings.remote)
    except RemoteError as error:
        yield Finding(_SUBJECT, "odd", f"{error.what}: nothing can be pushed", error.hint)
        return
    where = f"{remote.name} ({remote.address.shown})"
    try:
        repo = repo_of(settings, remote.address)
        token = find_token(settings, repo, environ)
        if token is None and kept_back(settings, repo, environ):
            require_token(settings, repo, environ)  # it says why
    except OrchError as error:
        what = f"{where}: {error.message}"
        yield Finding(_SUBJECT, "odd", what, error.hint or "see [forge] in .agent/orch.toml")
        return
    if token is None:
        name = settings.token or VARIABLES[repo.kind][1 if repo.kind == "github" else 0]
        what = f"{where}: there is no token, so no pull request can be opened"
        hint = f"export {name}=...; in a job of GitHub's: env: {name}: ${{{{ github.token }}}}"
        yield Finding(
            _SUBJECT, "odd", what, hint if repo.kind == "github" else f"export {name}=..."
        )
        return
    what = f"pushes to {where}, pull requests at {repo.api} with the token of {token.source}"
    yield Finding(_SUBJECT, "good", what)


def in_job(environ: Mapping[str, str]) -> bool:
    """Whether this is a job of a CI system."""
    return any(environ.get(name, "").lower() in ("1", "true") for name in _JOB)
