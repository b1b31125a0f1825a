"""Locks on refs that dead git processes left, and whose they may be.

1. A lock on one of the run's own refs goes: nobody but its engine takes it.
2. All refs share `packed-refs.lock`, and `packed-refs.new` that is written under it. Git takes it
   to delete some, a person's git too. A call of ours that may is announced by a file beside the
   ledger until it has ended. What is there goes where it is younger than the announcement of a
   process that is gone, and no git is at work in the repository.
3. It goes where it is older than the machine's start, too: whoever took it is gone.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from worktree.names import run_branches, run_refs
from worktree.values import RefMoved

if TYPE_CHECKING:
    from worktree.git import Git

_ANNOUNCED = "deletes-refs-"
_numbers = itertools.count()


@contextlib.contextmanager
def announced(state_folder: Path) -> Iterator[None]:
    """Says that a git of ours may take the lock; what fails leaves it said."""
    state_folder.mkdir(exist_ok=True)
    said = state_folder / f"{_ANNOUNCED}{os.getpid()}-{next(_numbers)}"
    said.touch()
    try:
        yield
    except RefMoved:
        said.unlink(missing_ok=True)
        raise
    said.unlink(missing_ok=True)


def clear_locks(git: Git, run: str) -> tuple[Path, ...]:
    """Removes locks that killed git processes left on this run's own refs and on packed ones.

    Only for whoever holds the run's engine lock, after every marked process has ended.
    """
    common = git.repository.common_dir
    gone = []
    for prefix in (run_refs(run), run_branches(run)):
        for folder, _, files in os.walk(common / prefix):
            for name in files:
                if name.endswith(".lock"):
                    path = Path(folder) / name
                    path.unlink(missing_ok=True)
                    gone.append(path)
    return (*gone, *_clear_packed(git))


def _clear_packed(git: Git) -> tuple[Path, ...]:
    # One's own are left by a call that failed: that git has ended, too.
    left = [
        said
        for said in git.state_folder.glob(f"{_ANNOUNCED}*")
        if _is_over(said.name.removeprefix(_ANNOUNCED).partition("-")[0])
    ]
    cleared: list[Path] = []
    for name in ("packed-refs.new", "packed-refs.lock"):  # the lock last: it guards the other
        path = git.repository.common_dir / name
        with contextlib.suppress(FileNotFoundError):
            at_ns = path.lstat().st_mtime_ns
            ours = any(said.lstat().st_mtime_ns <= at_ns for said in left)
            if ours and _is_git_at_work(git):
                return tuple(cleared)
            if ours or _is_before_the_start(at_ns):
                path.unlink()
                cleared.append(path)
    for said in left:
        said.unlink(missing_ok=True)
    return tuple(cleared)


def _is_over(pid: str) -> bool:
    import psutil

    return not pid.isdigit() or int(pid) == os.getpid() or not psutil.pid_exists(int(pid))


def _is_before_the_start(at_ns: int) -> bool:
    import psutil

    # A clock that was set right since moves the start; a minute is more than it can be off.
    return at_ns / 1e9 < psutil.boot_time() - 60


def _is_git_at_work(git: Git) -> bool:
    """Whether some git, whoever's, may be at work in the repository at this moment."""
    import psutil

    common = git.repository.common_dir
    folders = [common, common.parent]
    for entry in common.glob("worktrees/*/gitdir"):
        with contextlib.suppress(OSError, ValueError):
            folders.append(Path(entry.read_text().strip()).parent)
    for process in psutil.process_iter(["name", "cwd", "status"]):
        if not (process.info["name"] or "").startswith("git"):
            continue
        if process.info["status"] in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            continue
        where = process.info["cwd"]
        if where is None or any(Path(where).is_relative_to(folder) for folder in folders):
            return True
    return False
