"""The repository: who commits, where the checkout stands, whether orch's names are free."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.doctor.findings import Finding, Visit
from orchestrator.review.words import count


def identity(visit: Visit) -> Iterator[Finding]:
    """In whose name commits are made."""
    user = visit.workplace.user
    if user.name and user.email:
        signs = ", signed" if user.signing else ""
        yield Finding("identity", "good", f"commits are made as {user.name} <{user.email}>{signs}")
        return
    hint = "git config --global user.name 'You' && git config --global user.email you@example.org"
    yield Finding("identity", "bad", "git does not know who you are", hint)


def checkout(visit: Visit) -> Iterator[Finding]:
    """Where the checkout stands."""
    from worktree.user import checkout_state

    state = checkout_state(visit.workplace.repository, visit.workplace.user)
    if state.head is None:
        hint = "git add -A && git commit -m 'First commit'"
        yield Finding("checkout", "bad", "no commit yet: a run starts from one", hint)
        return
    if state.branch is None:
        what = "HEAD is detached: a run has no target"
        yield Finding(
            "checkout", "odd", what, "git switch BRANCH, or later orch accept --to BRANCH"
        )
    if state.operation:
        what = f"a {state.operation} is under way; runs start from the commit, accept is refused"
        yield Finding("checkout", "odd", what, "git status says how to end it")
    if state.dirty_count:
        files = count(state.dirty_count, "changed file")
        what = f"{files} not committed: runs start from the commit"
        yield Finding("checkout", "odd", what, "git commit, where workers should see them")
    if state.shallow:
        what = "the clone is shallow: history ends early, merges and bundles may be refused"
        hint = "git fetch --unshallow; in a job: fetch-depth: 0 (GIT_DEPTH: 0 on GitLab)"
        yield Finding("checkout", "odd", what, hint)
    if state.partial:
        what = "the clone is partial: missing objects are not fetched while a run goes on"
        yield Finding("checkout", "odd", what, "git fetch --refetch --no-filter")
    if state.submodules:
        what = "there are submodules: workspaces have their folders empty, changing them is refused"
        yield Finding("checkout", "odd", what, 'where gates need them: setup = ["..."]')
    if state.lfs:
        what = "files are kept by LFS: workspaces hold their pointers, not their content"
        yield Finding("checkout", "odd", what, "where gates need the content, copy it: copy_gates")
    on = (state.branch or "a detached HEAD").removeprefix("refs/heads/")
    yield Finding("checkout", "good", f"on {on}")


def branches(visit: Visit) -> Iterator[Finding]:
    """Whether a branch is in the way of orch's own."""
    from worktree.landing import name_conflict

    conflict = name_conflict(visit.workplace.git)
    if conflict is None:
        yield Finding("branches", "good", "the names orch/... are free")
        return
    name = conflict.removeprefix("refs/heads/")
    what = f"the branch '{name}' is in the way of orch's branches (orch/RUN/result)"
    yield Finding("branches", "bad", what, f"git branch -m {name} {name}-work")
