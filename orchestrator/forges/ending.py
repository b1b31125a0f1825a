"""What becomes of a run's result at its end, each in a line: for automations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ledger.store import Store
from orchestrator.errors import OrchError
from orchestrator.review.words import short
from orchestrator.workplace import Workplace
from worktree.values import GitError

T = TypeVar("T")


def push_said(workplace: Workplace, store: Store, run: str) -> str:
    """Push the result, and say where it is; OrchError where it cannot be."""
    from orchestrator.forges.push import push_result

    made = _explained(lambda: push_result(workplace, store, run))
    if made.outcome == "nothing":
        return made.why
    return f"pushed to {made.remote} as {made.branch} at {short(made.commit)}"


def pull_request_said(workplace: Workplace, store: Store, run: str) -> str:
    """Push the result and open its pull request, or update it, and say which it is."""
    from orchestrator.forges.pull_request import open_pull_request

    made = _explained(lambda: open_pull_request(workplace, store, run))
    if made.pull is None:
        return made.pushed.why
    word = "opened" if made.is_new else "brought up to date"
    return f"pull request {made.pull.number} {word}: {made.pull.url}"


def _explained(work: Callable[[], T]) -> T:
    try:
        return work()
    except GitError as error:
        raise OrchError(error.what, hint=error.hint, exit_code=1) from error
