"""The machine: git, the installation, room on its disks."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from orchestrator.doctor.findings import Finding, Visit

PACKAGES = ("ledger", "orchestrator", "workers", "worktree")
FREE_GB = 5.0
"""Where the settings, which know better, cannot be read."""
REPOSITORY_FREE_MB = 100
"""Below it the ledger and git have no room to speak of."""


def git_version() -> Iterator[Finding]:
    """Whether git can do what orch asks of it."""
    from worktree.discovery import OLDEST
    from worktree.discovery import git_version as version_of_git

    version = version_of_git()
    shown = ".".join(map(str, version)) or "unknown"
    if version < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        yield Finding("git", "bad", f"git {shown} is too old", f"install git {oldest} or newer")
    else:
        yield Finding("git", "good", f"git {shown}")


def installation() -> Iterator[Finding]:
    """Whether another distribution claims a name of ours."""
    from importlib.metadata import packages_distributions
    from importlib.util import find_spec

    owners = packages_distributions()
    home = Path(__file__).resolve().parents[2]
    clean = True
    for name in PACKAGES:
        others = sorted({owner for owner in owners.get(name, []) if owner != "orch"})
        spec = find_spec(name)
        place = Path(spec.origin).resolve().parent.parent if spec and spec.origin else None
        if others:
            what = f"the package '{name}' is also claimed by {', '.join(others)}"
        elif place != home:
            what = f"the package '{name}' is found at {place}, not with orch"
        else:
            continue
        clean = False
        hint = (
            "install orch in an environment of its own: pipx install orch, or uv tool install orch"
        )
        yield Finding("installation", "bad", what, hint)
    if clean:
        yield Finding("installation", "good", "no other package claims orch's names")


def disk(visit: Visit) -> Iterator[Finding]:
    """Whether there is room for workspaces, and for what the repository keeps."""
    from ledger.place import file_system, is_network, load_mounts
    from worktree.workspace import free_bytes

    settings = visit.settings
    wanted_gb = settings.limits.min_free_gb if settings else FREE_GB
    place = visit.workplace.workspaces(settings.workspaces if settings else None)
    there = _existing(place)
    free_gb = free_bytes(there) / 1e9
    if free_gb < wanted_gb:
        what = f"{free_gb:.1f} GB are free at {there}; nothing starts below {wanted_gb:g} GB"
        yield Finding("disk", "bad", what, "orch clean, or lower min_free_gb in .agent/orch.toml")
    else:
        yield Finding("disk", "good", f"{free_gb:.0f} GB are free for workspaces at {place}")
    for kept in (visit.workplace.repository.common_dir, _existing(visit.workplace.place.folder)):
        free_mb = free_bytes(kept) / 1e6
        if free_mb < REPOSITORY_FREE_MB:
            what = f"{free_mb:.0f} MB are free at {kept}: nothing can be committed or recorded"
            hint = f"make room: df -h {shlex.quote(str(kept))}; to look needs none"
            yield Finding("disk", "bad", what, hint)
            break
    kind = file_system(there.resolve(), load_mounts())
    if is_network(kind):
        what = f"workspaces are on a network file system ({kind}), which is slow: {place}"
        hint = 'workspaces = "/a/local/folder" under [run] in .agent/orch.local.toml'
        yield Finding("disk", "odd", what, hint)


def _existing(place: Path) -> Path:
    """A folder, or the nearest above it that is there."""
    return next(folder for folder in (place, *place.parents) if folder.exists())
