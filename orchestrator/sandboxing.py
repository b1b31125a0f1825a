"""How the workspaces of a run are confined: from settings, tools and a shadow to a confinement.

1. A worker's git works in a shadow that it may write, a gate's in one that it may not.
2. What may be read beside the system: the tools on PATH, the brief, what the settings name. What
   may be written: the tree, the workspace's own temporary folder, what the settings name.
3. The network is off unless the settings of who runs say otherwise: all of it, or some hosts. What
   was wanted and is not allowed is told once for each host, and how to allow it.
4. Without a sandbox nothing runs, unless the settings or the person say so by name.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

from ledger.model import Gate, Network, SandboxSettings
from orchestrator.errors import OrchError
from workers.groups import sweep_groups
from workers.limits import ChildLimits
from workers.proxy import remove_socket_folder, socket_folder, socket_folders
from workers.reach import Reach, Resolve, allowance_of
from workers.sandbox import OBJECTS, Confinement, GitFolder
from workers.sandbox_offer import sandbox_offer
from workers.toolchains import manager_variables, tool_places
from worktree.git import Git
from worktree.packed import PackedRefs
from worktree.shadow import make_shadow
from worktree.workspace import Workspace

Kind = Literal["worker", "gate"]
GB = 1024**3
NOTICES = 20
"""Of hosts that were wanted: a flood of names is told as one."""

Notice = Callable[[str, str], None]
"""Is told what a person should know, and a hint; it must not raise."""


def unheard(what: str, hint: str) -> None:
    """Nobody listens."""


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
    name: str = "orch"
    """What the marks of the run's children begin with."""
    notice: Notice = unheard
    resolve: Resolve | None = None
    """How names are looked up; None: as this machine does."""
    _refs: PackedRefs = field(default_factory=PackedRefs, compare=False)
    _noticed: set[str] = field(default_factory=set, compare=False)

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

    @cached_property
    def sockets(self) -> Path:
        """Where the sockets of its proxies lie."""
        return socket_folder(self.environ, self._short)

    @cached_property
    def _short(self) -> str:
        return hashlib.sha256(self.name.encode()).hexdigest()[:16]

    def sweep(self, *, everywhere: bool) -> None:
        """Take away what is left outside of workspaces; `everywhere`: of dead engines, too."""
        for folder in socket_folders(self.environ, self._short):
            remove_socket_folder(folder)
        sweep_groups(self.name, everywhere=everywhere)

    def confine(self, workspace: Workspace, kind: Kind) -> Confinement | None:
        """The confinement of all that runs in a workspace that was just handed out, without a
        network; None where the settings want none. Blocking: it makes the shadow."""
        if self.settings.mode != "bubblewrap":
            return None
        shadow = make_shadow(self.git, workspace, OBJECTS, self._refs)
        readable, writable = self._places
        return Confinement(
            readable=(*readable, workspace.folder / "brief"),
            writable=(*writable, workspace.path, workspace.folder / "tmp"),
            in_home=self._in_home,
            git=GitFolder(shadow.place, shadow.folder, shadow.objects, writable=kind == "worker"),
            variables=tuple(manager_variables(self.environ).items()),
            limits=self._limits,
        )

    def confine_view(self, tree: Path, temporary: Path) -> Confinement | None:
        """The confinement of what only looks at a folder, without git and without a network."""
        if self.settings.mode != "bubblewrap":
            return None
        readable, writable = self._places
        return Confinement(
            readable=(*readable, tree),
            writable=(*writable, temporary),
            in_home=self._in_home,
            variables=tuple(manager_variables(self.environ).items()),
            limits=self._limits,
        )

    def for_worker(
        self, confinement: Confinement | None, name: str, network: Network
    ) -> Confinement | None:
        """The same for a worker of that name, with what it may reach."""
        return self._reaching(confinement, network, f"worker {name}", f"[worker.{name}]")

    def for_server(
        self, confinement: Confinement | None, name: str, network: Network
    ) -> Confinement | None:
        """The same for an MCP server of that name, with what it may reach."""
        return self._reaching(confinement, network, f"MCP server {name}", f"[mcp.{name}]")

    def for_gate(self, confinement: Confinement | None, gate: Gate) -> Confinement | None:
        """The same for a gate, with what it may reach."""
        where = f'[[gate]] name = "{gate.name}"'
        return self._reaching(confinement, gate.network, f"gate {gate.name}", where)

    def for_setup(self, confinement: Confinement | None) -> Confinement | None:
        """The same for the set-up, with what it may reach."""
        return self._reaching(confinement, self.settings.setup_network, "the set-up", "[sandbox]")

    def _reaching(
        self, confinement: Confinement | None, network: Network, who: str, where: str
    ) -> Confinement | None:
        if confinement is None or not network:
            return confinement
        if isinstance(network, bool):
            return dataclasses.replace(confinement, network=True)
        key = "setup_network" if where == "[sandbox]" else "network"
        reach = Reach(
            allowance_of(network),
            self.sockets,
            how=f"{key} of {where} in .agent/orch.toml says what is",
            refused=partial(self._refused, who, f"{key} = [..., {{}}] below {where}"),
            resolve=self.resolve,
        )
        return dataclasses.replace(confinement, network=reach)

    def _refused(self, who: str, how: str, target: str) -> None:
        what = f"{who} wanted to reach {target}, which its settings do not allow"
        if what in self._noticed or len(self._noticed) > NOTICES:
            return
        self._noticed.add(what)
        if len(self._noticed) > NOTICES:
            self.notice("more hosts were wanted than are told here", "orch show TASK --log")
            return
        plain = re.sub(r":(?:80|443)$", "", target)
        self.notice(what, f"to allow it: {how.format(chr(34) + plain + chr(34))}")

    @property
    def key(self) -> str:
        """What verdicts depend on of it."""
        if self.settings.mode != "bubblewrap":
            return self.settings.mode
        return f"{self.settings.model_dump_json()} {self._limits}"


def _expanded(name: str, home: Path) -> Path:
    if name == "~" or name.startswith("~/"):
        return home / name[2:]
    return Path(name)


def _most_of_the_memory() -> int | None:
    try:
        whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None
    # In tenths: the machine tells a little less or more after each start.
    return int(whole * 3 / 4 / GB * 10) * GB // 10
