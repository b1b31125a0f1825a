"""How the workspaces of a run are confined: from settings, tools and a shadow to a confinement.

1. A worker's git works in a shadow that it may write, a gate's in one that it may not.
2. What may be read beside the system: the tools on PATH, the brief, what the settings name. What
   may be written: the tree, the workspace's own temporary folder, what the settings name.
3. Without a sandbox nothing runs, unless the settings or the person say so by name.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from ledger.model import Network, SandboxSettings
from orchestrator.errors import OrchError
from workers.sandbox import OBJECTS, ChildLimits, Confinement, GitFolder
from workers.sandbox_offer import sandbox_offer
from workers.toolchains import manager_variables, tool_places
from worktree.git import Git
from worktree.shadow import make_shadow
from worktree.workspace import Workspace

Kind = Literal["worker", "gate"]
GB = 1024**3


def require_sandbox(settings: SandboxSettings) -> None:
    """Refuse to go on where the settings want a sandbox that this machine does not give."""
    if settings.mode != "bubblewrap":
        return
    offer = sandbox_offer()
    if not offer.works:
        raise OrchError(
            f"no sandbox: {offer.what}",
            hint=f"{offer.hint}; or go on without, with all your rights: --sandbox none, "
            'or sandbox = "none" below [run] in .agent/orch.local.toml',
        )


@dataclass(frozen=True)
class Sandboxes:
    """The sandboxes of one run."""

    git: Git
    settings: SandboxSettings
    environ: Mapping[str, str]

    @cached_property
    def _places(self) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
        """What every sandbox may read, and what every one may write."""
        home = Path(self.environ.get("HOME") or "/nonexistent")
        named = [
            tuple(_expanded(name, home) for name in names)
            for names in (self.settings.read, self.settings.write)
        ]
        return (*tool_places(self.environ), *named[0]), named[1]

    @cached_property
    def _in_home(self) -> tuple[tuple[Path, str, bool], ...]:
        home = Path(self.environ.get("HOME") or "/nonexistent")
        return tuple(
            (place, str(place.relative_to(home)), may_write)
            for names, may_write in ((self.settings.read, False), (self.settings.write, True))
            for place in (_expanded(name, home) for name in names)
            if place.is_relative_to(home) and place != home
        )

    @cached_property
    def _limits(self) -> ChildLimits:
        memory_gb = self.settings.memory_gb
        return ChildLimits(
            memory_bytes=int(memory_gb * GB) if memory_gb else _most_of_the_memory(),
            processes=self.settings.processes,
            file_bytes=int(self.settings.file_gb * GB),
        )

    def confine(self, workspace: Workspace, kind: Kind) -> Confinement | None:
        """The confinement of all that runs in a workspace that was just handed out, without a
        network; None where the settings want none. Blocking: it makes the shadow."""
        if self.settings.mode != "bubblewrap":
            return None
        shadow = make_shadow(self.git, workspace, OBJECTS)
        readable, writable = self._places
        return Confinement(
            readable=(*readable, workspace.folder / "brief"),
            writable=(*writable, workspace.path, workspace.folder / "tmp"),
            in_home=self._in_home,
            git=GitFolder(shadow.place, shadow.folder, shadow.objects, writable=kind == "worker"),
            variables=tuple(manager_variables(self.environ).items()),
            limits=self._limits,
        )

    @property
    def key(self) -> str:
        """What verdicts depend on of it."""
        parts = self.settings.model_dump(include={"mode", "read", "write"})
        return repr(sorted(parts.items()))


def with_network(confinement: Confinement | None, network: Network) -> Confinement | None:
    """The same, with what it may reach."""
    if confinement is None or not network:
        return confinement
    return dataclasses.replace(confinement, network=True)


def _expanded(name: str, home: Path) -> Path:
    if name == "~" or name.startswith("~/"):
        return home / name[2:]
    return Path(name)


def _most_of_the_memory() -> int | None:
    try:
        whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None
    return whole * 3 // 4
