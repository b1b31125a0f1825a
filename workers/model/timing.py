"""Work that ends when its own time is up: what it waited for others does not count."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

T = TypeVar("T")


async def within(
    timeout_s: float, own_s: Callable[[], float], work: Callable[[], Awaitable[T]]
) -> T | None:
    """What came of the work; None where its time was up first."""
    ended: list[T] = []
    failed: list[Exception] = []
    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            left_s = timeout_s
            while left_s > 0:
                await anyio.sleep(left_s)
                left_s = timeout_s - own_s()
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        try:
            ended.append(await work())
        except Exception as error:  # out of here it would come as one of a group
            failed.append(error)
        tasks.cancel_scope.cancel()
    if failed:
        raise failed[0]
    return ended[0] if ended else None
