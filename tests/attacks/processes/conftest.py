"""Children that try to outlive their end, under an engine that adopts orphans or does not."""

from __future__ import annotations

import ctypes
import sys

import pytest

from tests.integration.workers.conftest import anyio_backend, bench
from workers import alive

__all__ = ["adopting", "anyio_backend", "bench"]


@pytest.fixture(params=["adopts orphans", "does not"])
def adopting(request):
    """Both kinds of engine."""
    if request.param == "does not":
        yield False
        return
    if sys.platform != "linux":
        pytest.skip("only Linux lets a process adopt orphans")
    assert alive.become_subreaper()
    yield True
    ctypes.CDLL(None).prctl(36, 0, 0, 0, 0)
    alive._subreaper_pid = 0
