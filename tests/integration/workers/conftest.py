"""What tests of child processes share."""

from __future__ import annotations

import psutil
import pytest

from tests.integration.workers.bench import Bench


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path / "tree", tmp_path / "logs")
    bench.tree.mkdir()
    yield bench
    # Only where the code is broken is anybody left; the machine shall not suffer for it.
    for process in psutil.process_iter(["environ", "cmdline"]):
        mark = (process.info["environ"] or {}).get("ORCH_MARK", "")
        if mark.startswith(bench.token) or bench.token in (process.info["cmdline"] or ()):
            process.kill()
