"""What could make Python import another copy of the tree: read from files, nothing is run.

1. Other copies are the user's checkout, and every worktree and workspace of the repository but
   the one that is judged.
2. Something leads there where an environment that a command may use has a `.pth` file, an
   egg-link, or the finder or record of an editable install that names a place in one of them;
   where PYTHONPATH does; or where a package of the tree is installed as a copy.
3. Environments are those of the programs that a command calls, of what programs commonly hand on
   to, and of the variables by which environments are named. What poetry, pipenv and their like
   would use cannot be told: they count as leading there.
4. Files are bounded, and unreadable ones lead nowhere: it is only asked whether to look closer.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlparse

from orchestrator.verification.protected import words_that_run
from orchestrator.verification.tools import COMMON, find_program, roots_of
from worktree.values import Repository

FILE_LIMIT_BYTES = 256 * 1024
_OWN_ENVIRONMENTS = frozenset(("poetry", "pipenv", "pdm", "hatch", "conda", "mamba", "rye"))
_BESIDE = frozenset(("tests", "test", "docs", "doc", "examples", "scripts", "tools", "benchmarks"))
"""Packages of a tree that others of the same name have nothing to do with."""
PACKAGES = ("", "src", "lib")
"""The folders of a tree that its packages may lie in."""


@dataclass(frozen=True, slots=True)
class Lead:
    """Something outside the tree that Python may follow."""

    file: str
    """What leads there."""
    to: str
    """The other copy, or its package."""


def other_copies(repository: Repository, tree: Path | None = None) -> tuple[str, ...]:
    """The folders of the repository's other worktrees, with no links in their names."""
    found = {os.path.realpath(repository.checkout)} if repository.checkout else set()
    if repository.common_dir.name == ".git":
        found.add(os.path.realpath(repository.common_dir.parent))
    with suppress(OSError):
        for entry in os.scandir(repository.common_dir / "worktrees"):
            with suppress(OSError):
                pointer = Path(entry.path, "gitdir").read_text("utf-8", "surrogateescape").strip()
                found.add(os.path.realpath(Path(entry.path, pointer).parent))
    return tuple(sorted(found - {os.path.realpath(tree) if tree else ""}))


def find_leads(
    command: str,
    environ: Mapping[str, str],
    tree: Path,
    copies: Iterable[str],
    looked_at: dict[str, tuple[Lead, ...]] | None = None,
) -> tuple[Lead, ...]:
    """All that could lead a command's Python from the tree to one of these copies.

    `looked_at` spares looking at the same environments again, for the next command.
    """
    known = tuple(copies)
    looked_at = {} if looked_at is None else looked_at
    found: dict[Lead, None] = {}
    for name in words_that_run(command):
        if name in _OWN_ENVIRONMENTS:
            found[Lead(name, "an environment of its own")] = None
    for text, where in ((environ.get("PYTHONPATH", ""), "PYTHONPATH"), (command, "its command")):
        for copy in known:
            if _names(text, copy):
                found[Lead(where, copy)] = None
    packages = frozenset(_own_packages(tree))
    for folder in _site_folders(command, environ, tree):
        if not _is_inside(os.path.realpath(folder), (os.path.realpath(tree),)):
            found |= dict.fromkeys(_installed(folder, packages))
        if folder not in looked_at:
            looked_at[folder] = tuple(_pointers(folder, known))
        found |= dict.fromkeys(looked_at[folder])
    return tuple(found)


# --- environments -----------------------------------------------------------------------------


def _site_folders(command: str, environ: Mapping[str, str], tree: Path) -> Iterator[str]:
    """Where the packages lie of each environment that the command may use."""
    path = [entry for entry in environ.get("PATH", "").split(":") if entry.startswith("/")]
    roots: set[str] = {f"{tree}/.venv", f"{tree}/venv"}
    for name in {*COMMON, *words_that_run(command)}:
        place = find_program(name, path)
        if place is None and "/" in name and not name.startswith("/"):
            place = f"{tree}/{name}"
        if place:
            roots |= {*roots_of(place), *roots_of(os.path.realpath(place))}
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if (named := environ.get(name, "")).startswith("/"):
            roots.add(named)
    home = environ.get("HOME", "")
    pyenv = environ.get("PYENV_ROOT", f"{home}/.pyenv")
    for versions in (f"{home}/.local", f"{pyenv}/versions"):
        if versions.startswith("/"):
            roots.add(versions)
            roots |= {f"{versions}/{name}" for name in _listed(versions)}
    seen: set[str] = set()
    for root in sorted(roots):
        for library in ("lib", "lib64"):
            for version in _listed(f"{root}/{library}"):
                if version.startswith("python"):
                    for packages in ("site-packages", "dist-packages"):
                        folder = f"{root}/{library}/{version}/{packages}"
                        if (real := os.path.realpath(folder)) not in seen:
                            seen.add(real)
                            yield folder


def _own_packages(tree: Path) -> Iterator[str]:
    """The names of the tree's own packages and modules, at its top and below src/ and lib/."""
    for above in PACKAGES:
        for name in _listed(str(tree / above)):
            stem = name.removesuffix(".py")
            is_package = (tree / above / name / "__init__.py").is_file()
            if stem not in _BESIDE and (is_package or (above and stem != name)):
                yield stem


# --- what leads elsewhere ---------------------------------------------------------------------


def _installed(folder: str, packages: frozenset[str]) -> Iterator[Lead]:
    """Copies of the tree's own packages."""
    for name in _listed(folder):
        module = name.removesuffix(".py")
        if module in packages and (module != name or Path(folder, name, "__init__.py").is_file()):
            yield Lead(folder, f"{folder}/{name}")


def _pointers(folder: str, copies: tuple[str, ...]) -> Iterator[Lead]:
    """Files that name a place in another copy."""
    for name in _listed(folder):
        file = f"{folder}/{name}"
        if name.endswith((".pth", ".egg-link")):
            for line in filter(None, map(str.strip, _text(file).splitlines())):
                place = os.path.realpath(Path(folder, line))
                if _is_inside(place, copies):
                    yield Lead(file, place)
        elif "editable" in name and name.endswith((".py", ".json")):
            text = _text(file)
            for copy in copies:
                if _names(text, copy):
                    yield Lead(file, copy)
        elif name.endswith(".dist-info"):
            record = f"{file}/direct_url.json"
            editable = _editable_place(_text(record))
            if editable and _is_inside(os.path.realpath(editable), copies):
                yield Lead(record, editable)


def _editable_place(text: str) -> str | None:
    """Where the record of an installation says that an editable install leads."""
    with suppress(ValueError, LookupError, AttributeError, TypeError):
        record = json.loads(text)
        if record["dir_info"]["editable"]:
            url = urlparse(record["url"])
            return unquote(url.path) if url.scheme == "file" else None
    return None


def _names(text: str, place: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(place)}(?![\w.-])", text) is not None


def _is_inside(place: str, folders: Iterable[str]) -> bool:
    return any(place == folder or place.startswith(f"{folder}/") for folder in folders)


def _text(file: str) -> str:
    try:
        with open(file, "rb") as opened:
            return opened.read(FILE_LIMIT_BYTES).decode("utf-8", "surrogateescape")
    except OSError:
        return ""


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208, names are wanted
    except OSError:
        return []
