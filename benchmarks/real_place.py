"""A folder for real runs: the tools' own environment, the sources, and a repository of each."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.real_projects import TOOLS, WORKERS, Project

TIMEOUT_S = 5400.0
"""One command, the longest of them a whole run."""
SUITE = "suite"
"""The name of the gate that runs a project's own tests."""
IGNORED = "orch.local.toml\nstate_ledger.json\n"


class Failed(Exception):
    """A command of the benchmark's own that should have worked did not."""


@dataclass(frozen=True)
class Place:
    """Where everything is."""

    folder: Path

    @property
    def bin(self) -> Path:
        """The programs of the environment that gates and workers use."""
        return self.folder / "venv" / "bin"

    @property
    def environ(self) -> dict[str, str]:
        """The user's environment, with orch's own folders in this one."""
        kept = {
            n: v for n, v in os.environ.items() if not n.startswith(("ORCH_", "GIT_", "PYTHON"))
        }
        return kept | {
            "XDG_STATE_HOME": str(self.folder / "state"),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
        }


def call(
    words: Iterable[str | Path],
    *,
    where: Path,
    env: Mapping[str, str],
    codes: tuple[int, ...] = (0,),
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; Failed where it ends with another code than these."""
    line = [str(word) for word in words]
    try:
        done = subprocess.run(
            line, cwd=where, env=dict(env), text=True, capture_output=True, timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{shlex.join(line)}: still running after {TIMEOUT_S:g} s") from error
    if done.returncode not in codes:
        said = (done.stderr or done.stdout).strip().splitlines()[-12:]
        raise Failed("\n  ".join([f"{shlex.join(line)}: exit {done.returncode}", *said]))
    return done


def make_environment(place: Place, projects: Iterable[Project]) -> None:
    """A virtual environment with the tools and what the suites need, but not the projects."""
    where, env = place.folder, place.environ
    call([sys.executable, "-m", "venv", where / "venv"], where=where, env=env)
    wanted = [*TOOLS, *(need for project in projects for need in project.needs)]
    words = ["-m", "pip", "install", "-q", *dict.fromkeys(wanted)]
    call([place.bin / "python", *words], where=where, env=env)


def fetch_sources(place: Place, project: Project) -> Path:
    """The folder of the project's sources, as its authors released them."""
    parcel = place.folder / "download" / project.name
    parcel.mkdir(parents=True)
    words = ["-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"]
    what = f"{project.name}=={project.version}"
    call([place.bin / "python", *words, "-d", parcel, what], where=parcel, env=place.environ)
    (archive,) = parcel.iterdir()
    unpacked = place.folder / "sources" / project.name
    with tarfile.open(archive) as opened:
        opened.extractall(unpacked, filter="data")
    (top,) = unpacked.iterdir()
    return top


def make_repository(place: Place, project: Project, sources: Path, name: str) -> Path:
    """A repository of one commit: the sources, and how orch is to work on them."""
    repository = place.folder / "repositories" / name
    call(["cp", "-R", sources, _parent_of(repository)], where=place.folder, env=place.environ)
    agent = repository / ".agent"
    agent.mkdir()
    (agent / ".gitignore").write_text(IGNORED, "utf-8")
    (agent / "orch.toml").write_text(_settings(place, project), "utf-8")
    for words in (
        *("init -q -b main", "config user.name Ada", "config user.email ada@example.org"),
        *("add -A --force", f"commit -q -m {project.name}-{project.version}"),
    ):
        git(place, repository, *words.split())
    return repository


def git(place: Place, repository: Path, *words: str) -> str:
    """What git answers in a repository."""
    return call(["git", *words], where=repository, env=place.environ).stdout


def suite_command(place: Place, project: Project) -> str:
    """The project's own suite on the tree that the command is run in."""
    python = shlex.quote(str(place.bin / "python"))
    return f"PYTHONPATH={project.source} {python} -m pytest -q -p no:cacheprovider {project.suite}"


def _parent_of(repository: Path) -> Path:
    repository.parent.mkdir(parents=True, exist_ok=True)
    return repository


def _settings(place: Place, project: Project) -> str:
    quoted = shlex.quote(str(place.bin))
    lines = [
        "[run]",
        'sandbox = "none"',
        "attempts = 2",
        "min_free_gb = 0.5",
        "",
        "[[gate]]",
        'name = "compiles"',
        f"command = {json.dumps(f'{quoted}/python -m compileall -q -f {project.compiled}')}",
        'stage = "check"',
        "",
        "[[gate]]",
        f"name = {json.dumps(SUITE)}",
        f"command = {json.dumps(suite_command(place, project))}",
    ]
    for name, command in WORKERS.items():
        # a file a line, so that names with spaces stay whole
        whole = f"""tr '\\n' '\\0' < "$ORCH_PATHS_FILE" | xargs -0 {command.format(bin=quoted)}"""
        lines += [
            "",
            f"[worker.{name}]",
            'kind = "command"',
            f"command = {json.dumps(whole)}",
        ]
    return "\n".join(lines) + "\n"
