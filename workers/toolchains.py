"""Which places outside the system's folders the user's tools need, read from PATH. Looks only.

1. Each absolute folder on PATH, with what its links lead to: a tool is often a link into an
   environment of its own, whose interpreter is a link into another.
2. Of the environment that such a program lies in (the folder above its `bin`) only the parts that
   hold programs and libraries; never the home, which is above many of them.
3. What well-known tool managers keep beside it, where PATH names one of theirs.
4. Orch's own interpreter and modules, for what orch itself runs in a sandbox.
5. A PATH that names the home, the root or a folder above one of them gives nothing more.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from workers.sandbox import SYSTEM

PARTS = ("bin", "lib", "lib32", "lib64", "libexec", "include", "pyvenv.cfg", "conda-meta")
"""What of an environment is programs and libraries."""
MANAGERS: Mapping[str, str] = {
    "RUSTUP_HOME": ".rustup",
    "PYENV_ROOT": ".pyenv",
    "NVM_DIR": ".nvm",
    "VOLTA_HOME": ".volta",
    "RBENV_ROOT": ".rbenv",
    "ASDF_DATA_DIR": ".asdf",
    "MISE_DATA_DIR": ".local/share/mise",
    "GOMODCACHE": "go/pkg/mod",
    "UV_PYTHON_INSTALL_DIR": ".local/share/uv/python",
}
"""Variables that say where tool managers keep their tools, and where that is below the home."""
LINKS_AT_MOST = 4000
_DEEPEST = 6


def tool_places(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The places to show to a sandbox, read-only, for the tools of this environment to run."""
    home = Path(environ.get("HOME") or "/nonexistent")
    found: dict[Path, None] = {}
    folders = [Path(part) for part in environ.get("PATH", "").split(":") if part.startswith("/")]
    for folder in (*folders, Path(sys.prefix, "bin"), Path(sys.base_prefix, "bin")):
        for place in _of_folder(folder):
            if not _is_too_much(place, home):
                found[place] = None
    for variable, usual in MANAGERS.items():
        folder = Path(environ.get(variable) or home / usual)
        if folder.is_absolute() and folder.is_dir() and not _is_too_much(folder, home):
            found[folder] = None
    own = Path(__file__).parent
    found |= dict.fromkeys((own, own.with_name("ledger")))
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if root := environ.get(variable):
            found |= dict.fromkeys(_parts(Path(root)))
    return tuple(_outermost(found))


def manager_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables to set in a sandbox, whose home is another: where managers keep tools."""
    home = environ.get("HOME") or "/nonexistent"
    usual = {name: Path(home, below) for name, below in MANAGERS.items() if name not in environ}
    return {name: str(path) for name, path in usual.items() if path.is_dir()}


def _of_folder(folder: Path) -> Iterator[Path]:
    """A folder of programs, and the environments that these live in."""
    if _is_system(folder) or not folder.is_dir():
        return
    yield folder
    yield from _environment(folder)
    roots: set[Path] = set()
    with suppress(OSError), os.scandir(folder) as entries:
        for number, entry in enumerate(entries):
            if number >= LINKS_AT_MOST:
                break
            if not entry.is_symlink():
                continue
            for target in _steps(Path(entry.path)):
                if target.parent not in roots and not _is_system(target.parent):
                    roots.add(target.parent)
                    yield target.parent if target.parent.name == "bin" else target
                    yield from _environment(target.parent)


def _steps(link: Path) -> Iterator[Path]:
    """What a link leads to, step by step."""
    for _ in range(_DEEPEST):
        if not link.is_symlink():
            return
        link = Path(os.path.normpath(link.parent / os.readlink(link)))  # noqa: PTH115
        yield link


def _environment(folder: Path) -> Iterator[Path]:
    """The parts of the environment whose programs lie there, and of what it is based on."""
    if folder.name != "bin":
        return
    yield from _parts(folder.parent)
    with suppress(OSError, UnicodeDecodeError):
        for line in (folder.parent / "pyvenv.cfg").read_text().splitlines():
            key, _, value = line.partition("=")
            based = Path(value.strip())
            if key.strip() == "home" and based.is_absolute() and not _is_system(based):
                yield from _parts(based.parent)


def _parts(root: Path) -> Iterator[Path]:
    if not _is_system(root):
        yield from (root / part for part in PARTS if (root / part).exists())


def _is_system(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in SYSTEM)


def _is_too_much(place: Path, home: Path) -> bool:
    """Whether it is the home, or above it."""
    return home.is_relative_to(place) or len(place.parts) < 3


def _outermost(places: Mapping[Path, None]) -> Iterator[Path]:
    """Those that lie in none of the others, in their order."""
    for place in places:
        if not any(parent in places for parent in place.parents):
            yield place
