"""A server asked for a ticket: what it gets, what is told where it misbehaves, and its end."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from ledger.connectors import McpServer, TicketSettings
from orchestrator.config import load_settings
from orchestrator.errors import OrchError
from orchestrator.forges.base import Ticket
from orchestrator.tickets.by_mcp import McpTickets
from tests.integration.mcp.support import SERVERS
from tests.support.project import Project
from tests.support.servers.sdk import make
from tests.support.tickets import SECRET, TICKETS, living, tracker
from workers.loopback import bind, serving


@pytest.fixture
def project(tmp_path: Path) -> Project:
    files = {
        "tracker.py": (SERVERS / "tracker.py").read_text(),
        "tickets.json": json.dumps(TICKETS),
    }
    project = Project(tmp_path, files)
    project.environ["TRACKER_TOKEN"] = SECRET
    return project


def source(project: Project, text: str) -> McpTickets:
    project.write({".agent/orch.toml": f'[run]\nsandbox = "none"\n{text}'})
    return McpTickets(project.workplace(), load_settings(project.root))


async def told(tickets: McpTickets, key: str) -> str:
    """What is told in the place of a ticket."""
    with pytest.raises(OrchError) as error:
        await tickets.fetch(key)
    assert living() == []
    said = " ".join(str(error.value).split())
    assert SECRET not in said and error.value.exit_code == 1
    return said


async def asked(tickets: McpTickets, key: str) -> Ticket:
    found = await tickets.fetch(key)
    assert living() == []
    return found


async def test_the_tool_gets_the_key_and_what_the_settings_fix(project: Project) -> None:
    fixed = source(project, tracker('arguments = { fields = "summary,description" }'))
    found = await asked(fixed, "PROJ-2")
    assert json.loads(found.body) == {"issue_key": "PROJ-2", "fields": "summary,description"}
    numbered = source(project, tracker().replace("get_issue", "get_number"))
    found = await asked(numbered, "12")
    assert json.loads(found.body) == {"issue_key": 12}, "a number where the tool wants one"


async def test_a_slip_in_the_settings_is_told_with_what_was_meant(project: Project) -> None:
    named = source(project, tracker().replace('"issue_key"', '"issuekey"'))
    said = await told(named, "PROJ-2")
    assert "of MCP server 'tracker' has no argument 'issuekey'" in said
    assert "did you mean 'issue_key'?" in said
    named = source(project, tracker().replace("get_issue", "gets_issue"))
    said = await told(named, "PROJ-2")
    assert "MCP server 'tracker' has no tool 'tracker_gets_issue'" in said
    assert "did you mean 'tracker_get_issue'?" in said


async def test_what_the_server_was_given_is_told_nowhere(project: Project) -> None:
    here = source(project, tracker())
    found = await asked(here, "PROJ-3")
    # The second has a sign within that is left out: what is shown must be looked at.
    assert found.body.count("[redacted TRACKER_TOKEN]") == 2 and SECRET not in found.body
    assert "no such issue, [redacted TRACKER_TOKEN]" in await told(here, "PROJ-4")
    del project.environ["TRACKER_TOKEN"]
    said = await told(source(project, tracker()), "PROJ-3")
    assert "the variable TRACKER_TOKEN is not set hint: export TRACKER_TOKEN=..." in said


async def test_a_server_that_misbehaves_is_one_error_and_gone(project: Project) -> None:
    here = source(project, tracker())
    said = await told(here, "PROJ-5")
    assert "'tracker' did not tell of PROJ-5: it ended (exit 7: out of luck)" in said
    assert "orch doctor --mcp" in said
    assert "a message of more than 4 MB" in await told(here, "PROJ-7")
    assert "says nothing of PROJ-8" in await told(here, "PROJ-8")
    slow = source(project, tracker(server="timeout_s = 3"))
    assert "it did not answer within 3 s" in await told(slow, "PROJ-6")
    gone = source(project, tracker(script="missing.py"))
    assert "it ended (exit 2" in await told(gone, "PROJ-1")


async def test_a_server_by_http_gets_its_headers_and_no_tree(project: Project) -> None:
    project.environ |= {"MCP_TOKEN": SECRET, "TEAM": "red"}
    app = make().streamable_http_app()
    with bind() as socket:
        url = f"http://127.0.0.1:{socket.getsockname()[1]}/mcp"
        web = McpServer(
            url=url,
            headers={"Authorization": "Bearer $MCP_TOKEN", "X-Team": "${TEAM}"},
            workers=(),
            tools=(),
        )
        here = source(project, tracker())
        settings = here.settings.model_copy(
            update={"mcp": {"web": web}, "tickets": TicketSettings(mcp="web", tool="headers")}
        )
        async with (
            app.router.lifespan_context(app),
            serving(Starlette(routes=[Mount("/", app)]), socket),
        ):
            found = await replace(here, settings=settings).fetch("PROJ-1")
    assert "'authorization': 'Bearer [redacted MCP_TOKEN]'" in found.title
