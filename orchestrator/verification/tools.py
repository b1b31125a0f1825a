"""Which machine and which tools verdicts depend on, beside the tree; read once, at a run's start.

1. The machine: its system, kind and release, and where programs are looked for.
2. Each program that a gate or the set-up calls by name, and what programs commonly hand on to:
   the file that it is, through links, its size and when it was last written. Files outside the
   tree that a command names by their whole path count too.
3. What is installed for Python where such a program lies: the environment's pyvenv.cfg, and the
   names (versions) and dates of installed distributions. The same for VIRTUAL_ENV, CONDA_PREFIX
   and what the user has installed for themselves.
4. Nothing is run and no content is read but pyvenv.cfg: it takes some milliseconds. What a program
   goes on to load from elsewhere is not seen; to judge again all the same is the user's to say.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from ledger.model import Settings
from orchestrator.verification.protected import words_that_run

COMMON = (
    *("sh", "make", "env", "python", "python3", "pytest", "ruff", "mypy", "uv", "tox", "nox"),
    *("node", "npm", "npx", "go", "cargo", "rustc", "java", "gcc", "cc"),
)
"""What makefiles, scripts and runners usually call in turn."""
INSTALLED = (".dist-info", ".egg-info", ".egg-link", ".pth")


def platform_key(environ: Mapping[str, str], settings: Settings) -> str:
    """Changes with the machine, and with the tools that these settings' commands call."""
    path = environ.get("PATH", "")
    machine = (platform.system(), platform.machine(), platform.release(), path)
    commands = [*(gate.command for gate in settings.gates), *settings.preparation.setup]
    tools, places = _tools(commands, path)
    roots = {root for place in places for root in roots_of(place)}
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if (named := environ.get(name, "")).startswith("/"):
            roots.add(named)
    if (home := environ.get("HOME", "")).startswith("/"):
        roots.add(os.path.join(home, ".local"))  # noqa: PTH118
    installed = {root: found for root in sorted(roots) if (found := list(_installed(root)))}
    text = json.dumps([machine, tools, installed], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _tools(commands: Iterable[str], path: str) -> tuple[dict[str, list[object]], set[str]]:
    """What each name means on that PATH, and the paths of what was found."""
    names = dict.fromkeys(COMMON)
    for command in commands:
        names |= dict.fromkeys(words_that_run(command))
    folders = [folder for folder in path.split(":") if folder.startswith("/")]
    tools: dict[str, list[object]] = {}
    places: set[str] = set()
    for name in names:
        place = find_program(name, folders)
        # What is not there counts as well: it may be there the next time.
        tools[name] = _state_of(place) if place else []
        if place:
            places |= {place, os.path.realpath(place)}
    return tools, places


def find_program(name: str, folders: list[str]) -> str | None:
    """The file that a word means: a whole path, or a program's name."""
    if name.startswith("/"):
        return name if os.path.isfile(name) else None  # noqa: PTH113
    if "/" in name or not name:
        return None  # of the tree, or made by the set-up
    for folder in folders:
        place = f"{folder}/{name}"
        try:
            found = os.stat(place)  # noqa: PTH116
        except (OSError, ValueError):
            continue
        if stat.S_ISREG(found.st_mode) and found.st_mode & 0o111:
            return place
    return None


def _state_of(place: str) -> list[object]:
    try:
        found = os.stat(place)  # noqa: PTH116
    except OSError:
        return [place]
    return [place, os.path.realpath(place), found.st_size, found.st_mtime_ns]


def roots_of(place: str) -> Iterator[str]:
    """The environments that a program may belong to: the folder above its own."""
    folder, _, _ = place.rpartition("/")
    root, _, name = folder.rpartition("/")
    if name in ("bin", "sbin", "Scripts") and root:
        yield root


def _installed(root: str) -> Iterator[object]:
    """What is installed for Python below an environment's root."""
    with suppress(OSError):
        yield Path(root, "pyvenv.cfg").read_text("utf-8", "replace")
    for library in ("lib", "lib64"):
        # lib64 is mostly a link to lib, and then nothing new.
        if library == "lib64" and os.path.islink(f"{root}/{library}"):  # noqa: PTH114
            continue
        for version in _names(f"{root}/{library}", "python"):
            for packages in ("site-packages", "dist-packages"):
                folder = f"{root}/{library}/{version}/{packages}"
                for name in _names(folder, "", INSTALLED):
                    try:
                        yield [version, name, os.stat(f"{folder}/{name}").st_mtime_ns]  # noqa: PTH116
                    except OSError:
                        yield [version, name]


def _names(folder: str, start: str, ends: tuple[str, ...] = ("",)) -> list[str]:
    try:
        names = os.listdir(folder)  # noqa: PTH208, names are wanted
    except OSError:
        return []
    return sorted(name for name in names if name.startswith(start) and name.endswith(ends))
