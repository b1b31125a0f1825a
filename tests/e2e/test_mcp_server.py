"""An agent drives orch by MCP: the installed `orch mcp`, spoken to by the SDK's own client."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.cli import User, ended_with
from tests.support.mcp import asking

TASKS = [
    {"id": "a", "title": "The first", "prompt": "write it", "paths": ["a.txt"]},
    {"id": "b", "prompt": "write it too", "paths": ["b.txt"], "needs": ["a"]},
]
STUBBORN = 'case "$ORCH_TASK" in stubborn) echo I cannot; exit 3;; esac; echo by > "$ORCH_TASK.txt"'


@pytest.fixture
def user(tmp_path: Path) -> User:
    """A person who has trusted the settings, as `orch trust` asks them to."""
    here = User(tmp_path)
    ended_with(here.orch("trust", "--yes"), 0)
    return here


def test_an_agent_plans_starts_waits_for_and_reads_a_run(user: User, tmp_path: Path) -> None:
    before = user.things()
    log = tmp_path / "stderr"
    with asking(user.root, user.environ, errlog=log) as agent:
        assert "wait" in agent.client.instructions
        planned = agent.call("plan", goal="Some work", tasks=TASKS, name="work")
        assert planned["ok"] and planned["tasks"] == ["a", "b"]
        assert "an agent, mcp" in (user.root / planned["file"]).read_text()
        assert agent.call("check_plan", plan="work")["version"] == planned["version"]
        step = planned["next"][0]
        started = agent.call(step["tool"], **step["arguments"])
        assert started["going_on"] and "no sandbox" in " ".join(started["warnings"])
        step = started["next"][0]
        assert step["tool"] == "wait"
        waited = agent.call("wait", **step["arguments"])
        assert waited["ended"] and waited["exit_code"] == 0, waited
        assert "landed a" in " ".join(waited["said"])
        assert [one["tool"] for one in waited["next"] if "tool" in one] == ["diff"]
        assert waited["next"][-1]["person"] == f"orch accept {waited['run']}"
        status = agent.call("status")
        assert status["counts"] == {"landed": 2} and status["target"] == "main"
        told = agent.call("show_task", task="a")
        assert told["status"] == "landed" and told["attempts"][0]["outcome"] == "green"
        change = agent.call("diff", run=waited["run"])
        assert "+by a" in change["text"] and change["files"][0] == {
            "path": "a.txt",
            "change": "added",
        }
        assert agent.call("report")["text"].startswith("# Some work")
        assert agent.read(f"orch://run/{waited['run']}/report").startswith("# Some work")
        events = agent.read(f"orch://run/{waited['run']}/ledger").splitlines()
        assert json.loads(events[0])["body"]["started_by"].startswith("mcp ")
        assert 'goal = "Some work"' in agent.read("orch://plan/work")
        assert "orch://plan/work" in agent.read("orch://plans")
        assert waited["run"] in agent.read("orch://runs")
    now = user.things()
    assert {key for key in now if now[key] != before.get(key)} == {"file .agent/plans"} | {
        "file .agent/plans/work.toml"
    }
    assert "start_run: " in log.read_text()
    user.wait_gone()
