"""A worktree's administrative entry in the repository: made, checked, repaired, removed.

1. Entries are made and removed by one process at a time, under a kernel lock; the checkout, the
   long part, is outside it. (git's own `worktree add` is not safe beside itself: it reads the
   half-made entries of others.)
2. An entry appears and disappears in one rename, so nobody sees a half of it.
3. Only entries whose name begins with `orch-` and whose worktree lies in our own folder are ours.
4. An agent can write to its entry, so before each use every file in it is compared with what it
   must be, and whatever else it holds (locks, a merge under way, configuration) is removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import stat
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from worktree.git import Git
from worktree.names import PREFIX, quoted
from worktree.removal import remove, replace_file, unlock
from worktree.values import GitError

LOCK_TIMEOUT_S = 120.0
_OURS = {"HEAD", "commondir", "gitdir", "index"}
_ASIDE = "entry-"
"""An entry that is not in place yet, or no more."""
_turn = threading.Lock()


def entry_of(git: Git, name: str) -> Path:
    """The administrative folder of a worktree."""
    return git.repository.common_dir / "worktrees" / name


@contextlib.contextmanager
def locked(git: Git, timeout_s: float = LOCK_TIMEOUT_S) -> Iterator[None]:
    """Holds the repository's lock on administrative entries, among threads and processes."""
    git.state_folder.mkdir(parents=True, exist_ok=True)
    path = git.state_folder / "worktrees.lock"
    deadline = time.monotonic() + timeout_s
    if not _turn.acquire(timeout=timeout_s):
        raise _lock_error(path, timeout_s)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise _lock_error(path, timeout_s) from None
                    time.sleep(0.005)
            yield
        finally:
            os.close(descriptor)
    finally:
        _turn.release()


def _lock_error(path: Path, timeout_s: float) -> GitError:
    return GitError(
        f"another process held {quoted(str(path))} for more than {timeout_s:g} s",
        kind="locked",
        hint=f"see which one: lsof {quoted(str(path))}",
    )


def add_entry(git: Git, path: Path, commit: str) -> None:
    """Makes a worktree without its files; what was at its path and name is removed before."""
    entry = entry_of(git, path.name)
    with locked(git):
        if entry.exists() and not _is_ours(entry, path.parent):
            raise GitError(
                f"the repository has a worktree named {path.name} that is not orch's",
                kind="name-conflict",
                hint="see where it is, and remove or move it: git worktree list",
            )
        _drop(git, entry)
        remove(path)
        if has_reftable(git):
            how = ("--detach", "--no-checkout", "--force")
            git.run_refs("worktree", "add", *how, "--", str(path), commit)
        else:
            _make_entry(git, path, commit)
    repair_entry(git, path)


def _make_entry(git: Git, path: Path, commit: str) -> None:
    # Whole before it is in place, so a git beside us neither reads nor prunes a half of it.
    entry, new = entry_of(git, path.name), git.state_folder / f"{_ASIDE}{secrets.token_hex(6)}"
    path.mkdir(parents=True)
    _expect(path / ".git", _pointer(entry))
    new.mkdir()
    try:
        for name, content in {**_ends(path), "HEAD": commit.encode() + b"\n"}.items():
            (new / name).write_bytes(content)
        while True:
            entry.parent.mkdir(exist_ok=True)
            try:
                new.rename(entry)
                break
            except FileNotFoundError:
                # Others' git removes the folder of all worktrees with the last one of them.
                if not new.is_dir():
                    raise
    finally:
        remove(new)


def _ends(path: Path) -> dict[str, bytes]:
    """What an entry says of where its repository and its worktree are."""
    return {"commondir": b"../..\n", "gitdir": os.fsencode(path / ".git") + b"\n"}


def _pointer(entry: Path) -> bytes:
    return b"gitdir: " + os.fsencode(entry) + b"\n"


def has_reftable(git: Git) -> bool:
    """Whether refs are kept in tables, HEAD of a worktree too."""
    return (git.repository.common_dir / "reftable").exists()


def repair_entry(git: Git, path: Path) -> None:
    """Makes a worktree's two ends point at each other again; GitError where its entry is gone."""
    entry = entry_of(git, path.name)
    if entry.is_symlink() or not entry.is_dir():
        raise GitError(f"the repository has no entry for {quoted(str(path))} any more")
    if path.is_symlink() or not path.is_dir():
        remove(path)
        path.mkdir(parents=True)
    unlock(entry)
    unlock(path)
    for found in os.scandir(entry):
        if found.name not in _OURS or not found.is_file(follow_symlinks=False):
            remove(Path(found.path))
    for name, content in _ends(path).items():
        _expect(entry / name, content)
    _expect(path / ".git", _pointer(entry))


def detach(git: Git, path: Path, commit: str, index: Path) -> None:
    """Tells the git of whoever works in a worktree where it stands: HEAD and index."""
    entry = entry_of(git, path.name)
    if has_reftable(git):
        git.run_refs("update-ref", "--no-deref", "HEAD", commit, git_dir=entry)
    else:
        _expect(entry / "HEAD", commit.encode() + b"\n")
    _copy_anew(index, entry / "index")


def _copy_anew(source: Path, target: Path) -> None:
    # Removed first: what is renamed over a file, ext4 writes to the disk at once.
    remove(target)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with source.open("rb") as read, open(os.open(target, flags, 0o644), "wb") as written:
        shutil.copyfileobj(read, written, 1 << 20)


def drop_entries(git: Git, paths: Iterable[Path]) -> None:
    """Removes the entries of worktrees of ours."""
    with locked(git):
        # Entries come and go under this lock only, so this is what a killed process left.
        for left in git.state_folder.glob(f"{_ASIDE}*"):
            remove(left)
        for path in paths:
            entry = entry_of(git, path.name)
            if entry.is_symlink() or not entry.exists() or _is_ours(entry, path.parent):
                _drop(git, entry)


def our_entries(git: Git, root: Path) -> tuple[str, ...]:
    """The names of the entries that are ours, with their worktrees in this folder."""
    try:
        found = sorted(os.listdir(git.repository.common_dir / "worktrees"))  # noqa: PTH208
    except OSError:
        return ()
    return tuple(
        name for name in found if name.startswith(PREFIX) and _is_ours(entry_of(git, name), root)
    )


def _is_ours(entry: Path, root: Path) -> bool:
    if not entry.name.startswith(PREFIX):
        return False
    try:
        said = os.fsdecode((entry / "gitdir").read_bytes()).strip("\0\n ")
    except OSError:
        said = ""
    if not said:
        # Nothing says where it belongs, as after the power failed: to no worktree of anybody's.
        return True
    pointed = Path(said)
    return pointed.parent.parent == root or not pointed.parent.exists()


def _drop(git: Git, entry: Path) -> None:
    if not os.path.lexists(entry):
        return
    aside = git.state_folder / f"{_ASIDE}{secrets.token_hex(6)}"
    entry.rename(aside)
    remove(aside)
    # As git does: without worktrees there is no such folder.
    with contextlib.suppress(OSError):
        entry.parent.rmdir()


def _expect(path: Path, content: bytes) -> None:
    try:
        found = path.lstat()
        exact = (
            stat.S_ISREG(found.st_mode)
            and found.st_size == len(content)
            and path.read_bytes() == content
        )
    except OSError:
        exact = False
    if not exact:
        replace_file(path, content)
