"""A real agent CLI drives orch by MCP: Claude Code, told what to do by a scripted model.

Its package comes from npm, where it is not on PATH already. It gets an empty home, a scrubbed
environment and a key that is none.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import ORCH, User, ended_with
from tests.support.others import claude_code
from tests.support.served import served

WITHIN_S = 240
PROMPT = "Add the files a.txt and b.txt to this repository by orch, side by side."
SCRIPT = """
[[turn]]
when = "by orch, side by side"
text = "I divide it."
[[turn.call]]
name = "mcp__orch__plan"
[turn.call.input]
goal = "Add two files"
name = "files"
tasks = [
    { id = "a", prompt = "Write a.txt.", paths = ["a.txt"] },
    { id = "b", prompt = "Write b.txt.", paths = ["b.txt"] },
]

[[turn]]
when = '"tool":"start_run"'
call = [{ name = "mcp__orch__start_run", input = { plan = "files" } }]

[[turn]]
when = '"going_on":true'
call = [{ name = "mcp__orch__wait", input = { after = 0, timeout_s = 20 } }]

[[turn]]
when = '"ended":false'
call = [{ name = "mcp__orch__wait", input = { timeout_s = 20 } }]
repeat = 0

[[turn]]
when = '"ended":true'
call = [{ name = "mcp__orch__report", input = {} }, { name = "mcp__orch__diff", input = {} }]

[[turn]]
when = "# Add two files"
text = "Both have landed. To accept them, type: orch accept"

[[turn]]
text = "Nothing."
repeat = 0
"""


@pytest.mark.thorough
def test_claude_code_plans_starts_waits_for_and_reads_a_run(tmp_path: Path) -> None:
    path = claude_code(tmp_path / "npm")
    claude = shutil.which("claude", path=path)
    assert claude
    user = User(tmp_path / "person")
    ended_with(user.orch("trust", "--yes"), 0)
    before = user.git("rev-parse", "main"), user.git("status", "--porcelain")
    home = tmp_path / "agent"
    home.mkdir()
    config = {
        "mcpServers": {
            "orch": {"type": "stdio", "command": str(ORCH), "args": ["mcp"], "env": user.environ}
        }
    }
    (home / "mcp.json").write_text(json.dumps(config))
    with served(SCRIPT) as model:
        done = subprocess.run(
            [
                *(
                    shutil.which("claude", path=path) or "",
                    "-p",
                    "--output-format",
                    "stream-json",
                    "--verbose",
                ),
                *("--model", "scripted", "--max-turns", "20", "--allowedTools", "mcp__orch"),
                *("--strict-mcp-config", "--mcp-config", str(home / "mcp.json"), "--", PROMPT),
            ],
            cwd=user.root,
            env={
                "PATH": path,
                "HOME": str(home),
                "LANG": "C.UTF-8",
                "ANTHROPIC_BASE_URL": model.url,
                "ANTHROPIC_API_KEY": "sk-test",
                "DISABLE_AUTOUPDATER": "1",
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
                "CLAUDE_CODE_MAX_RETRIES": "1",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
    said = [json.loads(line) for line in done.stdout.splitlines()]
    everything = f"exit {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-2000:]}"
    assert done.returncode == 0 and not said[-1]["is_error"], everything
    served_by = {one["name"]: one["status"] for one in said[0]["mcp_servers"]}
    assert served_by == {"orch": "connected"}, everything
    assert "Both have landed" in said[-1]["result"], everything
    assert said[-1]["permission_denials"] == []
    called = [
        block["name"] for one in said for block in _blocks(one) if block["type"] == "tool_use"
    ]
    names = [name.removeprefix("mcp__orch__") for name in called]
    assert names[:3] == ["plan", "start_run", "wait"] and names[-2:] == ["report", "diff"]
    assert user.status()["counts"] == {"landed": 2}
    assert (user.git("rev-parse", "main"), user.git("status", "--porcelain")) == before
    started = json.loads(user.orch("ledger", "events", "--json").out.splitlines()[0])
    assert started["body"]["started_by"].startswith("claude-code ")
    user.wait_gone()


def _blocks(event: dict[str, Any]) -> list[dict[str, Any]]:
    """The blocks of an assistant's message."""
    return event["message"]["content"] if event["type"] == "assistant" else []
