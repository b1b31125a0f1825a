"""A child's output as a bounded log: its beginning and its end, and a line for what lies between.

While it grows, the second half of the file is a ring; `finish` brings it into order. A full disk
costs the log and not the child: it is drained all the same, and `lost` says why.

Nothing is written or offered that is not redacted. What comes faster than it can be of use waits
in memory, and what nobody will ever see of it is dropped unredacted: so much output costs little.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from workers.redact import Redactor, Stream
from workers.text import LINE_LIMIT, clean_line

_LINE_EVERY_S = 0.1
_FLOOD_EVERY_S = 1.0
_FLOOD_BYTES = 64 * 1024
"""More than this at once is a flood: it is written less often."""
_SLACK_BYTES = 128 * 1024
_RECENT_BYTES = 8192


class Capture:
    """Takes chunks, keeps a bounded file, offers the newest line now and then."""

    def __init__(
        self,
        log: Path,
        limit_bytes: int,
        on_line: Callable[[str], None] | None = None,
        redactor: Redactor | None = None,
    ) -> None:
        self.total_bytes = 0
        self.lost = ""
        self._log = log
        self._head_bytes = limit_bytes // 2
        self._ring_bytes = max(limit_bytes - self._head_bytes, 1)
        self._on_line = on_line
        self._redactor = redactor or Redactor()
        self._stream = Stream(self._redactor)
        self._settled_bytes = 0
        self._whole_from = 0
        """From here on nothing was dropped: what the ring holds of before is not to be shown."""
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._settled_at = float("-inf")
        self._recent = b""
        self._recent_bytes = _RECENT_BYTES + 2 * self._redactor.longest
        self._fresh = False
        self._offered_at = float("-inf")
        log.parent.mkdir(parents=True, exist_ok=True)
        # Replaced, not truncated: the old one may be a link, or be read by somebody.
        log.unlink(missing_ok=True)
        self._file = os.open(log, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    @property
    def truncated(self) -> bool:
        """Whether there was more output than the log may hold; known when it is finished."""
        return self._settled_bytes > self._head_bytes + self._ring_bytes

    @property
    def due_s(self) -> float | None:
        """Seconds until something is to be offered or written; None where nothing is."""
        dues = []
        if self._fresh:
            dues.append(self._offered_at + _LINE_EVERY_S)
        if self._waiting:
            dues.append(self._settled_at + self._settle_every_s)
        return max(0.0, min(dues) - time.monotonic()) if dues else None

    def feed(self, chunk: bytes) -> None:
        """Take what the child printed next."""
        self.total_bytes += len(chunk)
        if self._on_line is not None:
            newest = chunk[-self._recent_bytes :]
            self._recent = (self._recent + newest)[-self._recent_bytes :]
            self._fresh = True
        self._waiting.append(chunk)
        self._waiting_bytes += len(chunk)
        if self._settled_bytes < self._head_bytes:
            self._settle()
            return
        needed = self._ring_bytes + _SLACK_BYTES + 2 * self._redactor.longest
        while self._waiting_bytes - len(self._waiting[0]) > needed:
            # It would be overwritten before anybody could look.
            dropped = len(self._waiting.popleft())
            self._waiting_bytes -= dropped
            self._settled_bytes += dropped
            self._whole_from = self._settled_bytes
            self._stream.lose()

    def offer(self, *, now: bool = False) -> None:
        """Write what waits and offer the newest line, finished or not, if it is due (or now)."""
        moment = time.monotonic()
        if self._waiting and (now or moment - self._settled_at >= self._settle_every_s):
            self._settle()
        if self._on_line is None or not self._fresh:
            return
        if moment - self._offered_at < _LINE_EVERY_S and not now:
            return
        shown = self._redactor.redact_open(
            self._recent, cut=len(self._recent) == self._recent_bytes
        )
        for raw in reversed(shown.split(b"\n")):
            if line := clean_line(raw, LINE_LIMIT):
                self._on_line(line)
                break
        self._fresh = False
        self._offered_at = time.monotonic()

    def finish(self) -> None:
        """Bring the log into order and close it."""
        self._settle()
        self._append(self._stream.end())
        if self.truncated and not self.lost:
            try:
                self._unroll()
            except OSError as error:
                self.lost = f"its log is out of order: {error.strerror}"
        os.close(self._file)

    @property
    def _settle_every_s(self) -> float:
        return _FLOOD_EVERY_S if self._waiting_bytes > _FLOOD_BYTES else _LINE_EVERY_S

    def _settle(self) -> None:
        """Redact what waits, and write it."""
        waiting = b"".join(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        self._append(self._stream.feed(waiting))
        self._settled_at = time.monotonic()

    def _append(self, chunk: bytes) -> None:
        at = self._settled_bytes
        self._settled_bytes += len(chunk)
        head_room = self._head_bytes - at
        if head_room > 0:
            self._write(chunk[:head_room], at)
        rest = chunk[max(head_room, 0) :]
        if rest:
            in_ring = max(at - self._head_bytes, 0)
            kept = rest[-self._ring_bytes :]
            start = (in_ring + len(rest) - len(kept)) % self._ring_bytes
            until_end = self._ring_bytes - start
            self._write(kept[:until_end], self._head_bytes + start)
            self._write(kept[until_end:], self._head_bytes)

    def _write(self, piece: bytes, at: int) -> None:
        while piece and not self.lost:
            try:
                written = os.pwrite(self._file, piece, at)
            except OSError as error:
                self.lost = f"its log is incomplete: {error.strerror}"
                return
            piece, at = piece[written:], at + written

    def _unroll(self) -> None:
        in_ring = self._settled_bytes - self._head_bytes
        whole = min(self._ring_bytes, self._settled_bytes - max(self._whole_from, self._head_bytes))
        start = (in_ring - whole) % self._ring_bytes
        until_end = min(self._ring_bytes - start, whole)
        left_out = max(self.total_bytes - self._head_bytes - whole, 1)
        ordered = self._log.with_name(self._log.name + ".ordered")
        ordered.unlink(missing_ok=True)
        try:
            with open(ordered, "xb") as file:
                self._copy(file.write, 0, self._head_bytes)
                file.write(f"\n[orch left out {left_out:,} bytes here]\n".encode())
                self._copy(file.write, self._head_bytes + start, until_end)
                self._copy(file.write, self._head_bytes, whole - until_end)
            ordered.replace(self._log)
        except OSError:
            with contextlib.suppress(OSError):
                ordered.unlink(missing_ok=True)
            raise

    def _copy(self, write: Callable[[bytes], object], at: int, size_bytes: int) -> None:
        end = at + size_bytes
        while at < end:
            piece = os.pread(self._file, min(1 << 20, end - at), at)
            if not piece:
                return
            write(piece)
            at += len(piece)
