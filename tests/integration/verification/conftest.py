from __future__ import annotations

import pytest

from tests.integration.verification.court import Court


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def court(tmp_path):
    court = Court(tmp_path)
    yield court
    court.close()
