"""A scripted model beside a test that is not asynchronous: in a thread with a loop of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio.from_thread

from workers.scripted_model.server import scripted_model


@contextmanager
def served(script: str) -> Iterator[Any]:
    """The server that `scripted_model` gives: its `url`, and the `requests` that it got."""
    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(scripted_model(script)) as server,
    ):
        yield server
