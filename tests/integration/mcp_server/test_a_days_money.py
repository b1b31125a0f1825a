"""An agent starts no run, and lets none go on, beyond what the settings let a day cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio

from ledger import events as e
from orchestrator.journal import Journal
from orchestrator.mcp_server.office import Office
from orchestrator.planned import sourced_of
from orchestrator.trust import look, record
from tests.support.project import Project, task

SETTINGS = """[run]
worker = "sh"
sandbox = "none"
min_free_gb = 0
budget_usd = 2.0
daily_usd = {daily}
[worker.sh]
kind = "command"
command = "true"
"""
PLAN = 'goal = "g"\n[[task]]\nid = "a"\nprompt = "p"\n'


def called(project: Project, tool: str, **arguments: Any) -> Any:
    from mcp import Client

    from orchestrator.mcp_server.server import make_server

    async def call() -> Any:
        office = Office(project.root, project.environ)
        async with Client(make_server(office, lambda line: None)) as client:
            return await client.call_tool(tool, arguments)

    return anyio.run(call)


def test_an_agents_runs_share_what_a_day_may_cost(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write({".agent/orch.toml": SETTINGS.format(daily=1.5), ".agent/plans/work.toml": PLAN})
    workplace = project.workplace()
    record(workplace, look(workplace, sourced_of(workplace)))
    earlier = project.start(task("a"))
    call = {"call": 1, "task": "a", "attempt": 1, "worker": "m", "provider": "p", "model": "m"}
    with project.store() as store:
        Journal.load(store, earlier).append(
            e.CallReserved.model_validate({**call, "tokens": 100, "cost_usd": 1.5}),
            e.CallSettled.model_validate({"call": 1, "tokens": {"input": 60}, "cost_usd": 1.5}),
        )
    for tool, arguments in (("start_run", {"plan": "work"}), ("resume", {"run": earlier})):
        refused = called(project, tool, **arguments)
        assert refused.is_error and "what a day may cost is spent" in refused.content[0].text
    with project.store() as store:
        assert len(store.runs()) == 1

    project.write({".agent/orch.toml": SETTINGS.format(daily=2.25)})
    started = called(project, "start_run", plan="work")
    run = started.structured_content["run"]
    assert called(project, "wait", run=run).structured_content["ended"]
    assert project.state(run).limits.budget_usd == 0.75
