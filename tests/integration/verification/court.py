"""A real repository with gates, the judge of a run on it, and what the judge recorded."""

from __future__ import annotations

import os
import secrets
import subprocess
from pathlib import Path
from typing import Any

import anyio

from ledger import events as e
from ledger.model import (
    Gate,
    Identity,
    Plan,
    Preparation,
    SandboxSettings,
    Settings,
    Task,
    Verdict,
)
from orchestrator.sandboxing import Sandboxes
from orchestrator.verification.gates import Judge
from orchestrator.workplace import open_workplace
from worktree.workspace import Pool

GIT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A Person",
    "GIT_AUTHOR_EMAIL": "person@example.invalid",
    "GIT_COMMITTER_NAME": "A Person",
    "GIT_COMMITTER_EMAIL": "person@example.invalid",
}
OPEN = SandboxSettings(mode="none")


class Court:
    """What a test needs to have commits judged."""

    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "project"
        self.logs = folder / "logs"
        self.environ = {**GIT, "ORCH_STATE_DIR": str(folder / "state")}
        self.preparation = Preparation()
        self.env: tuple[str, ...] = ()
        self.sandbox = OPEN
        self.recorded: dict[str, Verdict] = {}
        self.pools: list[Pool] = []
        self.workspaces = folder / "workspaces"
        self.logs.mkdir()
        self.checkout.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit({"readme": "hello\n", ".gitignore": ".env*\ncache/\n.kept/\n"})

    def git(self, *args: str) -> str:
        done = subprocess.run(
            ("git", *args), cwd=self.checkout, env=GIT, capture_output=True, timeout=60, check=True
        )
        return done.stdout.decode().strip()

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            path = self.checkout / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def commit(self, files: dict[str, str]) -> str:
        self.write(files)
        self.git("add", "-A")
        self.git("commit", "--quiet", "--allow-empty", "-m", "a step")
        return self.git("rev-parse", "HEAD")

    def judge(self) -> Judge:
        """The judge of a run that begins now."""
        workplace = open_workplace(self.checkout, self.environ)
        workplace.place.make()
        head = self.git("rev-parse", "HEAD")
        started = e.RunStarted(
            run="20261122-goal-a1",
            plan=Plan(goal="a goal", tasks=(Task(id="t1", prompt="do it"),)),
            settings=Settings(preparation=self.preparation, env=self.env, sandbox=self.sandbox),
            base=head,
            base_tree=self.git("rev-parse", "HEAD^{tree}"),
            identity=Identity(name="A Person", email="person@example.invalid"),
            platform="here",
        )
        pool = Pool(workplace.git, self.workspaces, "orch-test-gate", self.preparation.keep)
        self.pools.append(pool)
        return Judge(
            workplace,
            pool,
            started,
            self.recorded.get,
            anyio.CapacityLimiter(4),
            Sandboxes(workplace.git, self.sandbox, self.environ),
        )

    async def verdicts(
        self, *commands: str, judge: Judge | None = None, commit: str = "HEAD", **how: Any
    ) -> list[Verdict]:
        """What gates of these commands say of a commit, one after the other on one bench."""
        judge = judge or self.judge()
        commit = self.git("rev-parse", commit)
        tree = self.git("rev-parse", f"{commit}^{{tree}}")
        fields = {key: how.pop(key) for key in ("timeout_s", "pass_if", "junit") if key in how}
        said = []
        async with judge.bench(commit, tree, mark="20261122-goal-a1/gate/n1") as bench:
            for number, command in enumerate(commands):
                gate = Gate(name=f"g{number}", command=command, **fields)
                # Its own: benches that are used side by side must not take each other's.
                log = self.logs / f"g{number}-{secrets.token_hex(4)}.log"
                verdict = await bench.judge(gate, log=log, **how)
                said.append(verdict)
                if verdict.outcome != "could-not-run" and not verdict.reused:
                    self.recorded[verdict.key] = verdict
        return said

    async def verdict(self, command: str, **how: Any) -> Verdict:
        return (await self.verdicts(command, **how))[0]

    def close(self) -> None:
        for pool in self.pools:
            pool.remove_all()
