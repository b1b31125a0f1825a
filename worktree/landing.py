"""Moving refs: the run's own result, and, when a person accepts it, a branch of theirs.

1. `refs/orch/<run>/tip` is where the result stands. It moves from the value that was judged
   against to the candidate that was judged, or not at all.
2. The result branch moves with it in one transaction, unless a worktree has it checked out (its
   files would show reversals) or somebody moved it: then it stays behind, and nothing is lost.
3. A branch of the user's that no worktree has checked out moves by compare-and-swap, and only
   forward. One that is checked out moves only by a fast-forward in that checkout, only when it is
   clean and nothing is under way there, with the user's own filters and without hooks.
4. Nothing is ever forced, and no symbolic ref is followed.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from worktree.git import Git
from worktree.names import (
    BRANCHES,
    candidate_ref,
    check_ref,
    quoted,
    result_branch,
    run_branches,
    run_refs,
    tip_ref,
)
from worktree.user import (
    UserSettings,
    dirty_paths,
    in_checkout,
    operation_in,
    read_user_settings,
)
from worktree.values import GitError, RefMoved, RefUpdate

_MERGE_TIMEOUT_S = 1800.0
_AGAIN = "judge it on the branch as it is now: orch accept"
_ELSEWHERE = (
    "or bring it into another branch, which needs no clean checkout: orch accept --to BRANCH"
)


@dataclass(frozen=True)
class Accepted:
    """The target now is, or has, the commit."""

    ref: str
    old: str | None
    new: str
    how: Literal["fast-forward", "moved", "created", "already"]
    """`fast-forward`: in a checkout, with its files."""


@dataclass(frozen=True)
class Refused:
    """The target was not moved, and why."""

    why: str
    hint: str


@dataclass(frozen=True)
class Place:
    """A worktree of the user's that has a branch checked out."""

    git_dir: Path
    tree: Path


# --- the run's own result -------------------------------------------------------------------


def open_result(git: Git, run: str, base: str) -> str:
    """Makes a run's tip and result branch at a commit, or finds them; where the tip stands."""
    tip, branch = tip_ref(run), result_branch(run)
    try:
        git.update_refs([RefUpdate(tip, base, None), RefUpdate(branch, base, None)])
        return base
    except RefMoved:
        found = git.read_ref(tip)
        if found is None:
            # Somebody removed it beside a branch that is there: the branch follows, if it can.
            git.update_refs([RefUpdate(tip, base, None)])
            return base
        return found


def land(git: Git, run: str, candidate: str, expected_tip: str, *, ref: str | None = None) -> bool:
    """Moves the result from the tip to the candidate; False where the tip stood elsewhere.

    `ref`, which named the candidate so far, goes in the same transaction.
    """
    tip, branch = tip_ref(run), result_branch(run)
    move = RefUpdate(tip, candidate, expected_tip)
    moves = [move] if ref is None else [move, RefUpdate(ref, None, candidate)]
    if checked_out(git, branch) is None:
        try:
            git.update_refs([*moves, RefUpdate(branch, candidate, expected_tip)])
            return True
        except RefMoved:
            if git.read_ref(tip) != expected_tip:
                return False
    try:
        git.update_refs([move])
    except RefMoved:
        return False
    return True


def drop_candidates(git: Git, run: str) -> None:
    """Removes the refs of candidates that nothing came of."""
    prefix = candidate_ref(run, "x").removesuffix("x")
    refs = git.list_refs(prefix)
    git.update_refs(RefUpdate(ref, None, commit) for ref, commit in refs.items())


def result_follows(git: Git, run: str, landed: str | None = None) -> bool:
    """Brings a result branch that stayed behind up to what landed; whether it is there now.

    Absent, that is the tip. Where somebody else moved the tip, what is there was not judged.
    """
    refs = git.list_refs(run_refs(run), run_branches(run))
    tip, branch = refs.get(tip_ref(run)), refs.get(result_branch(run))
    tip = tip and (landed or tip)
    if tip is None or tip == branch:
        return tip is not None
    if checked_out(git, result_branch(run)) is not None:
        return False
    if branch is not None and not git.is_ancestor(branch, tip):
        return False
    try:
        git.update_refs([RefUpdate(result_branch(run), tip, branch)])
    except RefMoved:
        return False
    return True


def name_conflict(git: Git, run: str | None = None) -> str | None:
    """The user's branch that leaves no room for `orch/...` branches, if there is one."""
    names = [BRANCHES.rstrip("/")]
    if run is not None:
        names.append(run_branches(run).rstrip("/"))
    found = git.list_refs(names[0])
    return next((name.removeprefix("refs/heads/") for name in names if name in found), None)


# --- a branch of the user's -----------------------------------------------------------------


def checked_out(git: Git, ref: str) -> Place | None:
    """The user's worktree that has a branch checked out, also in the middle of a rebase of it."""
    common = git.repository.common_dir
    folders = [common]
    with contextlib.suppress(OSError):
        folders += sorted((common / "worktrees").iterdir())
    wanted = check_ref(ref).encode()
    for folder in folders:
        for name in ("HEAD", "rebase-merge/head-name", "rebase-apply/head-name"):
            try:
                said = (folder / name).read_bytes()
            except OSError:
                continue
            if said.removeprefix(b"ref:").strip() != wanted:
                continue
            tree = _tree_at(git, folder)
            # What an agent switched its workspace to is no checkout of the user's.
            if tree is not None and not (tree.parent / ".index" / folder.name).exists():
                return Place(folder, tree)
    return None


def _tree_at(git: Git, folder: Path) -> Path | None:
    repository = git.repository
    if folder == repository.git_dir:
        return repository.checkout
    if folder == repository.common_dir:
        said = git.run_refs("config", "--type=bool", "--get", "core.bare", ok=(0, 1, 128))
        # A bare repository's HEAD is nobody's checkout.
        return None if said.out.strip() == b"true" else folder.parent
    try:
        return Path(os.fsdecode((folder / "gitdir").read_bytes()).strip()).parent
    except OSError:
        return None


def check_accept(git: Git, ref: str, settings: UserSettings | None = None) -> Refused | None:
    """Why a branch could not move now, known before anything is judged; None where it could.

    Absent settings are read from the environment as it is.
    """
    if (place := checked_out(git, ref)) is None:
        return None
    settings = settings or read_user_settings(git.repository, os.environ)
    name, where = quoted(ref.removeprefix("refs/heads/")), quoted(str(place.tree))
    operation = operation_in(place.git_dir)
    if operation is not None:
        return Refused(
            f"{name} is checked out in {where}, in the middle of a {operation}",
            f"end it: git {operation} --continue or --abort; {_ELSEWHERE}",
        )
    dirty = dirty_paths(git.repository, settings, git_dir=place.git_dir, tree=place.tree)
    if dirty:
        shown = ", ".join(quoted(path) for path in dirty[:3])
        more = f" and {len(dirty) - 3} more" if len(dirty) > 3 else ""
        return Refused(
            f"{name} is checked out in {where}, which has changes of yours: {shown}{more}",
            f"commit or stash them; {_ELSEWHERE}",
        )
    return None


def accept_commit(
    git: Git,
    ref: str,
    commit: str,
    expected: str | None,
    settings: UserSettings | None = None,
    *,
    reason: str = "orch accept",
) -> Accepted | Refused:
    """Brings a judged commit into a branch that was judged at `expected`; None makes the branch.

    Absent settings are read from the environment as it is.
    """
    name = quoted(check_ref(ref).removeprefix("refs/heads/"))
    found = git.read_ref(ref)
    if found is not None and (found == commit or git.is_ancestor(commit, found)):
        return Accepted(ref, found, found, "already")
    if found != expected:
        return Refused(f"{name} has moved since it was judged", _AGAIN)
    if found is not None and not git.is_ancestor(found, commit):
        return Refused(f"{name} has commits that the result does not have", _AGAIN)
    settings = settings or read_user_settings(git.repository, os.environ)
    person = {
        "GIT_COMMITTER_NAME": settings.name or "orch",
        "GIT_COMMITTER_EMAIL": settings.email or "orch@localhost",
    }
    place = checked_out(git, ref)
    if place is not None:
        refused = check_accept(git, ref, settings)
        return refused or _fast_forward(git, settings, place, ref, found, commit, person, reason)
    try:
        git.update_refs([RefUpdate(ref, commit, expected)], reason=reason, extra=person)
    except RefMoved:
        return Refused(f"{name} moved just now", _AGAIN)
    return Accepted(ref, found, commit, "created" if found is None else "moved")


def _fast_forward(
    git: Git,
    settings: UserSettings,
    place: Place,
    ref: str,
    old: str | None,
    commit: str,
    person: dict[str, str],
    reason: str,
) -> Accepted | Refused:
    try:
        in_checkout(
            git.repository,
            settings,
            *("merge", "--ff-only", "--quiet", "--no-stat", "--no-autostash", commit),
            git_dir=place.git_dir,
            tree=place.tree,
            extra={"GIT_REFLOG_ACTION": reason, **person},
            timeout_s=_MERGE_TIMEOUT_S,
        )
    except GitError as error:
        _take_back(git, settings, place, ref, old, commit)
        if error.kind != "failed":
            raise
        name, where = quoted(ref.removeprefix("refs/heads/")), quoted(str(place.tree))
        lines = [line.strip() for line in error.stderr.splitlines() if line.strip()]
        why = "; ".join([line for line in lines if not line.startswith("hint:")][:4])[:300]
        why = why or error.what
        return Refused(f"git would not fast-forward {name} in {where}: {why}", _ELSEWHERE)
    return Accepted(ref, old, commit, "fast-forward")


def _take_back(
    git: Git, settings: UserSettings, place: Place, ref: str, old: str | None, commit: str
) -> None:
    """Puts the files back that git wrote before it found that it cannot move the branch.

    Where it had not come to that there is nothing to put back, and this changes nothing.
    """
    if old is None or git.read_ref(ref) != old:
        return
    # Where the index cannot be written, git has not written a file either.
    with contextlib.suppress(GitError):
        in_checkout(
            git.repository,
            settings,
            *("read-tree", "-m", "-u", commit, old),
            git_dir=place.git_dir,
            tree=place.tree,
            timeout_s=_MERGE_TIMEOUT_S,
        )
