"""Under which name a result is pushed, and under which never. Pure.

1. The name is `orch/USER/RUN`: whose it is, and of which run. Nothing else is ever pushed.
2. Never pushed to: `main`, `master`, `trunk`, `develop`, `release/*`, what the settings protect,
   the run's target, and what the remote says is its own main branch.
3. A branch that this run has pushed moves on where that is a step forward. Where it is not (a
   selection, after another one), or where somebody else moved or made it, the next free name is
   taken: `orch/USER/RUN-2`. Nothing is forced, and nobody's branch is moved but our own.
4. A branch that holds the commit already is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from ledger.model import Sha

PROTECTED = ("main", "master", "trunk", "develop", "release/*", "releases/*", "HEAD")
MOST_NAMES = 50


@dataclass(frozen=True, slots=True)
class Way:
    """Where a commit goes on the remote."""

    branch: str
    how: Literal["new", "forward", "there"]


def user_slug(*words: str | None) -> str:
    """Whose branch it is, as a part of its name; the first of the words that says anything."""
    for text in words:
        slug = re.sub(r"[^a-z0-9]+", "-", (text or "").lower()).strip("-")[:40].strip("-")
        if slug:
            return slug
    return "somebody"


def branch_name(user: str, run: str) -> str:
    """The name on the remote, without `refs/heads/`."""
    return f"orch/{user}/{run}"


def protection(branch: str, patterns: Iterable[str], *others: str | None) -> str | None:
    """What protects a branch from being pushed to; None where nothing does."""
    if branch in (other for other in others if other):
        return branch
    every = (*PROTECTED, *patterns)
    return next((one for one in every if fnmatchcase(branch, one)), None)


def way_of(
    name: str,
    commit: Sha,
    there: Mapping[str, Sha],
    ours: Iterable[str],
    is_forward: Callable[[Sha], bool],
) -> Way | None:
    """Where a commit goes; None where no name is free.

    `there`: the remote's branches; `ours`: those that this run has pushed, or was about to;
    `is_forward`: whether the commit grew from another.
    """
    own = set(ours)
    for number in range(1, MOST_NAMES + 1):
        branch = name if number == 1 else f"{name}-{number}"
        at = there.get(branch)
        if at is None:
            return Way(branch, "new")
        if at == commit:
            return Way(branch, "there")
        if branch in own and is_forward(at):
            return Way(branch, "forward")
    return None
