"""How much a server may say, and why it is not listened to any more.

1. A message has a bounded size, and so has all that comes between two requests of ours.
2. Notifications are dropped: nothing here waits for one, and a million of them cost little.
3. Whoever says too much is over: nothing more of it is read, and the reason is kept.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse

MESSAGE_BYTES = 4 * 1024 * 1024
BETWEEN_BYTES = 16 * 1024 * 1024
BETWEEN_MESSAGES = 3_000
REQUESTS = 100
"""Of its own that a server may make between two of ours: orch serves none but `ping`."""

Send = Callable[[SessionMessage | Exception], Awaitable[None]]


class TooMuch(Exception):
    """A server says more than it may; the message says of what."""


@dataclass
class Guard:
    """What one connected server has said since it was last asked."""

    why: str = ""
    """Why it is over, where it did what it may not."""
    how: str = ""
    """How it ended, where it ended; also because it was let go."""
    over: anyio.Event = field(default_factory=anyio.Event)
    _bytes: int = 0
    _messages: int = 0
    _requests: int = 0

    def end(self, why: str) -> None:
        """It is over; the first reason counts."""
        self.why = self.why or why
        self.over.set()

    def ended(self, how: str) -> None:
        """It is not there any more; the first word counts."""
        self.how = self.how or how
        self.over.set()

    def asked(self) -> None:
        """A request of ours is about to leave."""
        self._bytes = self._messages = self._requests = 0

    def heard(self, size_bytes: int, whole_bytes: int) -> None:
        """So many bytes came, of a message that has so many by now; TooMuch."""
        self._bytes += size_bytes
        if whole_bytes > MESSAGE_BYTES:
            raise TooMuch(f"it sent a message of more than {MESSAGE_BYTES >> 20} MB")
        if self._bytes > BETWEEN_BYTES:
            raise TooMuch(f"it sent more than {BETWEEN_BYTES >> 20} MB that nobody asked for")

    def is_wanted(self, item: SessionMessage | Exception) -> bool:
        """Whether a message is for us; TooMuch."""
        self._messages += 1
        if self._messages > BETWEEN_MESSAGES:
            raise TooMuch(f"it sent more than {BETWEEN_MESSAGES:,} messages that nobody asked for")
        match item:
            case SessionMessage(message=JSONRPCResponse() | JSONRPCError()):
                return True
            case SessionMessage(message=JSONRPCRequest()):
                self._requests += 1
                if self._requests > REQUESTS:
                    raise TooMuch(f"it made more than {REQUESTS} requests of its own")
                return True
            case SessionMessage(message=JSONRPCNotification()):
                return False
            case _:
                return False  # no message at all: a line of a log, perhaps
