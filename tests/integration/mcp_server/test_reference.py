"""The page of the MCP server is as the code says."""

from __future__ import annotations

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs"


def test_the_page_of_the_tools_is_as_the_code_says() -> None:
    made = runpy.run_path(str(DOCS / "build_mcp_reference.py"))["render_page"]()
    page = (DOCS / "reference" / "mcp-server.md").read_text("utf-8")
    assert page == made, "python docs/build_mcp_reference.py --write"
