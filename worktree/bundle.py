"""Refs of a run and what they hold, as a git bundle: made here, or come from another machine.

1. A bundle holds what its refs have beyond the commit that the run started from; that one must be
   there already.
2. One that comes is data. Its head is read here, within bounds; only the pack in it goes to git,
   which checks every object and every link, and keeps all of it aside until it has. No object may
   unpack to more than git is let allocate at once: a pack of a megabyte can hold gigabytes.
3. No ref is written by what a bundle says: who takes it in says which refs it means.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from worktree.git import Git
from worktree.names import check_ref, quoted
from worktree.values import GitError, check_id, is_id

HEAD_BYTES = 8 << 20
PACK_BYTES = 1 << 30
OBJECT_LIMIT = "256m"
"""Far more than any file that is committed here may have."""
TIMEOUT_S = 900.0
_FIRST = re.compile(rb"# v[23] git bundle")


@dataclass(frozen=True)
class Head:
    """What a bundle says of itself."""

    needs: tuple[str, ...]
    """Commits that must be there already."""
    refs: Mapping[str, str]
    pack_at: int
    """Where its pack begins."""


def write_bundle(git: Git, path: Path, refs: Mapping[str, str], base: str) -> bool:
    """Write the refs and what they hold beyond a commit; False where that is nothing."""
    names = [check_ref(name) for name, commit in refs.items() if commit != base]
    if not names:
        return False
    asked = "\n".join([*names, f"^{check_id(base)}"]) + "\n"
    args = ("bundle", "create", "--quiet", str(path), "--stdin")
    said = git.run_refs(*args, stdin=asked.encode(), timeout_s=TIMEOUT_S, ok=(0, 128))
    if said.exit_code and "empty bundle" in said.err:
        path.unlink(missing_ok=True)
        return False
    if said.exit_code:
        why = quoted(said.err.strip().splitlines()[-1] if said.err.strip() else "it said nothing")
        raise GitError(f"the run's commits cannot be put into a bundle: {why}", kind="bundle")
    return True


def parse_head(data: bytes) -> Head:
    """The head of a bundle; GitError where it is none."""
    end = data.find(b"\n\n", 0, HEAD_BYTES)
    lines = data[:end].split(b"\n") if end >= 0 else []
    if not lines or not _FIRST.fullmatch(lines[0]):
        raise GitError("this is no git bundle, or a damaged one", kind="bundle")
    needs, refs = [], {}
    for line in lines[1:]:
        text = line.decode("utf-8", "replace")
        if text.startswith("@object-format="):
            continue
        commit, _, name = text.removeprefix("-").partition(" ")
        if not is_id(commit):
            raise GitError("the head of the git bundle is damaged", kind="bundle")
        if text.startswith("-"):
            needs.append(commit)
        else:
            refs[name] = commit
    return Head(tuple(needs), refs, end + 2)


def take_bundle(git: Git, data: bytes, meant: Mapping[str, str], base: str) -> None:
    """Bring the objects of a bundle into the store; GitError where they are not what refs mean.

    `meant` are the refs that will be set. None is touched here.
    """
    if data:
        head = parse_head(data)
        refuse_missing(git, head.needs)
        pack = data[head.pack_at :]
        args = ("unpack-objects", "-q", "--strict", f"--max-input-size={PACK_BYTES}")
        try:
            limit = {"GIT_ALLOC_LIMIT": OBJECT_LIMIT}
            git.run(*args, stdin=pack, timeout_s=TIMEOUT_S, extra=limit)
        except GitError as error:
            if error.kind not in ("failed", "missing-object"):
                raise
            what = f"git refuses the bundle's objects: {quoted(error.what)}"
            raise GitError(what, kind="bundle", hint="take another copy of the bundle") from error
    _check_whole(git, meant.values(), base)


def refuse_missing(git: Git, commits: Iterable[str]) -> None:
    """GitError where a commit that a bundle builds on is not there."""
    for commit in commits:
        if not git.exists(commit):
            raise GitError(
                f"the bundle builds on commit {commit[:12]}, which is not in this clone",
                kind="bundle",
                hint="git fetch --unshallow, or check out with fetch-depth: 0; then again",
            )


def _check_whole(git: Git, commits: Iterable[str], base: str) -> None:
    """GitError where anything that the commits lead to is not there."""
    wanted = list(dict.fromkeys(check_id(one) for one in commits))
    asked = "\n".join([*wanted, f"^{check_id(base)}"]) + "\n"
    args = ("rev-list", "--objects", "--quiet", "--stdin")
    said = git.answer(*args, stdin=asked.encode(), timeout_s=TIMEOUT_S, ok=(0, 1, 128))
    kinds = git.run(
        "cat-file", "--batch-check=%(objecttype)", stdin=("\n".join(wanted) + "\n").encode()
    ).split()
    if said.exit_code or any(kind != b"commit" for kind in kinds):
        raise GitError(
            "the bundle does not hold all that its refs mean",
            kind="bundle",
            hint="take another copy of the bundle",
        )
