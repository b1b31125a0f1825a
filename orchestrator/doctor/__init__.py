"""What is missing or odd here, and what to type.

1. It looks and changes nothing: no lock is taken, no file is made.
2. Each finding is one line: `good`, `odd` (a run works, but somebody should know) or `bad`
   (a run would be refused, or would go wrong).
3. A check that cannot be made is itself a finding; the others are made all the same.
4. What is not good says what to type.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from orchestrator.doctor.delivery import delivery
from orchestrator.doctor.findings import Check, Finding, Visit, guarded, refused
from orchestrator.doctor.gates import gates, imports, workers
from orchestrator.doctor.kept import ledger, leftovers
from orchestrator.doctor.machine import disk, git_version, installation
from orchestrator.doctor.programs import programs
from orchestrator.doctor.repository import branches, checkout, identity
from orchestrator.doctor.sandbox import sandbox
from orchestrator.doctor.settings import read_settings, settings
from orchestrator.doctor.trust import trust
from orchestrator.errors import OrchError
from orchestrator.workplace import open_workplace

__all__ = ["Finding", "examine"]

CHECKS: tuple[tuple[str, Check], ...] = (
    ("identity", identity),
    ("checkout", checkout),
    ("branches", branches),
    ("ledger", ledger),
    ("leftovers", leftovers),
    ("settings", settings),
    ("trust", trust),
    ("disk", disk),
    ("gates", gates),
    ("imports", imports),
    ("workers", workers),
    ("sandbox", sandbox),
    ("mcp", programs),
    ("forge", delivery),
)
"""What is looked at in a repository, in this order."""


def examine(
    start: Path, environ: Mapping[str, str], user_config_folder: Path
) -> tuple[Finding, ...]:
    """Every finding, in the order of looking."""
    from worktree.values import GitError

    found = [*guarded("git", git_version), *guarded("installation", installation)]
    try:
        workplace = open_workplace(start, environ)
    except (GitError, OrchError) as error:
        return (*found, refused("repository", error))
    found.append(Finding("repository", "good", str(workplace.checkout)))
    read, problems = read_settings(workplace, user_config_folder)
    visit = Visit(workplace, user_config_folder, read, problems)
    for subject, check in CHECKS:
        found += guarded(subject, check, visit)
    return tuple(found)
