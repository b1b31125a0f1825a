"""The settings: whether they can be read, and whether the files that they name are there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ledger.model import Settings
from orchestrator.doctor.findings import Finding, Visit, refused
from orchestrator.errors import OrchError, Problem, Problems
from orchestrator.review.words import count
from orchestrator.workplace import Workplace
from worktree.names import quoted


def read_settings(
    workplace: Workplace, config_folder: Path
) -> tuple[Settings | None, tuple[Finding, ...]]:
    """The settings; else what is wrong with them."""
    from orchestrator.config import load_settings

    try:
        return load_settings(workplace.checkout, config_folder), ()
    except Problems as error:
        return None, tuple(_found(problem) for problem in error.problems)
    except (OrchError, OSError) as error:
        return None, (refused("settings", error),)


def settings(visit: Visit) -> Iterator[Finding]:
    """What the settings hold, and the files that workspaces are to get."""
    from orchestrator.config import refuse_missing_copies

    yield from visit.problems
    if visit.settings is None:
        return
    gates, workers = len(visit.settings.gates), len(visit.settings.workers)
    try:
        refuse_missing_copies(visit.workplace.checkout, visit.settings)
    except Problems as error:
        yield from (_found(problem) for problem in error.problems)
    else:
        what = f"{count(gates, 'gate')}, {count(workers, 'worker')}"
        yield Finding("settings", "good", what)


def _found(problem: Problem) -> Finding:
    place = f"{problem.file}:{problem.line or 1}: " if problem.file else ""
    hint = problem.hint or f"edit {problem.file or '.agent/orch.toml'}"
    return Finding("settings", "bad", f"{place}{problem.what}", quoted(hint, 300))
