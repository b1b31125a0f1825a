"""Faults on purpose, at the two doors that every effect of an engine goes through.

1. Git has one door, `Git(repository, caller=...)`; the ledger has one, `Store`. What is handed in
   here counts what passes and does something at one of them. Nothing of ours is replaced.
   Commits that are written without git go through `Git(repository, writer=...)`.
2. A harm is a real one where there is one: git that hangs is a git that hangs, and a git killed
   within a transaction leaves the locks that it held.
3. A boundary is one side of one effect: of a write to the ledger, or of a call of git that moves
   a ref or changes a worktree, an index or the objects.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

import anyio

from ledger.rows import Snapshot
from ledger.state import RunState
from ledger.store import Store, VerdictRow
from orchestrator.engine import drive
from orchestrator.workplace import Workplace
from worktree.door import call
from worktree.git import Git
from worktree.objects import write_commit
from worktree.values import Answer, GitError

COMMIT = "commit"
"""One that is written without git."""
EFFECTS = frozenset(
    {
        *("update-ref", "worktree", "read-tree", "checkout-index"),
        *("update-index", "write-tree", "merge-tree", "commit-tree", COMMIT),
    }
)
"""The calls that leave something behind."""

_REF = re.compile(r"^update refs/orch/[^/]+/(\w+)")
"""Which of a run's refs a transaction moves first: its tip, an attempt's, a candidate's."""

Door = Literal["ledger", "git"]
When = Literal["before", "after"]
Harm = Literal[
    "fails",
    "no space before",
    "no space after",
    "input/output error",
    "hangs before",
    "hangs after",
    "killed before",
    "killed within",
    "killed after",
]
HARMS: tuple[Harm, ...] = Harm.__args__  # type: ignore[attr-defined]
HANGS_S = 0.05
_SAYS = {
    "fails": "fatal: it does not want to",
    "no space": "fatal: unable to write file: No space left on device",
    "input/output error": "fatal: unable to read the object: Input/output error",
}


@dataclass(frozen=True)
class Boundary:
    """One side of one effect: the `number`-th of its kind at that door, in this engine's life."""

    door: Door
    number: int
    when: When
    what: str = ""
    """The newest fact's kind, or the call of git and the kind of ref; absent, any."""


class Doors(Protocol):
    """The door to git, and who writes commits without it."""

    def __call__(self, args: tuple[str, ...], **how: Any) -> Answer:
        """See `worktree.door.call`."""

    def write(self, *args: Any, **how: Any) -> str | None:
        """See `worktree.objects.write_commit`."""


def workplace_with(workplace: Workplace, doors: Doors) -> Workplace:
    """The same workplace, with these doors to git."""
    return replace(workplace, git=Git(workplace.repository, caller=doors, writer=doors.write))


class BrokenGit:
    """A door to git at which some calls come to harm: `lasts` of them, from that number on."""

    def __init__(self, number: int = 0, harm: Harm = "fails", lasts: int = 1) -> None:
        self.first, self.harm, self.lasts = number, harm, lasts
        self.calls: list[str] = []
        self.harmed: list[str] = []
        self._turn = threading.Lock()

    def __call__(self, args: tuple[str, ...], **how: Any) -> Answer:
        harmed = self._is_harmed(args)
        return self._comes_to_harm(args, how) if harmed else call(args, **how)

    def write(self, *args: Any, **how: Any) -> str | None:
        """Writes a commit, or does not: then it says what git would."""
        if not self._is_harmed((COMMIT,)):
            return write_commit(*args, **how)
        if self.harm.endswith("after"):
            write_commit(*args, **how)
        is_full = self.harm.startswith("no space")
        raise GitError("cannot write objects", kind="no-space" if is_full else "failed")

    def _is_harmed(self, args: tuple[str, ...]) -> bool:
        with self._turn:
            self.calls.append(args[0])
            harmed = self.first <= len(self.calls) < self.first + self.lasts
            if harmed:
                self.harmed.append(" ".join(args)[:80])
        return harmed

    def _comes_to_harm(self, args: tuple[str, ...], how: dict[str, Any]) -> Answer:
        what = re.sub(" (before|within|after)$", "", self.harm)
        if self.harm.endswith("after"):
            call(args, **how)
        if what == "hangs":
            # A git that starts something that never ends, in the folder and environment asked for.
            sleeps = ("-c", "alias.sleeps=!sleep 600", "sleeps")
            return call(sleeps, **{**how, "timeout_s": HANGS_S})
        if self.harm == "killed within":
            leave_locks(args, **how)
        if what == "killed":
            return Answer(-9, b"", "")
        return Answer(128, b"", f"{_SAYS[what]}\n")


def leave_locks(args: tuple[str, ...], *, folder: Path, env: Any, stdin: bytes, **_: Any) -> None:
    """Start a transaction of refs, and kill it when it holds its locks; nothing for other calls."""
    if args[0] != "update-ref":
        return
    process = subprocess.Popen(
        ("git", *args),
        cwd=folder,
        env={**os.environ, **env},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        assert process.stdin and process.stdout
        process.stdin.write(b"start\0" + stdin + b"prepare\0")
        process.stdin.flush()
        process.stdout.readline()
        process.stdout.readline()  # "prepare: ok", or the end where it refused
        process.kill()


class Watched(Store):
    """A store that calls `at` before and after each write."""

    at: Callable[[Door, When, str], None]

    def append(
        self,
        run: str,
        expected: int,
        rows: Sequence[tuple[str, int, str]],
        at: float,
        verdicts: Sequence[VerdictRow] = (),
        *,
        goal: str = "",
    ) -> int:
        self.at("ledger", "before", rows[-1][0])
        newest = super().append(run, expected, rows, at, verdicts, goal=goal)
        self.at("ledger", "after", rows[-1][0])
        return newest

    def save_snapshot(self, run: str, snapshot: Snapshot) -> None:
        self.at("ledger", "before", "snapshot")
        super().save_snapshot(run, snapshot)
        self.at("ledger", "after", "snapshot")


class Passages:
    """Counts the effects of one engine, and does something at one boundary."""

    def __init__(self, boundary: Boundary | None, act: Callable[[], None]) -> None:
        self.boundary, self.act = boundary, act
        self.passed: list[Boundary] = []
        self._turn = threading.Lock()

    def at(self, door: Door, when: When, what: str) -> None:
        """An effect is about to pass, or has passed."""
        with self._turn:
            alike = [one for one in self.passed if (one.door, one.when) == (door, when)]
            number = 1 + sum(one.what == what for one in alike)
            here = Boundary(door, number, when, what)
            self.passed.append(here)
        if self.boundary in (here, Boundary(door, len(alike) + 1, when)):
            self.act()

    def write(self, *args: Any, **how: Any) -> str | None:
        """Who writes commits."""
        self.at("git", "before", COMMIT)
        made = write_commit(*args, **how)
        self.at("git", "after", COMMIT)
        return made

    def __call__(self, args: tuple[str, ...], **how: Any) -> Answer:
        """The door to git."""
        if args[0] not in EFFECTS:
            return call(args, **how)
        what = " ".join([args[0], *_REF.findall(how.get("stdin", b"").decode("utf-8", "replace"))])
        self.at("git", "before", what)
        answer = call(args, **how)
        self.at("git", "after", what)
        return answer

    def drive(self, workplace: Workplace, run: str) -> RunState:
        """Drive a run, with both doors watched."""
        store = Watched.open(workplace.place.ledger)
        assert isinstance(store, Watched)
        store.at = self.at
        with store:
            return anyio.run(partial(drive, workplace_with(workplace, self), store, run))
