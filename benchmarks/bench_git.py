"""Git: workspaces and landing, each against what one would do without orch, in turn.

Machines differ, and one machine differs from minute to minute: only the ratios of one run count.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.rows import Row, print_table
from worktree.candidate import Candidate, Head, build_candidate
from worktree.discovery import discover
from worktree.door import FSYNC
from worktree.git import Git, Person, strip_environment
from worktree.landing import land, open_result
from worktree.names import result_branch, tip_ref
from worktree.workspace import Pool, Workspace

AUTHOR = Person("Bench", "bench@example.invalid")
RUN = "20261122-bench-a1"
_ID = ("-c", f"user.name={AUTHOR.name}", "-c", f"user.email={AUTHOR.email}")
_FSYNC = ("-c", "=".join(FSYNC))


def make_repository(folder: Path, files: int, heads: int = 0) -> Git:
    """A packed repository of so many files, fifty to a folder, none of them checked out.

    `refs/heads/h<number>` each change one file and add one.
    """
    folder.mkdir(parents=True)
    plain(folder, "init", "-q", "-b", "main")
    who = f"committer {AUTHOR.name} <{AUTHOR.email}> 1700000000 +0000\n"
    text = "x = 1\n" * 40
    stream = [f"commit refs/heads/main\n{who}data 4\nbase\n"]
    for number in range(files):
        path = f"pkg{number // 1000}/m{number // 50 % 20}/f{number}.py"
        content = f"# file {number}\n{text}"
        stream.append(f"M 100644 inline {path}\ndata {len(content)}\n{content}\n")
    for number in range(heads):
        content = f"changed = {number}\n"
        stream.append(
            f"commit refs/heads/h{number}\n{who}data 4\nhead\nfrom refs/heads/main\n"
            f"M 100644 inline pkg0/m0/f1.py\ndata {len(content)}\n{content}\n"
            f"M 100644 inline pkg0/new{number}.py\ndata {len(content)}\n{content}\n"
        )
    plain(folder, "fast-import", "--quiet", stdin="".join(stream))
    return Git(discover(folder))


def plain(folder: Path, *args: str, stdin: str = "") -> str:
    """The user's own git."""
    done = subprocess.run(
        ["git", *args],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        input=stdin,
        timeout=600,
    )
    return done.stdout.strip()


def seconds(work: Callable[[], object]) -> float:
    """How long it takes once."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _ms(value: float) -> str:
    return f"{value * 1e3:.1f} ms"


def _row(name: str, ours: float, theirs: float, target: float) -> Row:
    ratio = ours / theirs
    return Row(name, _ms(ours), _ms(theirs), ratio, target, ratio <= target)


# --- workspaces -----------------------------------------------------------------------------


def hand_out(folder: Path, git: Git, times: int = 9) -> list[Row]:
    """A pooled workspace against `git worktree add`, both sides in turn."""
    user = folder / "user"
    base, *moved = (git.resolve(name) for name in ("main", "h0", "h1"))
    pool = Pool(git, folder / "pool", f"orch-{RUN}-worker")
    same, other, back, add = [], [], [], []

    def cycle(commit: str, into: list[float]) -> None:
        taken: list[Workspace] = []
        into.append(seconds(lambda: taken.append(pool.take(commit))))
        (taken[0].path / "pkg0/m0/f2.py").write_text("agent = 1\n")
        (taken[0].path / "left-over").write_text("x")
        back.append(seconds(lambda: pool.give_back(taken[0])))

    for turn in range(times):
        side = ("worktree", "add", "-q", "--detach", str(folder / f"side{turn}"))
        add.append(seconds(partial(plain, user, *side)))
        cycle(base, [])
        cycle(base, same)
        cycle(moved[turn % 2], other)
    against = statistics.median(add)
    for _ in range(4):
        pool.take(base)
    ours = seconds(pool.remove_all)
    theirs = sum(
        seconds(partial(plain, user, "worktree", "remove", "--force", str(folder / f"side{turn}")))
        for turn in range(4)
    )
    name = f"workspace, {len(plain(user, 'ls-tree', '-r', 'main').splitlines())} files"
    return [
        _row(f"{name}: handed out / worktree add", statistics.median(same), against, 1 / 50),
        # One git process reads and writes an index of every file; no file is made.
        _row(f"{name}: on a moved tip / worktree add", statistics.median(other), against, 1 / 5),
        _row(f"{name}: cleaned when back / worktree add", statistics.median(back), against, 1 / 2),
        _row(f"{name}: 4 removed / git worktree remove", ours, theirs, 1.0),
    ]


def many_hand_outs(folder: Path, git: Git, count: int = 10_000, at_once: int = 16) -> Row:
    """So many hand-outs, so many at a time; the ratio is of failures to hand-outs."""
    pool = Pool(git, folder / "crowd", f"orch-{RUN}-crowd")
    commits = [git.resolve(name) for name in ("main", "h0", "h1", "h2")]
    turns = iter(range(count))
    guard = threading.Lock()
    failures: list[Exception] = []

    def work() -> None:
        while True:
            with guard:
                turn = next(turns, None)
            if turn is None:
                return
            try:
                workspace = pool.take(commits[turn % len(commits)])
                (workspace.path / "left-over").write_text("x")
                pool.give_back(workspace)
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(at_once)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - started
    pool.remove_all()
    name = f"{count} hand-outs, {at_once} at a time: failures"
    each = f"{took / count * 1e3:.1f} ms each"
    return Row(name, f"{len(failures)}", each, len(failures) / count, 0.0, not failures)


# --- landing --------------------------------------------------------------------------------


def _raw_landing(folder: Path, tip: str, head: str, refs: tuple[str, ...]) -> str:
    """The three calls that a landing cannot do without."""
    git = ("git", *_FSYNC)

    def run(*args: str, stdin: str = "") -> str:
        done = subprocess.run(
            [*git, *args], cwd=folder, check=True, capture_output=True, text=True, input=stdin
        )
        return done.stdout.strip()

    tree = run("merge-tree", "--write-tree", tip, head)
    commit = run(*_ID, "commit-tree", tree, "-p", tip, "-p", head, "-m", "landed")
    moves = "".join(f"update {ref} {commit} {tip}\n" for ref in refs)
    run("update-ref", "--stdin", stdin=moves)
    return commit


class _Ground:
    """A repository to land in, as orch does, by the bare calls, and by `git merge`."""

    def __init__(self, folder: Path, git: Git) -> None:
        self.git, self.user, self.side = git, folder / "user", folder / "merging"
        base = git.resolve("main")
        open_result(git, RUN, base)
        # The tip has moved on, so that a merge is a merge.
        self.tip = git.commit_tree(git.tree_of(base), (base,), "moved on", AUTHOR)
        self.raw_refs = (f"refs/orch/{RUN}/raw", "refs/heads/raw")
        plain(self.user, "worktree", "add", "-q", "--detach", str(self.side), self.tip)

    def reset(self) -> None:
        """Every turn lands on the same tip, so every turn does the same work."""
        for ref in (*self.raw_refs, tip_ref(RUN), result_branch(RUN)):
            plain(self.user, "update-ref", ref, self.tip)
        plain(self.side, "reset", "-q", "--hard", self.tip)

    def ours(self, head: str) -> None:
        made = build_candidate(self.git, self.tip, (Head(head),), "landed\n", AUTHOR)
        assert isinstance(made, Candidate)
        assert land(self.git, RUN, made.commit, self.tip)

    def raw(self, head: str) -> None:
        _raw_landing(self.user, self.tip, head, self.raw_refs)

    def merge(self, head: str) -> None:
        plain(self.side, *_FSYNC, *_ID, "merge", "-q", "--no-edit", "--no-ff", head)


def landing(small: _Ground, large: _Ground, times: int = 21) -> list[Row]:
    """Landing one head: orch's, the three raw calls, `git merge`; both sizes in turn."""
    found: dict[str, list[float]] = {}
    for number in range(times):
        for size, ground in (("1k", small), ("50k", large)):
            ground.reset()
            head = ground.git.resolve(f"h{number}")
            ground.git.tree_of(head)  # a run makes its heads itself, so it knows their trees
            turns = [("ours", ground.ours), ("raw", ground.raw), ("merge", ground.merge)]
            for name, once in turns if number % 2 else turns[::-1]:
                found.setdefault(f"{name} {size}", []).append(seconds(partial(once, head)))
    mid = {name: statistics.median(times_s[1:]) for name, times_s in found.items()}
    return [
        _row("landing, 1k files / three raw git calls", mid["ours 1k"], mid["raw 1k"], 1.3),
        _row("landing, 50k files / three raw git calls", mid["ours 50k"], mid["raw 50k"], 1.3),
        _row("landing, 50k files / 1k files", mid["ours 50k"], mid["ours 1k"], 1.2),
        _row("landing, 50k files / git merge", mid["ours 50k"], mid["merge 50k"], 1 / 15),
    ]


def rows(folder: Path | None = None, hand_outs: int = 10_000) -> list[Row]:
    """Every figure; `folder` decides which file system is measured."""
    # As the command line does at its start; git's own variables cost a process each call.
    strip_environment(os.environ)
    place = Path(tempfile.mkdtemp(prefix="orch-bench-", dir=folder))
    try:
        sizes = (100, 1_000, 10_000, 50_000)
        gits = {files: make_repository(place / f"{files}/user", files, 21) for files in sizes}
        return [
            *hand_out(place / "10000", gits[10_000]),
            many_hand_outs(place / "100", gits[100], hand_outs),
            *landing(*(_Ground(place / f"{files}", gits[files]) for files in (1_000, 50_000))),
        ]
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    print_table(rows())
