"""The end of a call to a server, however slowly that drips.

A time limit of the HTTP library's counts from byte to byte, so whoever sends one now and then keeps
a call for days. Here the line itself is cut when its time is over, and the call ends as a broken
one does.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any


class Deadline:
    """Cuts the line of the call that it is told of, some seconds after it was entered."""

    def __init__(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._line: socket.socket | None = None
        self._over = False

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._line = None

    @property
    def extensions(self) -> dict[str, Any]:
        """What a request of httpx's carries, to be told of here."""
        return {"trace": self._hear}

    def _hear(self, _: str, info: Mapping[str, Any]) -> None:
        # A stream of the library's: the plain line, and after it that of the encryption.
        look = getattr(info.get("return_value"), "get_extra_info", None)
        line = look("socket") if look is not None else None
        if isinstance(line, socket.socket):
            with self._lock:
                self._line = line
                over = self._over
            if over:
                self._cut()

    def _cut(self) -> None:
        with self._lock:
            self._over = True
            if self._line is not None:
                with contextlib.suppress(OSError):
                    self._line.shutdown(socket.SHUT_RDWR)
