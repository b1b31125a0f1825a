"""What every check of the doctor's takes and gives, and what becomes of one that cannot be made."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ledger.model import Settings
from ledger.schema import LedgerError
from orchestrator.errors import OrchError
from orchestrator.workplace import Workplace


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    level: Literal["good", "odd", "bad"]
    what: str
    hint: str = ""
    """What to type; empty only where all is good."""


@dataclass(frozen=True, slots=True)
class Visit:
    """Where the doctor is."""

    workplace: Workplace
    config_folder: Path
    """The user's own, for all repositories."""
    settings: Settings | None
    """None where they cannot be read: what asks for them says nothing."""
    problems: tuple[Finding, ...] = ()
    """Why they cannot be read."""


Check = Callable[[Visit], Iterator[Finding]]


def guarded(
    subject: str, check: Callable[..., Iterator[Finding]], *arguments: object
) -> list[Finding]:
    """What a check found; that it could not be made is itself a finding."""
    from worktree.values import GitError

    try:
        return list(check(*arguments))
    except (GitError, LedgerError, OrchError, OSError) as error:
        return [refused(subject, error)]


def refused(subject: str, error: Exception) -> Finding:
    """An error as a finding."""
    if isinstance(error, OSError):
        hint = f"ls -ld {shlex.quote(str(error.filename or '.'))}"
        return Finding(subject, "bad", f"could not be looked at: {error}", hint)
    said = getattr(error, "what", None) or getattr(error, "message", None) or str(error)
    hint = getattr(error, "hint", "") or "git fsck says whether the repository is whole"
    return Finding(subject, "bad", said, hint)
