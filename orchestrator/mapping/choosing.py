"""Which files matter for a task, in order. Pure.

1. The files that the task may change.
2. What these import, then what imports them.
3. What was changed lately, the newest first; then the larger files; then by name.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from orchestrator.mapping.languages import Language

_WORDS = re.compile(r"\w+")
Why = Literal["task", "imported", "imports", ""]


@dataclass(frozen=True)
class Chosen:
    """A file, and why it comes where it comes."""

    path: str
    why: Why = ""


def words_of(name: str) -> list[str]:
    """The words of a path or of an import; one that leads to the other shares one with it."""
    return _WORDS.findall(name)


class Ways:
    """How imports lead to files."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths = frozenset(paths)
        self._by_end: dict[str, list[str]] = {}
        self._by_folder: dict[str, list[str]] = {}
        for path in sorted(self.paths):
            folder, _, name = path.rpartition("/")
            self._by_end.setdefault(name, []).append(path)
            self._by_folder.setdefault(folder.rpartition("/")[2], []).append(path)

    def files(self, importer: str, name: str, language: Language) -> list[str]:
        """The files that an import in that file may mean."""
        match language.leads:
            case "relative":
                return self._relative(importer, name, language)
            case "suffix":
                return self._suffix(importer, name, language)
            case "dotted":
                return self._dotted(importer, name, language)

    def _relative(self, importer: str, name: str, language: Language) -> list[str]:
        place = posixpath.normpath(posixpath.join(posixpath.dirname(importer), name))
        found = [place + ending for ending in language.endings]
        return [path for path in found if path in self.paths][:1]

    def _suffix(self, importer: str, name: str, language: Language) -> list[str]:
        if language.endings == ("",):
            near = posixpath.normpath(posixpath.join(posixpath.dirname(importer), name))
            if near in self.paths:
                return [near]
            same = self._by_end.get(name.rpartition("/")[2], [])
            return [path for path in same if f"/{path}".endswith(f"/{name}")][:3]
        # A package: all files of a folder whose path ends as the import does.
        wanted = name.split("/")
        found = []
        for path in self._by_folder.get(wanted[-1], []):
            folder = path.split("/")[:-1]
            # The module's own name stands before the folders of the repository.
            if any(folder == wanted[-length:] for length in range(1, len(wanted) + 1)):
                found.append(path)
        return found[:10]

    def _dotted(self, importer: str, name: str, language: Language) -> list[str]:
        rest = name.lstrip(".")
        dots = len(name) - len(rest)
        parts = [part for part in rest.replace("::", ".").split(".") if part]
        if dots:
            above = posixpath.dirname(importer).split("/")
            above = above[: len(above) - (dots - 1)] if dots > 1 else above
            for kept in (parts, parts[:-1]) if parts else ((),):
                if found := self._at("/".join(filter(None, [*above, *kept])), language):
                    return found
            return []
        # The last parts may be names within the file.
        for length in range(len(parts), max(0, len(parts) - 3), -1):
            wanted = "/".join(parts[:length])
            if found := self._ending(wanted, importer, language):
                return found
        return []

    def _at(self, place: str, language: Language) -> list[str]:
        found = [place + ending for ending in language.endings]
        return [path for path in found if path in self.paths][:1]

    def _ending(self, wanted: str, importer: str, language: Language) -> list[str]:
        """Files at that path from the top, from the importer's folder, or below a source folder."""
        roots = ("", f"{posixpath.dirname(importer)}/", "src/", "lib/", "python/", "src/main/java/")
        for root in roots:
            if found := self._at(f"{root}{wanted}", language):
                return found
        if "/" not in wanted:
            return []
        for ending in language.endings:
            whole = wanted + ending
            same = self._by_end.get(whole.rpartition("/")[2], [])
            if found := [path for path in same if path.endswith(f"/{whole}")][:2]:
                return found
        return []


def choose(
    files: Mapping[str, int],
    own: Sequence[str],
    imports: Mapping[str, Sequence[str]],
    recent: Sequence[str],
) -> tuple[Chosen, ...]:
    """All files (by their sizes) in the order in which they matter.

    `own` are the task's; `imports` are the files that each file imports, as far as is known.
    """
    chosen: dict[str, Chosen] = {}

    def take(paths: Iterable[str], why: Why) -> None:
        for path in paths:
            if path in files and path not in chosen:
                chosen[path] = Chosen(path, why)

    mine = frozenset(own)
    take(own, "task")
    take(sorted({path for name in own for path in imports.get(name, ())}), "imported")
    take(sorted(name for name, to in imports.items() if not mine.isdisjoint(to)), "imports")
    take(recent, "")
    take(sorted(files, key=lambda path: (-files[path], path)), "")
    return tuple(chosen.values())
