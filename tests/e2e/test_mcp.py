"""MCP servers from a person's side: named in the settings, looked at, used by a run, told of."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.integration.maker.support import FINISH, call, calls
from tests.integration.mcp.support import SERVERS
from tests.support.cli import User, ended_with
from tests.support.sandboxed import needs_sandbox
from tests.support.served import served

SECRET = "correct-horse-battery-staple"


def settings(url: str, tools: str = '["e*", "die"]', **more: str) -> str:
    """A model as the worker, and a server for it."""
    lines = [f"{key} = {value}" for key, value in more.items()]
    return f"""[run]
worker = "coder"
min_free_gb = 0

[[gate]]
name = "suite"
command = "exit 0"

[worker.coder]
kind = "model"
model = "scripted:any"

[provider.scripted]
dialect = "anthropic"
url = "{url}"

[mcp.db]
command = ["{sys.executable}", "-S", "raw.py"]
env = ["DB_PASSWORD"]
workers = ["coder"]
tools = {tools}
{chr(10).join(lines)}
"""


def person(tmp_path: Path) -> User:
    user = User(tmp_path, environ={"DB_PASSWORD": SECRET}, commits=False)
    shutil.copy(SERVERS / "raw.py", user.root)
    user.commit({"readme": "hello\n"}, "first")
    return user


def write(user: User, text: str) -> None:
    user.write({".agent/orch.toml": text})
    user.trust()


@needs_sandbox
def test_a_run_uses_a_server_and_its_ledger_tells_of_each_call(tmp_path: Path) -> None:
    user = person(tmp_path)
    turns = [
        calls(call("mcp__db__echo", text="what is there"), call("mcp__db__env")),
        calls(call("mcp__db__die")),
        calls(call("write", path="note.txt", text="noted\n")),
        FINISH,
    ]
    with served({"turn": turns}) as model:  # type: ignore[arg-type]
        write(user, settings(model.url))
        user.plan("note")
        ended_with(user.orch("run", "work"), 0, "a call of MCP server 'db' was lost", "landed note")
        asked = json.dumps([one.body for one in model.requests])
    user.wait_gone()
    events = [json.loads(line) for line in user.orch("ledger", "events", "--json").out.splitlines()]
    made = [one for one in events if one["event"] == "McpToolCalled"]
    told = [(one["body"]["server"], one["body"]["tool"], one["body"]["outcome"]) for one in made]
    assert told == [("db", "echo", "answered"), ("db", "env", "answered"), ("db", "die", "lost")]
    assert made[0]["body"]["size_bytes"] == 13 and made[2]["body"]["why"].startswith("it ended")
    log = user.orch("show", "note", "--log").out
    assert "servers: db 3 calls (1 lost)" in log
    assert '> mcp__db__echo text="what is there"' in log and "< mcp__db__echo: what is there" in log
    assert "[redacted DB_PASSWORD]" in asked
    everything = log + asked + user.orch("ledger", "events", "--json").out
    assert SECRET not in everything
    for path in [*user.root.glob(".git/orch/**/*"), *user.state.rglob("*")]:
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


@pytest.mark.thorough
def test_the_doctor_starts_servers_and_lists_their_tools(tmp_path: Path) -> None:
    user = person(tmp_path)
    off = 'min_free_gb = 0\nsandbox = "none"'
    write(user, settings("http://127.0.0.1:9", '["echo", "env"]').replace("min_free_gb = 0", off))
    before = user.things()
    said = user.orch("doctor", "--mcp")
    ended_with(said, 0, "good db: 2 of", "for coder", "echo (may change things) Does echo.")
    ended_with(said, 0, "die (not allowed)")
    warned = "its script lies in the repository (raw.py): a worker can change what runs"
    ended_with(said, 0, f"odd db: {warned}", "write its whole path")
    assert f"[mcp.db]: {warned}" in user.orch("doctor").words
    assert user.things() == before
    assert user.left() == []

    text = (user.root / ".agent/orch.toml").read_text().replace("raw.py", "missing.py")
    write(user, text.replace("DB_PASSWORD", "PATH"))
    said = user.orch("doctor", "--mcp", "--json")
    ended_with(said, 2)
    (seen,) = said.json
    assert seen["tools"] == [] and "it ended (exit 2" in seen["why"]
    said = user.orch("doctor", "--mcp")
    ended_with(said, 2, "bad db: it ended (exit 2", "type: edit [mcp.db] in .agent/orch.toml")
    assert "orch doctor --mcp" not in said.out, "it was typed just now"
