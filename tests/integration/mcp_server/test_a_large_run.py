"""Every tool's answer about a run of 200 tasks, all of them long-winded, is less than 2 kB."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from ledger import events as e
from ledger.model import Verdict
from orchestrator.journal import Journal
from orchestrator.mcp_server.office import Office
from tests.support.project import SECRET, Project, task

LIMIT_BYTES = 2000
TASKS = 200
LONG = "Ünlü ⚙ words that nobody needs, " * 20


def name_of(number: int) -> str:
    return f"{number:03}-{'a-name-as-long-as-it-may-be-' * 3}"[:62].rstrip("-") + "z"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A run whose tasks have failed, ask, are held, land and wait, each with much to say."""
    made = Project(tmp_path_factory.mktemp("large"))
    tasks = [
        task(
            name_of(number),
            title=LONG,
            prompt=LONG * 4,
            paths=(f"deep/{'folder/' * 8}{number}.py",),
            needs=(name_of(number - 100),) if number >= 150 else (),
        )
        for number in range(TASKS)
    ]
    run = made.start(*tasks)
    base = made.git("rev-parse", "HEAD")
    files = {f"deep/{'folder/' * 8}{number}.py": f"x = {number}\n" * 20 for number in range(200)}
    first = next(iter(files))
    files[first] += f'key = "{SECRET}"\n'
    head = made.commit(files, "much")
    made.git("update-ref", f"refs/orch/{run}/attempt/kept", head)
    tree = made.git("rev-parse", "HEAD^{tree}")
    made.git("reset", "-q", "--hard", base)
    red = Verdict(
        gate="tests",
        tree=tree,
        key="k",
        outcome="failed",
        exit_code=1,
        why=LONG,
        lines=(LONG,) * 40,
    )
    with made.store() as store:
        journal = Journal.load(store, run)
        for number in range(60):
            about = {"task": name_of(number), "attempt": 1}
            journal.append(
                e.AttemptStarted(**about, base=base, worker="scripted"),
                e.RoundFinished(
                    **about,
                    round=1,
                    worker_outcome="done",
                    commit=head,
                    tree=tree,
                    paths=(LONG,) * 20,
                    paths_count=20,
                    duration_s=1.0,
                ),
                e.RoundGateJudged(**about, round=1, verdict=red),
            )
            ends: dict[str, Any] = {"outcome": "failed", "cause": "check"}
            if number % 3 == 0:
                ends = {"outcome": "held", "cause": "question"}
            elif number % 3 == 1:
                ends = {"outcome": "held", "held_paths": ("ci.yml",)}
            made_of = {"head": head, "tree": tree, "why": LONG}
            journal.append(e.AttemptFinished(**about, **made_of, **ends))
        journal.append(*[e.Noticed(what=LONG, hint=LONG)] * 20)
    return made


def called(project: Project, tool: str, **arguments: Any) -> dict[str, Any]:
    """What a tool answers, by the SDK's own client."""
    from mcp import Client

    from orchestrator.mcp_server.server import make_server

    async def call() -> Any:
        office = Office(project.root, project.environ)
        async with Client(make_server(office, lambda line: None)) as client:
            return await client.call_tool(tool, arguments)

    result = anyio.run(call)
    text = result.content[0].text
    assert len(text.encode()) <= LIMIT_BYTES, (tool, len(text.encode()))
    assert SECRET not in text
    if result.is_error:
        return {"error": text}
    assert json.loads(text) == result.structured_content
    assert result.structured_content["next"], tool
    body: dict[str, Any] = result.structured_content
    return body


def test_looking_at_it_fits(project: Project) -> None:
    status = called(project, "status")
    assert status["tasks"] and status["left_out"]["tasks"] > 30 and status["counts"]["held"] == 40
    step = status["next"][-1]
    assert step["tool"] == "status"
    onward = called(project, step["tool"], **step["arguments"])
    assert onward["tasks"][0]["id"] != status["tasks"][0]["id"]
    for which in ("all", "waiting"):
        called(project, "status", which=which)
    waited = called(project, "wait", after=1, timeout_s=0)
    assert waited["left_out"]["said"] > 20 and waited["phase"] == "interrupted"
    for number in (0, 199):
        told = called(project, "show_task", task=name_of(number))
        assert told["task"] == name_of(number)
    assert called(project, "show_task", task=name_of(2))["lines"]
    assert called(project, "report")["next_offset"]


def test_a_large_change_is_read_in_pages_to_its_end(project: Project) -> None:
    first = called(project, "diff", task=name_of(0))
    assert first["files"] and first["left_out"]["files"] > 100
    one = first["files"][0]["path"]
    page = called(project, "diff", task=name_of(0), path=one)
    text, pages = page["text"], 1
    while "next_offset" in page:
        step = page["next"][0]
        assert step["arguments"]["offset"] == page["next_offset"]
        page = called(project, step["tool"], **step["arguments"])
        text, pages = text + page["text"], pages + 1
    assert text.count("+x = 0\n") == 20 and text.startswith("diff --git")
    assert '+key = "' in text and SECRET not in text, "each page alone, and all of them together"
    assert called(project, "diff", task=name_of(0), path="deep", offset=10**7)["text"] == ""


@pytest.mark.thorough
def test_saying_something_to_it_fits(project: Project) -> None:
    several = [
        {"id": name_of(number), "prompt": LONG, "title": LONG, "paths": [LONG]}
        for number in range(TASKS)
    ]
    said = called(project, "show_task", task=SECRET)["error"]
    assert "has no task" in said and SECRET not in said
    # Settings are none there: each refusal is in words, and fits as well.
    for tool, arguments in (
        ("plan", {"goal": LONG, "tasks": several}),
        ("check_plan", {"plan": "x" * 3000}),
        ("start_run", {"plan": "nothing"}),
        ("answer", {"task": name_of(1), "text": LONG}),
        ("retry", {"task": name_of(1), "note": LONG * 100}),
        ("resume", {"run": "nothing" * 300}),
        ("accept", {}),
        ("nonsense", {}),
    ):
        assert "error" in called(project, tool, **arguments), tool
    assert called(project, "stop")["going_on"] is False


def test_a_plan_of_200_tasks_fits(project: Project, tmp_path: Path) -> None:
    settings = (
        '[run]\nworker = "sh"\nsandbox = "none"\n[worker.sh]\nkind = "command"\ncommand = "true"\n'
    )
    project.write({".agent/orch.toml": settings})
    many = [{"id": name_of(number), "prompt": LONG, "title": LONG[:70]} for number in range(TASKS)]
    made = called(project, "plan", goal=LONG, tasks=many, name="large")
    assert made["task_count"] == TASKS and made["left_out"]["tasks"] > 100 and made["warnings"]
    assert called(project, "check_plan", plan="large")["version"] == made["version"]
