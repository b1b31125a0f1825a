"""What whoever looks on sees of a repository: files that git does not ignore, and refs that moved.

Looking takes no locks and writes nothing.
"""

from __future__ import annotations

from pathlib import Path

from worktree.git import Git
from worktree.user import UserSettings, in_checkout
from worktree.values import Repository

Stamp = tuple[object, ...]


def visible_paths(repository: Repository, settings: UserSettings) -> tuple[str, ...]:
    """Files of the checkout that git tracks or would add; tracked ones may be gone."""
    kinds = ("--cached", "--others", "--exclude-standard")
    said = in_checkout(repository, settings, "ls-files", "-z", *kinds, "--full-name")
    paths = said.out.decode("utf-8", "surrogateescape").split("\0")
    # A repository within this one is told as a folder: what is in it is its own.
    return tuple(dict.fromkeys(path for path in paths if path and not path.endswith("/")))


def ref_stamp(repository: Repository, ref: str) -> Stamp:
    """Differs from an earlier one when the ref may have moved: a look at files, no git is asked."""
    common = repository.common_dir
    stores = (common / ref, common / "packed-refs", common / "reftable" / "tables.list")
    return tuple(_stamp(path) for path in stores)


def only_by_orch(git: Git, old: str, new: str) -> bool:
    """Whether all that came onto a branch, along first parents, was made and landed by orch."""
    if not git.exists(old) or not git.is_ancestor(old, new):
        return False
    came = git.first_parents(new, old)
    return bool(came) and all("\nOrch-Run: " in git.read_commit(one).message for one, _ in came)


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
