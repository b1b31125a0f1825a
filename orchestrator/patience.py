"""What takes longer than a moment is said, so that nobody waits in silence."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

MOMENT_S = 0.5


async def patiently(
    work: Callable[[], Awaitable[None]], what: str, tell: Callable[[str], None]
) -> None:
    """Do it, and tell what it is once it has taken a moment."""

    async def say() -> None:
        await anyio.sleep(MOMENT_S)
        tell(what)

    failed: Exception | None = None
    async with anyio.create_task_group() as group:
        group.start_soon(say)
        try:
            await work()
        except Exception as error:  # a group would hide it in another
            failed = error
        group.cancel_scope.cancel()
    if failed is not None:
        raise failed
