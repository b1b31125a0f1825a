"""Where a run begins: a commit, and the branch that its result is meant for.

1. Without a revision it is the commit that the checkout is on, and the branch that it is on.
2. A revision that is the name of a branch makes that branch the target; any other has none. Nor has
   a branch below `orch/`: it goes with the run that it was made for.
3. `last-green` stands for a commit of the branch that would be the target without it. Which one is
   found by `last_green`, before anything is recorded; until then it counts as the newest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ledger.model import LAST_GREEN, Sha
from orchestrator.errors import OrchError
from orchestrator.workplace import Workplace
from worktree.git import Git
from worktree.names import check_ref, target_problem


@dataclass(frozen=True)
class Base:
    """Where a run begins."""

    commit: Sha
    target: str | None
    said: str = ""
    """Why it is not the newest commit; to be said loudly."""
    hint: str = ""


def newest_of(revision: str | None) -> str:
    """The revision to look at for a base, whichever commit of its branch is taken in the end."""
    return "HEAD" if revision in (None, LAST_GREEN) else revision or "HEAD"


def newest_base(workplace: Workplace, revision: str | None) -> Base:
    """The commit of a revision, and the target; OrchError for `last-green`."""
    from worktree.user import current_branch

    git = workplace.git
    if revision == LAST_GREEN:
        raise OrchError(
            f"nobody has looked yet which commit is meant by {LAST_GREEN}",
            hint=f"orch run --base {LAST_GREEN}",
        )
    commit = git.resolve(newest_of(revision))
    target = current_branch(workplace.repository) if not revision else None
    if revision and is_branch_name(revision):
        ref = f"refs/heads/{revision}"
        target = ref if git.read_ref(ref) else None
    name = target.removeprefix("refs/heads/") if target else None
    return Base(commit, None if name is None or target_problem(name) else name)


def is_branch(git: Git, name: str) -> bool:
    """Whether there is a branch of that name here."""
    try:
        return bool(name) and git.read_ref(check_ref(f"refs/heads/{name}")) is not None
    except ValueError:
        return False


def is_branch_name(revision: str) -> bool:
    """Whether a revision may be the name of a branch, rather than an expression."""
    return re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_./-]*", revision) is not None and (
        ".." not in revision
    )
