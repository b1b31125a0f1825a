"""A real repository in a temporary folder, with a scripted worker and gates, and runs on it."""

from __future__ import annotations

import copy
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio

from ledger.events import Event
from ledger.model import (
    CommandWorker,
    Gate,
    Limits,
    Plan,
    Preparation,
    SandboxMode,
    SandboxSettings,
    Settings,
    Task,
)
from ledger.state import RunState
from ledger.store import Store
from orchestrator.engine import drive
from orchestrator.journal import load_state, read_facts
from orchestrator.start import RunOptions, start_run
from orchestrator.workplace import Workplace, open_workplace

SECRET = "sk-of-a-persons-own-0123456789abcdef"
ENVIRON = {
    "A_PERSONS_API_KEY": SECRET,
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_AUTHOR_NAME": "A Person",
    "GIT_AUTHOR_EMAIL": "person@example.invalid",
    "GIT_COMMITTER_NAME": "A Person",
    "GIT_COMMITTER_EMAIL": "person@example.invalid",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
}
TIME_LIMIT_S = 120


def task(task_id: str, **fields: Any) -> Task:
    """A task whose prompt does not matter."""
    fields.setdefault("prompt", f"do {task_id}")
    fields.setdefault("paths", (f"{task_id}*",))
    return Task(id=task_id, **fields)


class Project:
    """A repository, what its workers do, and what its gates want."""

    def __init__(self, folder: Path, files: Mapping[str, str] | None = None) -> None:
        self.root = folder / "project"
        self.script = folder / "script.toml"
        self.environ = {**ENVIRON, "ORCH_STATE_DIR": str(folder / "state")}
        self.gates: tuple[Gate, ...] = (Gate(name="tests", command="sh test.sh"),)
        self.sandbox: SandboxMode = "none"
        self.more_settings: dict[str, Any] = {}
        self.root.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "user.name", "A Person")
        self.git("config", "user.email", "person@example.invalid")
        self.commit(files or {"test.sh": "exit 0\n", "readme": "hello\n"}, "first")
        self.does("")

    def copied(self, folder: Path) -> Project:
        """The same project in another folder, with all its runs."""
        # What is kept for the next object goes with the process that made it, perhaps just now.
        passing = shutil.ignore_patterns("orch-incoming-*")
        shutil.copytree(self.root.parent, folder, symlinks=True, ignore=passing)
        other = copy.copy(self)
        other.root, other.script = folder / "project", folder / "script.toml"
        other.environ = {**self.environ, "ORCH_STATE_DIR": str(folder / "state")}
        return other

    # --- the repository -----------------------------------------------------------------------

    def git(self, *args: str) -> str:
        done = subprocess.run(
            ("git", *args),
            cwd=self.root,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"git {shlex.join(args)}: {done.stderr}"
        return done.stdout.strip()

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def commit(self, files: Mapping[str, str], message: str) -> str:
        self.write(files)
        self.git("add", "-A")
        self.git("commit", "--quiet", "-m", message)
        return self.git("rev-parse", "HEAD")

    def files(self, revision: str) -> dict[str, str]:
        """The files of a commit, by name."""
        names = self.git("ls-tree", "-r", "--name-only", revision).splitlines()
        return {name: self.git("show", f"{revision}:{name}") for name in names}

    def result(self, run: str) -> dict[str, str]:
        return self.files(f"orch/{run}/result")

    # --- orch ---------------------------------------------------------------------------------

    def does(self, script: str) -> None:
        """What the scripted worker does from now on."""
        self.script.write_text(script)

    def settings(self, **limits: Any) -> Settings:
        limits.setdefault("min_free_gb", 0)
        command = f"{shlex.quote(sys.executable)} -P -m workers.scripted {self.script}"
        fields: dict[str, Any] = {
            "worker": "scripted",
            "workers": {"scripted": CommandWorker(kind="command", command=command)},
            "preparation": Preparation(),
            "sandbox": SandboxSettings(mode=self.sandbox),
            **self.more_settings,
        }
        return Settings(limits=Limits(**limits), gates=self.gates, **fields)

    def workplace(self) -> Workplace:
        return open_workplace(self.root, self.environ)

    def store(self) -> Store:
        return self.workplace().store()

    def start(
        self,
        *tasks: Task,
        options: RunOptions | None = None,
        base: str | None = None,
        **limits: Any,
    ) -> str:
        """Record a run that no engine drives yet."""
        plan = Plan(goal="A goal", base=base, tasks=tasks)
        with self.store() as store:
            return start_run(
                self.workplace(),
                store,
                plan,
                "goal",
                self.settings(**limits),
                options or RunOptions(),
            )

    def drive(
        self, run: str, observers: tuple[Any, ...] = (), workplace: Workplace | None = None
    ) -> RunState:
        """Drive a run to its end, in this workplace where one is handed in."""
        at = workplace or self.workplace()

        async def bounded() -> RunState:
            with anyio.fail_after(TIME_LIMIT_S):
                return await drive(at, store, run, observers)

        with self.store() as store:
            return anyio.run(bounded)

    def run(self, *tasks: Task, **how: Any) -> RunState:
        """Start a run and drive it to its end."""
        return self.drive(self.start(*tasks, **how))

    def state(self, run: str) -> RunState:
        with self.store() as store:
            return load_state(store, run)

    def facts(self, run: str) -> list[Event]:
        with self.store() as store:
            return [fact for _, _, fact in read_facts(store, run)]


def kinds(facts: list[Event]) -> list[str]:
    """The facts' kinds, in order."""
    return [fact.kind for fact in facts]
