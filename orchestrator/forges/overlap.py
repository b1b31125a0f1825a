"""Which open pull requests of orch's touch what a plan's tasks may change.

1. Which forge is asked is for `meant` to say; and only where there is a token.
2. It is a warning and never more: a forge that cannot be reached, or takes too long, is passed
   over, with a word.
3. A task without paths may change anything: it says nothing here.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from ledger.connectors import ForgeSettings
from ledger.model import Plan
from orchestrator.errors import OrchError, Problem
from orchestrator.forges.address import repo_of
from orchestrator.forges.base import PullRequest
from orchestrator.forges.http import Patience
from orchestrator.forges.opening import forge_of
from orchestrator.forges.tokens import find_token
from orchestrator.policy.paths import matches
from orchestrator.review.words import foreign, listed
from orchestrator.workplace import Workplace
from worktree.remote import find_remote
from worktree.values import GitError

OURS = "orch/"
WHOLE_S = 8.0
MOST_PULLS = 20
IMPATIENT = Patience(tries=1, connect_s=3.0, silence_s=3.0, whole_s=4.0)


@dataclass(frozen=True)
class Overlaps:
    """What was found, and why no more could be."""

    problems: tuple[Problem, ...] = ()
    passed_over: str = ""


def find_overlaps(
    workplace: Workplace, meant: ForgeSettings | None, plan: Plan, file: str
) -> Overlaps:
    """Warnings of a plan whose tasks' paths an open pull request of orch's touches."""
    tasks = [task for task in plan.tasks if task.paths]
    if meant is None or not tasks:
        return Overlaps()
    until = time.monotonic() + WHOLE_S
    found: list[Problem] = []
    try:
        remote = find_remote(workplace.git, workplace.environ, meant.remote)
        repo = repo_of(meant, remote.address)
        token = find_token(meant, repo, workplace.environ)
        if token is None:
            return Overlaps()
        forge = forge_of(repo, token, remote, workplace, IMPATIENT)
        ours = [one for one in forge.list_open() if one.branch.startswith(OURS)]
        for pull in ours[:MOST_PULLS]:
            if time.monotonic() > until:
                return Overlaps(tuple(found), "the forge takes too long")
            paths = forge.changed_paths(pull)
            for task in tasks:
                both = [path for path in paths if matches(task.paths, path)]
                if both:
                    found.append(_problem(task.id, pull, both, file))
    except (OrchError, GitError) as error:
        said = error.message if isinstance(error, OrchError) else error.what
        return Overlaps(tuple(found), foreign(said, 300))
    return Overlaps(tuple(found))


def _problem(task: str, pull: PullRequest, paths: list[str], file: str) -> Problem:
    names = listed((foreign(path, 80) for path in paths), 3)
    what = (
        f"task {task}: pull request {pull.number} ({foreign(pull.branch, 100)}) changes {names} too"
    )
    hint = "merge or close that first, or expect a conflict when both come in"
    return Problem(file, None, what, hint, "warning")
