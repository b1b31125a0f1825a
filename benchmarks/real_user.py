"""The person at the keyboard: types orch's commands, and pulls the plug in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.real_place import SUITE, TIMEOUT_S, Place, call, git
from benchmarks.real_projects import Project

ORCH = Path(sys.executable).parent / "orch"
ENDED = (0, 1, 5)
"""All landed; some work failed; a person is needed. Anything else is not an end here."""

Fact = dict[str, Any]


@dataclass(frozen=True)
class Person:
    """Somebody in a repository."""

    place: Place
    repository: Path

    def types(self, *words: str, codes: tuple[int, ...] = (0,)) -> str:
        """What orch answers on stdout."""
        env = self.place.environ
        return call([ORCH, *words], where=self.repository, env=env, codes=codes).stdout

    def facts(self) -> list[Fact]:
        """What the ledger says of the newest run, in order."""
        return [json.loads(line) for line in self.types("ledger", "events", "--json").splitlines()]

    def status(self) -> dict[str, Any]:
        """Where the newest run stands."""
        said = json.loads(self.types("status", "--json"))
        assert isinstance(said, dict)
        return said


def plan(person: Person, project: Project) -> str:
    """One task for each folder with Python files; what orch says of the plan."""
    lister = "git ls-files '*.py'"
    words = ("--for-each", lister, "--by-folder", "--worker", project.worker)
    return person.types("plan", project.goal, *words)


def run(person: Person, project: Project) -> float:
    """The whole plan, and what a person allows of what was held; seconds that it all took."""
    began = time.monotonic()
    person.types("run", "--parallel", "4", codes=ENDED)
    allow(person, project)
    return time.monotonic() - began


def allow(person: Person, project: Project) -> None:
    """Say yes to the protected paths that the project names, where their task is held."""
    held = {task["id"] for task in person.status()["tasks"] if task["status"] == "held"}
    for task, paths in project.allows.items():
        for path in paths if task in held else ():
            print(f"held: {task}; typed: orch allow {task} {path}", flush=True)
            person.types("allow", task, path, codes=ENDED)


def run_killed(person: Person, project: Project, tasks: int) -> list[str]:
    """The same, with `kill -9` of the engine while workers work and again while a gate judges.

    Says where it was killed; the list is shorter where the run had ended before.
    """
    killed = []
    some = max(2, tasks // 3)
    if _killed_at(person, ("run", "--parallel", "4"), "AttemptFinished", some):
        killed.append(f"after {some} attempts")
    if _killed_at(person, ("resume",), "JudgingStarted", 1, then_s=1.0):
        killed.append("while a candidate was judged")
    person.types("resume", codes=ENDED)
    allow(person, project)
    return killed


def _killed_at(
    person: Person, words: tuple[str, ...], event: str, count: int, then_s: float = 0.0
) -> bool:
    """Whether the engine was alive when the event came that often, and is dead now."""
    with subprocess.Popen(
        [ORCH, *words, "--json"],
        cwd=person.repository,
        env=person.place.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as engine:
        watchdog = threading.Timer(TIMEOUT_S, engine.kill)
        watchdog.start()
        try:
            assert engine.stdout is not None
            seen = 0
            for line in engine.stdout:
                seen += json.loads(line).get("event") == event
                if seen == count:
                    time.sleep(then_s)
                    os.kill(engine.pid, signal.SIGKILL)
                    break
        finally:
            watchdog.cancel()
            engine.kill()
    return engine.returncode == -signal.SIGKILL


# --- what there is to see afterwards ----------------------------------------------------------


def suite_runs(facts: list[Fact]) -> int:
    """How often the project's suite was run, on the base and on candidates."""
    verdicts = (fact["body"].get("verdict") for fact in facts if "GateJudged" in fact["event"])
    return sum(1 for v in verdicts if v and v["gate"] == SUITE and not v.get("reused"))


def belongings(person: Person) -> tuple[str, ...]:
    """All that is the user's: refs, checkout, index, configuration."""
    refs = git(person.place, person.repository, "for-each-ref").splitlines()
    own = [ref for ref in refs if "\trefs/orch/" not in ref and "\trefs/heads/orch/" not in ref]
    head = git(person.place, person.repository, "symbolic-ref", "HEAD")
    status = git(person.place, person.repository, "status", "--porcelain", "--ignored")
    kept = [line for line in status.splitlines() if "state_ledger.json" not in line]
    folder = person.repository / ".git"
    files = [(folder / name).read_bytes().hex() for name in ("config", "index")]
    return (*own, head, *kept, *files)


def leftovers(person: Person) -> list[str]:
    """Worktrees and processes of runs that are over."""
    listed = git(person.place, person.repository, "worktree", "list", "--porcelain")
    found = [line for line in listed.splitlines() if line.startswith("worktree ")][1:]
    return found + [f"process {pid}" for pid in _marked(person.place.folder)]


def _marked(folder: Path) -> Iterator[int]:
    """Children of orch that work below a folder."""
    for process in psutil.process_iter():
        try:
            seen = process.environ()
        except psutil.Error:
            continue
        if "ORCH_MARK" in seen and Path(seen.get("TMPDIR", "/")).is_relative_to(folder):
            yield process.pid


def tree_of(person: Person, revision: str) -> str:
    """The id of a revision's tree."""
    return git(person.place, person.repository, "rev-parse", f"{revision}^{{tree}}").strip()
