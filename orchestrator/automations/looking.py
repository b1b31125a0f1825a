"""What has changed in the files that an automation watches.

1. What was there at one look is compared with what is there at the next. So a rename is one file
   removed and one added, a file that an editor wrote anew is changed, and nothing that an
   operating system forgets to tell of is missed.
2. Git says which files there are: what it ignores is not there, nor is what is in another
   repository. Nothing in `.agent/` ever counts, since orch writes there.
3. What orch itself brought into the checkout, by an accepted result, is no change: an automation
   that accepts would start itself for ever.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.automations import Automation
from orchestrator.policy.paths import covered
from orchestrator.workplace import Workplace
from worktree.names import quoted

if TYPE_CHECKING:
    from worktree.values import Repository

OWN = (".agent", ".git")

Mark = tuple[int, int, int]
"""When it was written, how large it is, which file it is."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The watched files at one look, and the commit that the checkout was on."""

    files: Mapping[str, Mark]
    head: str | None


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs between two looks; sorted paths."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def counting(self, when: str) -> Changes:
        """Those that count for an automation's `when`."""
        if when == "any":
            return self
        return Changes(**{when: getattr(self, when)})

    @property
    def paths(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(sorted({*self.added, *self.changed, *self.removed}))

    def without(self, paths: Iterable[str]) -> Changes:
        """The others."""
        gone = set(paths)

        def kept(some: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(path for path in some if path not in gone)

        return Changes(kept(self.added), kept(self.changed), kept(self.removed))

    def said(self) -> str:
        """In words: `src/a.py was added`, `4 files: 3 added, 1 removed`."""
        kinds = (("added", self.added), ("changed", self.changed), ("removed", self.removed))
        if len(self.paths) == 1:
            return f"{quoted(self.paths[0])} was {next(word for word, some in kinds if some)}"
        parts = [f"{len(some)} {word}" for word, some in kinds if some]
        return f"{len(self.paths)} files: {', '.join(parts)}"


@dataclass
class Looker:
    """Looks at the files of a checkout."""

    workplace: Workplace
    _listed: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def snapshot(self, automation: Automation) -> Snapshot:
        """The files that it watches, as they are now."""
        from worktree.seen import visible_paths

        workplace = self.workplace
        head = _head(workplace)
        mine = [
            path
            for path in visible_paths(workplace.repository, workplace.user)
            if path.split("/", 1)[0] not in OWN
        ]
        files = {}
        for path in covered(automation.watch, mine):
            mark = _mark(workplace.checkout / path)
            if mark is not None:
                files[path] = mark
        return Snapshot(files, head)

    def changes(self, before: Snapshot, now: Snapshot) -> Changes:
        """What came about between two looks by somebody else than orch."""
        found = differences(before, now)
        if before.head is None or now.head is None or before.head == now.head or not found.paths:
            return found
        return found.without(self._accepted(before.head, now.head, found))

    def _accepted(self, old: str, new: str, found: Changes) -> Iterable[str]:
        """The paths that are as orch's own commits made them."""
        from worktree.seen import only_by_orch

        git, workplace = self.workplace.git, self.workplace
        repository = workplace.repository
        if not only_by_orch(git, old, new):
            return ()
        made = {change.path: change.blob for change in git.changed_paths(old, new)}
        return [
            path
            for path in found.paths
            if path in made and _holds(repository, workplace.checkout / path, made[path])
        ]


def differences(before: Snapshot, now: Snapshot) -> Changes:
    """What differs between two looks."""
    return Changes(
        added=tuple(sorted(now.files.keys() - before.files.keys())),
        changed=tuple(
            sorted(
                path
                for path in now.files.keys() & before.files.keys()
                if now.files[path] != before.files[path]
            )
        ),
        removed=tuple(sorted(before.files.keys() - now.files.keys())),
    )


def _head(workplace: Workplace) -> str | None:
    from worktree.values import GitError

    try:
        return workplace.git.resolve("HEAD")
    except GitError:
        return None  # no commit yet


def _mark(path: Path) -> Mark | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    if stat.S_ISDIR(found.st_mode):
        return None  # a submodule
    return found.st_mtime_ns, found.st_size, found.st_ino


def _holds(repository: Repository, path: Path, blob: str) -> bool:
    """Whether a file is what git's blob holds; zeros: that there is none."""
    try:
        content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
    except OSError:
        return not blob.strip("0")
    made = hashlib.new(repository.object_format)
    made.update(b"blob %d\0" % len(content))
    made.update(content)
    return made.hexdigest() == blob
