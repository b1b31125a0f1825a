"""How long an answer may take, and how large it may be.

One deadline bounds every step of it, and is moved on with each piece: until the first, between two,
and until the last. Whoever was slow when it passes is named: the provider, or the client.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from types import TracebackType

import anyio

from workers.gateway.client import ClientGone
from workers.gateway.upstream import Broke, Waits

ANSWER_BYTES = 64 * 1024 * 1024
COARSE = 8
"""A wait between two pieces may be shorter by this part of it."""


class Pulse:
    """Bounds every step of an answer by one deadline, which is moved on with each piece."""

    def __init__(self, waits: Waits) -> None:
        self._waits = waits
        self._scope = anyio.CancelScope()
        self._end = time.monotonic() + waits.whole_s
        self._late = ""
        self._passing_on = False

    def __enter__(self) -> Pulse:
        self._scope.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        return self._scope.__exit__(kind, error, trace)

    async def pieces(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The pieces, each in its time, and not more than a bound."""
        size, set_at = 0, self._wait(self._waits.first_s)
        wait_s = self._waits.silence_s
        async for chunk in chunks:
            size += len(chunk)
            if size > ANSWER_BYTES:
                why = f"its answer has more than {ANSWER_BYTES:,} bytes"
                raise Broke("too-large", why, sent=True)
            # Moved on now and then only: a timer for each piece would cost more than the piece.
            if size == len(chunk) or time.monotonic() - set_at > wait_s / COARSE:
                set_at = self._wait(wait_s)
            yield chunk

    @contextlib.contextmanager
    def passing_on(self) -> Iterator[None]:
        """Whoever is slow now, it is the client."""
        self._passing_on = True
        try:
            yield
        finally:
            # Not in the end of a wait that was too long: that tells who was slow.
            self._passing_on = self._scope.cancel_called

    def broke(self) -> Exception:
        """What it means that a deadline passed."""
        return ClientGone() if self._passing_on else Broke("silent", self._late, sent=True)

    def _wait(self, wait_s: float) -> float:
        now = time.monotonic()
        self._late = "it fell silent" if now + wait_s < self._end else "it did not end in time"
        self._scope.deadline = anyio.current_time() + min(wait_s, self._end - now)
        return now
