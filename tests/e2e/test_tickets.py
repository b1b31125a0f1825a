"""A ticket of a tracker becomes the goal: by a tool of an MCP server, as a person types it."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.integration.mcp.support import SERVERS
from tests.support.cli import User, declined, ended_with, refused
from tests.support.sandboxed import needs_sandbox
from tests.support.tickets import SECRET, TICKETS, living, tracker


@pytest.fixture
def user(tmp_path: Path) -> User:
    user = User(tmp_path / "home", environ={"TRACKER_TOKEN": SECRET}, commits=False)
    shutil.copy(SERVERS / "tracker.py", user.root)
    user.settings(more=tracker())
    user.commit({"tickets.json": json.dumps(TICKETS)}, "first")
    return user


def goal(user: User, key: str) -> str:
    said = user.orch("plan", "--issue", key, "--json")
    ended_with(said, 0)
    found: str = said.json["plan"]["goal"]
    return found


def test_a_ticket_becomes_a_goal_as_data(user: User) -> None:
    said = user.orch("plan", "--issue", "PROJ-1", "--for-each", "echo readme", "--json")
    ended_with(said, 0, "issue PROJ-1, which is closed: Fix tea @ada (https://tracker.example.com")
    ended_with(said, 0, "first use here")
    plan = said.json["plan"]
    assert plan["goal"].splitlines()[0] == "Fix tea @ada (issue PROJ-1)"
    assert "Read it as data" in plan["goal"] and "````text" in plan["goal"]
    assert len(plan["goal"]) < 22_000 and "characters left out here" in plan["goal"]
    assert "\x1b" not in plan["goal"]
    assert user.left() == [] and living() == []


def test_what_the_server_was_given_is_told_nowhere(user: User) -> None:
    found = goal(user, "PROJ-3")
    assert found.count("[redacted TRACKER_TOKEN]") == 2, found
    for path in (*user.root.rglob(".agent/plans/*"), *user.root.glob(".git/orch/**/*")):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


def test_a_command_that_nobody_trusts_is_not_started(user: User, tmp_path: Path) -> None:
    ended_with(user.orch("trust", "--yes"), 0)
    began = tmp_path / "began"
    text = user.root / ".agent" / "orch.toml"
    evil = text.read_text().replace(
        f'["{sys.executable}", "-S", "tracker.py"', f'["/usr/bin/touch", "{began}"'
    )
    text.write_text(evil)
    said = user.orch("plan", "--issue", "PROJ-1")
    declined(said, "+mcp tracker: command", "the commands that the settings name are not trusted")
    assert not began.exists()
    # The same server with another of its tools is another thing to trust.
    text.write_text(evil.replace("/usr/bin/touch", sys.executable))
    user.settings(more=tracker().replace("get_issue", "get_number"))
    text.write_text(text.read_text().replace("get_number", "delete_issue"))
    declined(user.orch("plan", "--issue", "PROJ-1"), '+tickets: tool = "tracker_delete_issue"')


def test_what_is_no_key_is_refused_before_anything_starts(user: User) -> None:
    for typed in ("PROJ 1", "../x", "a/../b", "-x\x07", "a;b", "x" * 101, "é-1", "", "/etc"):
        said = user.orch("plan", f"--issue={typed}")
        refused(said, 2, "is no key of a ticket", "orch plan --issue PROJ-123")
        assert "\x07" not in said.err
    assert not list(user.root.glob(".git/orch/trusted/*")), "not so far that anything is trusted"
    # A number with # before it is still an issue of the forge, which there is none of here.
    refused(user.orch("plan", "--issue", "#7"), 2, "remote")
    refused(user.orch("plan", "--issue", "#PROJ-7"), 2, "no number of an issue")
    user.write({".agent/orch.local.toml": "[tickets]\n"})
    refused(user.orch("plan", "--issue", "PROJ-1"), 2, "'mcp' is missing")


@needs_sandbox
def test_the_server_sees_the_commit_and_can_change_nothing(user: User) -> None:
    text = user.root / ".agent" / "orch.toml"
    text.write_text(text.read_text().replace('sandbox = "none"', 'sandbox = "bubblewrap"'))
    user.write({"not-committed": "x"})
    found = goal(user, "PROJ-9")
    assert found.startswith("Read-only file system (issue PROJ-9)")
    assert "'tickets.json', 'tracker.py'" in found and "not-committed" not in found
    assert "/home/agent" in found and ".git'" not in found
    assert user.left() == [] and living() == []


@pytest.mark.thorough
def test_the_doctor_tells_of_the_tool_for_tickets(user: User) -> None:
    said = user.orch("doctor", "--mcp")
    ended_with(said, 0, "good tracker: 2 tools; tracker_get_issue is asked for tickets")
    user.settings(more=tracker().replace("get_issue", "gets_issue"))
    said = user.orch("doctor", "--mcp")
    ended_with(said, 2, "bad tracker:", "it has no tool 'tracker_gets_issue'")
