"""A project with a run that has landed something, a bare remote, and a forge on loopback."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ledger.connectors import ForgeSettings
from ledger.state import RunState
from orchestrator.forges.http import Patience
from tests.support.forges import TOKEN, GitHubDouble, served_forge
from tests.support.project import Project, task

QUICK = Patience(first_s=0.01, limit_s=0.05, connect_s=5, silence_s=5, whole_s=10)
USER = "a-person"


@dataclass
class Away:
    """A project, where it is pushed to, and what was made there."""

    project: Project
    remote: Path
    run: str
    settings: ForgeSettings

    @property
    def branch(self) -> str:
        return f"orch/{USER}/{self.run}"

    def there(self) -> dict[str, str]:
        """The branches of the remote and where they are."""
        said = self._git("for-each-ref", "--format=%(refname:short) %(objectname)")
        found: dict[str, str] = dict(line.split() for line in said.splitlines())
        return found

    def _git(self, *args: str) -> str:
        done = subprocess.run(
            ("git", "--git-dir", str(self.remote), *args),
            env=self.project.environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout.strip()

    git_there = _git

    def state(self) -> RunState:
        return self.project.state(self.run)


TWO = """
[[task]]
id = "a"
write = { "a.txt" = "made by a\\n" }

[[task]]
id = "b"
write = { "b.txt" = "made by b\\n" }
"""


@pytest.fixture(scope="session")
def landed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    """A project with a run of two tasks that have landed; nobody changes it."""
    project = Project(tmp_path_factory.mktemp("landed") / "home")
    command = 'printf "made by %s\\n" "$ORCH_TASK" > "$ORCH_TASK.txt"'
    from ledger.model import CommandWorker

    project.more_settings = {
        "workers": {"scripted": CommandWorker(kind="command", command=command)}
    }
    state = project.run(task("a"), task("b"), parallel=1)
    assert len(state.landings) >= 1 and set(state.with_status("landed")) == {"a", "b"}
    return project, state.run


@pytest.fixture
def away(landed: tuple[Project, str], tmp_path: Path) -> Away:
    """The same in a folder of its own, with a bare remote that has its main branch."""
    project = landed[0].copied(tmp_path / "home")
    remote = tmp_path / "there.git"
    project.git("init", "--quiet", "--bare", "--initial-branch=main", str(remote))
    project.git("remote", "add", "origin", str(remote))
    project.git("push", "--quiet", "origin", "main")
    return Away(project, remote, landed[1], ForgeSettings())


@pytest.fixture
def github() -> Iterator[GitHubDouble]:
    with served_forge(GitHubDouble()) as forge:
        assert isinstance(forge, GitHubDouble)
        yield forge


@pytest.fixture
def on_github(away: Away, github: GitHubDouble) -> Away:
    """The same with a forge that its settings name."""
    away.project.environ["TEA_TOKEN"] = TOKEN
    settings = ForgeSettings(kind="github", url=github.url, repository="ada/tea", token="TEA_TOKEN")
    return replace(away, settings=settings)
