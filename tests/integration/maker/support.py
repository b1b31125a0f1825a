"""A scripted model behind a gateway, and a model worker in a workspace of a real repository."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ledger.books import Caps
from ledger.model import Task
from tests.integration.gateway.support import PRICES, QUICK, REAL_KEY
from tests.support.project import ENVIRON
from workers.base import Brief, ModelAccess, Report, Surroundings
from workers.gateway.gateway import open_gateway
from workers.gateway.grants import CallLimits, Ended, Grant, Told
from workers.gateway.till import MemoryTill
from workers.gateway.trouble import Trouble
from workers.gateway.upstream import Provider
from workers.model.worker import ModelWorker
from workers.scripted_model.received import Received
from workers.scripted_model.server import ScriptedModel, scripted_model

MODEL = "model-a"
FILES = {
    "src/sums.py": "def total(numbers):\n    return sum(numbers) + 1\n",
    "src/names.py": "NAMES = ['one', 'two']\n\n\ndef first():\n    return NAMES[0]\n",
    "test.sh": "grep -q 'sum(numbers)$' src/sums.py\n",
}


def call(name: str, /, **arguments: Any) -> dict[str, Any]:
    """A call of a tool, as scripts have it."""
    return {"name": name, "input": arguments}


def calls(*some: dict[str, Any], **how: Any) -> dict[str, Any]:
    """A turn that calls tools."""
    return {"call": list(some), **how}


FINISH = calls(call("finish", summary="I did it. I ran the test."))


@dataclass
class Room:
    """Everything of a test."""

    model: ScriptedModel
    tree: Path
    folder: Path
    access: ModelAccess
    worker: ModelWorker
    surroundings: Surroundings
    brief: Brief
    reports: list[Report] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)

    async def work(self, timeout_s: float = 60.0, **changes: Any) -> Report:
        """The next round."""
        brief = replace(self.brief, round=len(self.reports) + 1, **changes)
        report = await self.worker.run(brief, self.surroundings, timeout_s)
        self.reports.append(report)
        return report

    @property
    def log(self) -> str:
        return self.surroundings.log.read_text("utf-8")

    def results(self, number: int = -1) -> list[str]:
        """The results of tools that a request brought, those since the model's last answer."""
        return results_of(self.model.requests[number])


def results_of(received: Received) -> list[str]:
    """The results of tools at the end of a request."""
    messages: list[Mapping[str, Any]] = list(received.body["messages"])
    if received.dialect == "openai":
        found = []
        for message in reversed(messages):
            if message["role"] == "assistant":
                break
            if message["role"] == "tool":
                found.append(_text(message["content"]))
        return found[::-1]
    last = messages[-1]["content"]
    return [_text(one["content"]) for one in last if one["type"] == "tool_result"]


def system_of(received: Received) -> str:
    """The system's words in a request."""
    if received.dialect == "openai":
        return _text(received.body["messages"][0]["content"])
    return _text(received.body["system"])


def user_words(received: Received) -> str:
    """All that a person, or orch, said in a request."""
    said = [one["content"] for one in received.body["messages"] if one["role"] == "user"]
    return "\n".join(_text(one) for one in said)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(one.get("text", "") for one in content if one.get("type") == "text")


def make_repository(root: Path, files: Mapping[str, str]) -> Path:
    """A repository, and a worktree of it to work in."""
    repository, tree = root / "repository", root / "workspace" / "tree"
    repository.mkdir(parents=True)

    def git(*argv: str) -> None:
        subprocess.run(["git", *argv], cwd=repository, check=True, env=dict(ENVIRON))

    git("init", "--quiet", "--initial-branch=main")
    for name, text in files.items():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text(text)
    git("add", "--all")
    git("commit", "--quiet", "--message=first")
    git("worktree", "add", "--quiet", "--detach", str(tree))
    return tree


@asynccontextmanager
async def room(
    where: Path,
    *turns: dict[str, Any],
    dialect: str = "anthropic",
    files: Mapping[str, str] | None = None,
    caps: Caps | None = None,
    limits: CallLimits | None = None,
    script: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    worker: ModelWorker | None = None,
    provider: Mapping[str, Any] | None = None,
    access: Mapping[str, Any] | None = None,
    brief: Mapping[str, Any] | None = None,
    **surroundings: Any,
) -> AsyncIterator[Room]:
    """A model that says these turns, and a worker who asks it."""
    tree = make_repository(where, FILES if files is None else files)
    folder = tree.parent
    (folder / "brief").mkdir()
    async with scripted_model({"turn": list(turns), **(script or {})}) as model:
        url = model.url + ("/v1" if dialect == "openai" else "")
        known = Provider("maker", dialect, url, REAL_KEY, waits=QUICK)
        known = replace(known, **(provider or {}))
        async with open_gateway([known], till=MemoryTill(caps), prices=PRICES) as gateway:
            troubles: list[Trouble] = []
            ended: list[Ended] = []
            grant = Grant("r1", "sums", 1, "coder", "maker", (MODEL,), limits or CallLimits())
            opened = gateway.open(grant, Told(troubles.append, ended.append))
            given = ModelAccess(
                url=gateway.url,
                key=opened.key,
                dialect=dialect,  # type: ignore[arg-type]
                models=(MODEL,),
                waited_s=lambda: opened.waited_s,
                **(access or {}),
            )
            task = Task(id="sums", title="Mend the sum", prompt="Mend the sum.", paths=("src/**",))
            yield Room(
                model=model,
                tree=tree,
                folder=folder,
                access=given,
                worker=worker or ModelWorker(),
                surroundings=Surroundings(
                    tree=tree,
                    folder=folder,
                    environ={**ENVIRON, **(environ or {})},
                    mark="r1/sums/1/abcd",
                    log=where / "logs" / "1.log",
                    model=given,
                    **surroundings,
                ),
                brief=Brief(
                    run="r1",
                    task=task,
                    attempt=1,
                    round=1,
                    base="0" * 40,
                    prompt=task.prompt,
                    **(brief or {}),
                ),
                troubles=troubles,
                ended=ended,
            )
