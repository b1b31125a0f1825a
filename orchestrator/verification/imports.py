"""Whether a gate's tests import the tree that it judges, or another copy of it.

1. Only where something could lead elsewhere (see `elsewhere`) is a gate's run watched, until it
   has passed and imported nothing from there. Others cost nothing.
2. Watched is the real run: Python is told to keep what it compiles in a folder of ours, in which
   each imported file has a path like its own. How it was found (a path, a finder, a setting of
   the runner, a conftest.py) does not matter then.
3. A gate is fooled where a test runner was imported, and a package of the tree from another copy
   of the repository or from an installed one, but not from the tree. What the gate installed
   itself, while it ran, is the tree's.
4. What it said is worth nothing then: it could not run, with what to type.
5. A package of the tree that is not found, where something leads elsewhere, is one that would
   have come from there: no sandbox shows the user's checkout.
6. A command by which Python keeps nothing cannot be watched; where something leads elsewhere that
   is said, too.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.verification.elsewhere import PACKAGES, Lead, find_leads, other_copies
from worktree.values import Repository

VARIABLE = "PYTHONPYCACHEPREFIX"
FILES_LIMIT = 100_000
_RUNNERS = ("unittest", "_pytest", "pytest")
_KEEPS_NOTHING = re.compile(
    r"\bPYTHONDONTWRITEBYTECODE=[^\s0]|\bpython[\d.]*\s+(?:-\w+\s+)*-\w*[BEI]"
)
_NOT_FOUND = re.compile(r"\bNo module named ['\"]?(\w+)")
_SITE = re.compile(r"/(?:site|dist)-packages/")


@dataclass
class Watcher:
    """Watches the gates of one run; remembers those that need it no more."""

    repository: Repository
    _sure: set[str] = field(default_factory=set)
    _leads: dict[str, tuple[Lead, ...]] = field(default_factory=dict)
    _looked_at: dict[str, tuple[Lead, ...]] = field(default_factory=dict)

    def begin(
        self, command: str, tree: Path, environ: Mapping[str, str], folder: Path
    ) -> Watch | None:
        """What a run of this command must be watched with; None where there is no need to."""
        if command in self._sure:
            return None
        copies = other_copies(self.repository, tree)
        if command not in self._leads:
            self._leads[command] = find_leads(command, environ, tree, copies, self._looked_at)
        leads = self._leads[command]
        if not leads:
            self._sure.add(command)
            return None
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return Watch(command, tree, folder, copies, leads, folder.stat().st_ctime)

    def end(self, watch: Watch, passed: bool, lines: Iterable[str]) -> str | None:
        """Why the run says nothing of the tree; None where it does. `lines`: what it printed."""
        try:
            why = watch.why_fooled() or (None if passed else watch.why_not_found(lines))
        finally:
            shutil.rmtree(watch.folder, ignore_errors=True)
        if passed and why is None:
            self._sure.add(watch.command)
        return why


@dataclass(frozen=True)
class Watch:
    """One run that is watched."""

    command: str
    tree: Path
    folder: Path
    copies: tuple[str, ...]
    leads: tuple[Lead, ...]
    began: float

    @property
    def variables(self) -> dict[str, str]:
        """What the command must see."""
        return {VARIABLE: str(self.folder)}

    def why_fooled(self) -> str | None:
        """Where a package of the tree was imported from, if not from the tree."""
        sources = list(_sources(self.folder))
        if not sources:
            return self._why_unseen()
        if not any(_is_runner(source) for source in sources):
            return None
        top = os.path.realpath(self.tree)
        inside: set[str] = set()
        outside: dict[str, str] = {}
        for source in sources:
            if source.startswith(f"{top}/"):
                inside |= {_package(top, place) for place in _places(top, source[len(top) + 1 :])}
            elif place := self._counterpart(top, source):
                outside.setdefault(_package(top, place), source)
        fooled = sorted(package for package in outside if package not in inside)
        return self._said(fooled[0], outside[fooled[0]]) if fooled else None

    def why_not_found(self, lines: Iterable[str]) -> str | None:
        """Which package of the tree was looked for elsewhere, and was not there."""
        missing = {match[1] for line in lines if (match := _NOT_FOUND.search(line))}
        lead = self.leads[0]
        for above in PACKAGES:
            for name in sorted(missing):
                if any(Path(self.tree, above, end).is_file() for end in _modules(name)):
                    what = f"its tests do not find {name} in the tree that is judged"
                    return f"{what}, and {lead.file} leads to {lead.to} {_hint(above)}"
        return None

    def _why_unseen(self) -> str | None:
        if not _KEEPS_NOTHING.search(self.command):
            return None
        lead = self.leads[0]
        return (
            f"whether it imports the tree that is judged cannot be seen, and {lead.file} leads to"
            f" {lead.to} (hint: take -B, -E, -I or PYTHONDONTWRITEBYTECODE out of its command)"
        )

    def _counterpart(self, top: str, source: str) -> str | None:
        """The tree's own file that a file from elsewhere stands in for."""
        if _SITE.search(source):
            is_new = _changed_at(source) > self.began
            return None if is_new else next(_places(top, source[1:]), None)
        copy = max((c for c in self.copies if source.startswith(f"{c}/")), key=len, default=None)
        if copy is None:
            return None
        place = source[len(copy) + 1 :]
        return place if Path(top, place).is_file() else None

    def _said(self, package: str, source: str) -> str:
        above, _, name = package.rpartition("/")
        folder = source[: source.rfind(f"/{name}")] if f"/{name}" in source else source
        name = name.removesuffix(".py")
        what = f"its tests import {name} from {folder}, not from the tree that is judged"
        return f"{what} {_hint(above)}"


def _hint(above: str) -> str:
    return (
        f"(hint: write PYTHONPATH={above or '.'} before its command; or give workspaces an"
        " environment of their own, with setup and keep)"
    )


def _modules(name: str) -> tuple[str, str]:
    return f"{name}/__init__.py", f"{name}.py"


def _sources(folder: Path) -> Iterator[str]:
    """The files whose compiled code lies below the folder, with no links in their folders."""
    count = 0
    for at, _, files in os.walk(folder):
        real = os.path.realpath("/" + os.path.relpath(at, folder))
        for file in files:
            if file.endswith(".pyc") and (count := count + 1) <= FILES_LIMIT:
                yield f"{real}/{file.partition('.')[0]}.py"


def _is_runner(source: str) -> bool:
    return any(f"/{name}/" in source for name in _RUNNERS)


def _places(top: str, place: str) -> Iterator[str]:
    """The tree's files that an imported path may stand for: itself, or that of an installation."""
    candidates = [place]
    if site := _SITE.search(f"/{place}"):
        place = f"/{place}"[site.end() :]
        candidates = [place, f"src/{place}", f"lib/{place}"]
    for candidate in candidates:
        if Path(top, candidate).is_file():
            yield candidate


def _package(top: str, place: str) -> str:
    """The topmost package that a file of the tree is in; the file itself where it is in none."""
    found, folder = place, place.rpartition("/")[0]
    while folder and Path(top, folder, "__init__.py").is_file():
        found, folder = folder, folder.rpartition("/")[0]
    return found


def _changed_at(source: str) -> float:
    try:
        return Path(source).stat().st_ctime
    except OSError:
        return 0.0
