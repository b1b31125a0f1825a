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
from dataclasses import dataclass

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
    compared = _compare(head)
    weakened = [one for one in compared.weakened if not is_free(one.path)]
    added = [found for found in _secrets(head, hiding) if not is_free(found[0])]
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


# --- tests ------------------------------------------------------------------------------------


def _compare(head: Head) -> Comparison:
    """Compare the changed files that may hold tests."""
    python = [change for change in head.changes if change.path.endswith(".py")]
    gone = [change.path for change in python if change.status != "A"]
    before, after = _Room(TESTS_LIMIT_BYTES), _Room(TESTS_LIMIT_BYTES)
    old = before.take(head.before(gone))
    # What was there comes first: of what is only added, some may be left out.
    python.sort(key=lambda change: change.status == "A")
    new = after.take(head.after(change.path for change in python if change.status != "D"))
    if before.is_full or any(path not in new and path in old for path in _kept(python)):
        what = "all that changed is too large to be compared"
        return Comparison(tuple(Weakened(path, FILE, what, 1) for path in gone))
    if not gone:  # nothing that was there is weaker, but by what says which tests run
        new = {path: content for path, content in new.items() if _HOOKS.search(content or b"")}
    paths = dict.fromkeys([*old, *new])
    with _PARSING, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the code of others is warned of is theirs
        return compare_tests([Edited(path, old.get(path), new.get(path)) for path in paths])


def _kept(changes: Iterable[Change]) -> list[str]:
    return [change.path for change in changes if change.status not in ("A", "D")]


@dataclass
class _Room:
    """So many bytes of contents as may be looked at."""

    left_bytes: int
    is_full: bool = False

    def take(self, contents: Iterable[tuple[str, bytes | None]]) -> dict[str, bytes | None]:
        """As many as there is room for."""
        found: dict[str, bytes | None] = {}
        for path, content in contents:
            self.left_bytes -= len(content or b"")
            if self.left_bytes < 0:
                self.is_full = True
                break
            found[path] = content
        return found


# --- secrets ----------------------------------------------------------------------------------


def _secrets(head: Head, hiding: Hiding) -> list[tuple[str, int, str]]:
    """The secrets that it adds: path, line and kind."""
    redactor = hiding.redactor
    there = [change.path for change in head.changes if change.status != "D"]
    named = {change.path for change in head.changes if change.status == "A"}
    suspects: dict[str, tuple[tuple[int, str, bytes], ...]] = {}
    for path, content in head.after(there):
        if found := secrets_in(path, content or b"", redactor, is_new=path in named):
            suspects[path] = found
    if not suspects:
        return []
    old: set[bytes] = set()
    wanted = {secret for found in suspects.values() for _, _, secret in found}
    for _, content in head.before(change.path for change in head.changes if change.status != "A"):
        old |= {secret for secret in wanted - old if secret in (content or b"")}
    return [
        (path, line, what)
        for path, found in suspects.items()
        for line, what, secret in found
        if line == 0 or secret not in old
    ]
