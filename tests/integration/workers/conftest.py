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
    for pid in bench.alive():
        psutil.Process(pid).kill()
