"""Runs whose refs are here and that no ledger tells of: it was removed, or is another machine's.

Nothing of orch's names what such refs hold, so a person says what becomes of them.
"""

from __future__ import annotations

from collections.abc import Collection

from ledger.model import RunId
from worktree.git import Git
from worktree.names import BRANCHES, REFS, result_branch, run_refs


def untold_runs(git: Git, told: Collection[RunId]) -> tuple[RunId, ...]:
    """The runs that have refs here and are none of those that the ledger tells of, the newest last.

    A branch below `orch/` that is no result may be a person's, and is evidence of nothing.
    """
    runs = {ref.removeprefix(REFS).partition("/")[0] for ref in git.list_refs(REFS)}
    for ref in git.list_refs(BRANCHES):
        run, _, name = ref.removeprefix(BRANCHES).partition("/")
        if name == "result":
            runs.add(run)
    return tuple(sorted(runs.difference(told)))


def what_to_type(run: RunId) -> str:
    """How a person keeps the result of such a run, and how they remove its refs."""
    branch = result_branch(run)
    listed = f"git for-each-ref --format='delete %(refname)' {run_refs(run)} {branch}"
    keep = f"git branch NAME {branch.removeprefix('refs/heads/')} keeps its result"
    return f"{keep}; {listed} | git update-ref --stdin removes its refs"
