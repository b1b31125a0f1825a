"""What tests of MCP servers share."""

from __future__ import annotations

import psutil
import pytest

from tests.integration.mcp.support import Room


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def here(tmp_path):
    here = Room(tmp_path)
    yield here
    # Only where the code is broken is anybody left; the machine shall not suffer for it.
    for process in here.living():
        with_it = psutil.Process(process)
        with_it.kill()
