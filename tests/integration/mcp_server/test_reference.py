"""The page of the MCP server is as the code says."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

from jsonschema import Draft202012Validator

from orchestrator.mcp_server.office import Office
from orchestrator.mcp_server.planning import TaskIn
from orchestrator.mcp_server.server import tools_of

DOCS = Path(__file__).parents[3] / "docs"


def test_the_page_of_the_tools_is_as_the_code_says() -> None:
    made = runpy.run_path(str(DOCS / "build_mcp_reference.py"))["render_page"]()
    page = (DOCS / "reference" / "mcp-server.md").read_text("utf-8")
    assert page == made, "python docs/build_mcp_reference.py --write"


def test_what_a_client_is_told_of_all_tools_is_little_and_has_no_property_less() -> None:
    tools = tools_of(Office(Path("/nowhere"), {}), lambda line: None)
    told = [(tool.description, tool.parameters) for tool in tools]
    assert len(json.dumps(told)) < 9_000, "a model reads it in every conversation"
    assert len(json.dumps([tool.output_schema for tool in tools])) < 20_000
    plan = next(tool for tool in tools if tool.name == "plan")
    task = plan.parameters["$defs"]["TaskIn"]
    assert set(task["properties"]) == set(TaskIn.model_fields) and task["required"]
    assert plan.parameters["properties"]["files"]["items"] == {"type": "string"}
    for tool in tools:
        assert tool.parameters["additionalProperties"] is False
        assert tool.output_schema is not None
        Draft202012Validator.check_schema(tool.parameters)
        Draft202012Validator.check_schema(tool.output_schema)
