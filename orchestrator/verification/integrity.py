"""What in a green head a person must look at, however green it is.

1. Protected content that it changes (see `protected`), tests that it weakens (see `weakened`),
   secrets that it adds (see `added_secrets`).
2. A task's `may_change` gives leave beforehand, a person's yes to a path afterwards: to all that
   was found in that path.
3. Tests that could not be compared are said, not held.
4. Paths are told as a person reads them, with the secrets in their names hidden.
"""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ledger.model import Finding, Settings, Task
from orchestrator.hiding import Hiding
from orchestrator.policy.paths import matches
from orchestrator.verification.added_secrets import secrets_in
from orchestrator.verification.protected import held_paths
from orchestrator.verification.python_tests.suite import FILE
from orchestrator.verification.weakened import Comparison, Edited, Weakened, compare_tests
from worktree.contents import read_files
from worktree.git import Change, Git
from worktree.names import quoted

CONTENT_LIMIT_BYTES = 8 << 20
"""So much of each file is looked at."""
TESTS_LIMIT_BYTES = 64 << 20
"""So much of all that may hold tests is compared."""
FINDINGS_KEPT = 200
SHOWN = 3
_HOOKS = re.compile(rb"\bload_tests\b|\bpytest_[a-z]+")

# Warnings are filtered for the whole process, and heads are looked at in several threads.
_PARSING = threading.Lock()


@dataclass(frozen=True)
class Held:
    """What holds a head; without paths nothing does."""

    paths: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    why: str = ""
    unread: tuple[str, ...] = ()
    """What could not be compared, for a person."""


@dataclass(frozen=True)
class Head:
    """A head, and what it changes against its base."""

    git: Git
    base: str
    head: str
    changes: tuple[Change, ...]

    def before(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """The contents of these paths in the base."""
        return read_files(self.git, self.base, paths, CONTENT_LIMIT_BYTES)

    def after(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """The contents of these paths in the head."""
        return read_files(self.git, self.head, paths, CONTENT_LIMIT_BYTES)


def look_at_head(
    head: Head, *, task: Task, settings: Settings, allowed: Collection[str], hiding: Hiding
) -> Held:
    """What holds a head. Blocking."""

    def shown(path: str) -> str:
        return hiding.text(quoted(path))

    def is_free(path: str) -> bool:
        return shown(path) in allowed or bool(task.may_change and matches(task.may_change, path))

    protected = held_paths(
        head.changes,
        read_before=lambda path: head.git.show_file(head.base, path),
        read_after=lambda path: head.git.show_file(head.head, path),
        settings=settings,
        may_change=task.may_change,
        allowed=[quoted(change.path) for change in head.changes if is_free(change.path)],
    )
    new = _read(head, hiding)
    compared = _compare(head, new)
    weakened = [one for one in compared.weakened if not is_free(one.path)]
    added = [found for found in _added(head, new) if not is_free(found[0])]
    if not (protected or weakened or added or compared.unread):
        return Held()
    findings = [
        Finding(path=shown(w.path), line=w.line, test=w.test, what=hiding.text(w.what))
        for w in weakened
    ]
    findings += [Finding(path=shown(path), line=line, what=what) for path, line, what in added]
    paths = {*protected, *(one.path for one in weakened), *(path for path, *_ in added)}
    return Held(
        paths=tuple(sorted(map(shown, paths))),
        findings=tuple(findings[:FINDINGS_KEPT]),
        why=_why(tuple(map(shown, protected)), weakened, added, shown),
        unread=tuple(
            f"tests in {shown(path)} were not compared: {why}" for path, why in compared.unread
        ),
    )


def _why(
    protected: Sequence[str],
    weakened: Sequence[Weakened],
    added: Sequence[tuple[str, int, str]],
    shown: Callable[[str], str],
) -> str:
    parts = []
    if protected:
        parts.append(f"it changes what is protected: {_listed(protected)}")
    if weakened:
        names = [
            shown(w.path) if w.test == FILE else f"{w.test} in {shown(w.path)}" for w in weakened
        ]
        parts.append(f"it weakens tests: {_listed(names)}")
    if added:
        places = [f"{shown(path)}:{line}" if line else shown(path) for path, line, _ in added]
        parts.append(f"it adds a secret: {_listed(places)}")
    return "; ".join(parts)


def _listed(names: Sequence[str]) -> str:
    unique = list(dict.fromkeys(names))
    more = f" and {len(unique) - SHOWN} more" if len(unique) > SHOWN else ""
    return ", ".join(unique[:SHOWN]) + more


# --- what is in it ----------------------------------------------------------------------------

Suspects = dict[str, tuple[tuple[int, str, bytes], ...]]
"""By path: line, kind and secret of each that a file holds, whether it was there before or not."""


@dataclass
class _Room:
    """So many bytes of contents as may be kept."""

    left_bytes: int = TESTS_LIMIT_BYTES
    is_full: bool = False
    contents: dict[str, bytes | None] = field(default_factory=dict)

    def keep(self, path: str, content: bytes | None) -> None:
        """Keep one more where there is room."""
        self.left_bytes -= len(content or b"")
        self.is_full = self.is_full or self.left_bytes < 0
        if not self.is_full:
            self.contents[path] = content


@dataclass(frozen=True)
class _New:
    """What was read of a head, in one go."""

    tests: _Room
    suspects: Suspects


def _read(head: Head, hiding: Hiding) -> _New:
    """Read all that the head changes, what was there before first."""
    room = _Room()
    suspects: Suspects = {}
    there = [change for change in head.changes if change.status != "D"]
    there.sort(key=lambda change: change.status == "A")
    fresh = {change.path for change in there if change.status == "A"}
    for path, content in head.after(change.path for change in there):
        if path.endswith(".py"):
            room.keep(path, content)
        found = secrets_in(path, content or b"", hiding.redactor, is_new=path in fresh)
        if found:
            suspects[path] = found
    return _New(room, suspects)


# --- tests ------------------------------------------------------------------------------------


def _compare(head: Head, read: _New) -> Comparison:
    """Compare the changed files that may hold tests."""
    python = [change for change in head.changes if change.path.endswith(".py")]
    gone = [change.path for change in python if change.status != "A"]
    old, new = _Room(), read.tests.contents
    for path, content in head.before(gone):
        old.keep(path, content)
    kept = [change.path for change in python if change.status not in ("A", "D")]
    if old.is_full or any(path not in new for path in kept):
        what = "all that changed is too large to be compared"
        return Comparison(tuple(Weakened(path, FILE, what, 1) for path in gone))
    if not gone:  # nothing that was there is weaker, but by what says which tests run
        new = {path: content for path, content in new.items() if _HOOKS.search(content or b"")}
    paths = dict.fromkeys([*old.contents, *new])
    if not paths:
        return Comparison()
    edits = [Edited(path, old.contents.get(path), new.get(path)) for path in paths]
    with _PARSING, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the code of others is warned of is theirs
        return compare_tests(edits)


# --- secrets ----------------------------------------------------------------------------------


def _added(head: Head, read: _New) -> list[tuple[str, int, str]]:
    """The secrets that it adds: path, line and kind."""
    if not read.suspects:
        return []
    old: set[bytes] = set()
    wanted = {secret for found in read.suspects.values() for _, _, secret in found}
    for _, content in head.before(change.path for change in head.changes if change.status != "A"):
        old |= {secret for secret in wanted - old if secret in (content or b"")}
    return [
        (path, line, what)
        for path, found in read.suspects.items()
        for line, what, secret in found
        if line == 0 or secret not in old
    ]
