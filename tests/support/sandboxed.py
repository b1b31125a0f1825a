"""A repository, a workspace in a sandbox, and commands in it as workers and gates run them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from ledger.model import SandboxSettings
from orchestrator.sandboxing import Kind, Sandboxes
from tests.support.project import Project
from workers.command import run_command
from workers.environment import build_environment
from workers.process import Ended
from workers.sandbox import Confinement
from workers.sandbox_offer import sandbox_offer
from worktree.workspace import Pool, Workspace

needs_sandbox = pytest.mark.skipif(
    not sandbox_offer().works, reason=f"this machine gives no sandbox: {sandbox_offer().what}"
)


class Cell:
    """One workspace of a repository, and its confinement."""

    def __init__(self, folder: Path, kind: Kind = "worker", **settings: object) -> None:
        self.project = Project(folder, {"a.txt": "one\n", "src/b.py": "b = 1\n", "x.sh": "exit 0"})
        self.run_mark = f"r-{os.urandom(4).hex()}"
        self.home = folder / "home"
        self.home.mkdir()
        self.environ = {**self.project.environ, "HOME": str(self.home)}
        workplace = self.project.workplace()
        self.common = workplace.repository.common_dir
        self.pool = Pool(workplace.git, folder / "state" / "ws", f"orch-r-{kind}")
        self.workspace: Workspace = self.pool.take(self.project.git("rev-parse", "HEAD"))
        wanted = SandboxSettings.model_validate({"mode": "bubblewrap", **settings})
        self.sandboxes = Sandboxes(workplace.git, wanted, self.environ)
        confinement = self.sandboxes.confine(self.workspace, kind)
        assert confinement is not None
        self.confinement: Confinement = confinement

    def run(
        self,
        command: str,
        *,
        timeout_s: float = 30.0,
        allowed: tuple[str, ...] = (),
        environ: Mapping[str, str] | None = None,
        **changes: object,
    ) -> tuple[int | None, str, Ended]:
        """Run a command in it; its exit code, all that it said, and how it ended."""
        log = self.workspace.folder.parent / f"{os.urandom(4).hex()}.log"
        env = build_environment(
            {**self.environ, **(environ or {})},
            temporary=self.workspace.folder / "tmp",
            allowed=allowed,
        )

        async def act() -> Ended:
            return await run_command(
                command,
                tree=self.workspace.path,
                env=env,
                mark=f"{self.run_mark}/a/1/x",
                timeout_s=timeout_s,
                log=log,
                confinement=replace(self.confinement, **changes),  # type: ignore[arg-type]
            )

        ended = anyio.run(act)
        text = log.read_text("utf-8", "replace") if log.exists() else ""
        log.unlink(missing_ok=True)
        return ended.exit_code, text, ended

    def close(self) -> None:
        self.pool.remove_all()
