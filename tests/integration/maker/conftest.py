"""What tests of models as workers share."""

from __future__ import annotations

import os

import pytest


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(params=["anthropic", "openai"])
def dialect(request):
    return request.param


@pytest.fixture(autouse=True)
def no_settings_of_the_users(monkeypatch):
    """Clients must not find keys, addresses or proxies in the environment."""
    for name in list(os.environ):
        if name.startswith(("ANTHROPIC_", "OPENAI_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
