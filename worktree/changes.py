"""Changes without their history: brought onto a commit, or taken out of it, one after the other.

A change is what differs between two commits. Its reverse takes it out. What comes of it is one
commit with one parent: the history that the changes came with is not the commit's own.
"""

from __future__ import annotations

from worktree.candidate import Candidate, Conflict, three_way
from worktree.git import Git
from worktree.values import Person, Signing, check_id

Change = tuple[str, str]
"""The commits that it leads from and to."""


def apply_changes(
    git: Git,
    onto: str,
    changes: tuple[Change, ...],
    message: str,
    author: Person,
    *,
    signing: Signing | None = None,
    attributes: str | None = None,
) -> Candidate | Conflict:
    """One commit on `onto` with all changes; Conflict names the first that does not merge."""
    tree = changed_tree(git, onto, changes, attributes=attributes)
    if isinstance(tree, Conflict):
        return tree
    commit = git.commit_tree(tree, (onto,), message, author, signing=signing)
    return Candidate(commit, tree)


def changed_tree(
    git: Git, onto: str, changes: tuple[Change, ...], *, attributes: str | None = None
) -> str | Conflict:
    """The tree of `onto` with all changes; Conflict names the first that does not merge."""
    tree = git.tree_of(onto)
    for index, (before, after) in enumerate(changes):
        trees = (git.tree_of(before), tree, git.tree_of(after))
        merged = three_way(git, *trees, attributes=attributes)
        if isinstance(merged, Conflict):
            return Conflict(index, merged.paths, onto)
        tree = merged
    return tree


def merge_base(git: Git, one: str, other: str) -> str | None:
    """The newest commit that both histories hold; None where they share nothing."""
    said = git.answer("merge-base", check_id(one), check_id(other), ok=(0, 1))
    return said.out.decode("ascii", "replace").strip() or None


def history_since(git: Git, commit: str, base: str) -> frozenset[str]:
    """The commits that a commit's history holds, itself included, and the base's does not."""
    out = git.run("rev-list", check_id(commit), f"^{check_id(base)}")
    return frozenset(out.decode("ascii", "replace").split())


def commits_without(git: Git, commit: str, other: str) -> int:
    """How many commits a commit's history holds that the other's does not."""
    out = git.run("rev-list", "--count", check_id(commit), f"^{check_id(other)}")
    return int(out.decode("ascii", "replace").strip() or 0)


def latest(git: Git, commits: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the commits that no other of them grew from."""
    if len(commits) < 2:
        return commits
    out = git.run("merge-base", "--independent", *map(check_id, commits))
    return tuple(out.decode("ascii", "replace").split())
