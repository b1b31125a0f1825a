"""What the rules of plans need to know of a repository: its files, its revisions, its settings."""

from __future__ import annotations

from collections.abc import Callable

from ledger.model import Settings
from orchestrator.base import newest_of
from orchestrator.policy.models import of_one_mind
from orchestrator.policy.plan_rules import RepositoryFacts
from orchestrator.workplace import Workplace


def survey(workplace: Workplace, settings: Settings) -> Callable[[str | None], RepositoryFacts]:
    """A function that looks at the repository for a base, and knows the settings."""

    def learn(base: str | None) -> RepositoryFacts:
        from orchestrator.verification.protected import protected_files

        files = files_of(workplace, base)
        return RepositoryFacts(
            files=files or frozenset(),
            base_exists=files is not None,
            workers=tuple(settings.workers),
            default_worker=settings.worker,
            judging=of_one_mind(settings),
            gates=tuple(gate.name for gate in settings.gates),
            servers={name: server.workers for name, server in settings.mcp.items()},
            protected=frozenset(protected_files(files or (), settings)),
        )

    return learn


def files_of(workplace: Workplace, base: str | None) -> frozenset[str] | None:
    """The files of a revision; None where there is no such revision."""
    from worktree.values import GitError

    try:
        commit = workplace.git.resolve(newest_of(base))
    except GitError as error:
        if error.kind != "no-such-revision":
            raise
        return None
    return frozenset(workplace.git.list_files(commit))
