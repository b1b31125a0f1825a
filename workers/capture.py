"""A child's output as a bounded log: its beginning and its end, and a line for what lies between.

While it grows, the second half of the file is a ring; `finish` brings it into order. A full disk
costs the log and not the child: it is drained all the same, and `lost` says why.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from workers.text import LINE_LIMIT, clean_line

_LINE_EVERY_S = 0.1
_RECENT_BYTES = 4096


class Capture:
    """Takes chunks, keeps a bounded file, offers the newest line now and then."""

    def __init__(
        self, log: Path, limit_bytes: int, on_line: Callable[[str], None] | None = None
    ) -> None:
        self.total_bytes = 0
        self.lost = ""
        self._log = log
        self._head_bytes = limit_bytes // 2
        self._ring_bytes = max(limit_bytes - self._head_bytes, 1)
        self._on_line = on_line
        self._recent = b""
        self._fresh = False
        self._offered_at = float("-inf")
        log.parent.mkdir(parents=True, exist_ok=True)
        # Replaced, not truncated: the old one may be a link, or be read by somebody.
        log.unlink(missing_ok=True)
        self._file = os.open(log, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    @property
    def truncated(self) -> bool:
        """Whether there was more output than the log may hold."""
        return self.total_bytes > self._head_bytes + self._ring_bytes

    @property
    def due_s(self) -> float | None:
        """Seconds until a line may be offered; None where there is none to offer."""
        if not self._fresh:
            return None
        return max(0.0, self._offered_at + _LINE_EVERY_S - time.monotonic())

    def feed(self, chunk: bytes) -> None:
        """Take what the child printed next."""
        at = self.total_bytes
        self.total_bytes += len(chunk)
        if self._on_line is not None:
            self._recent = (self._recent + chunk[-_RECENT_BYTES:])[-_RECENT_BYTES:]
            self._fresh = True
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

    def offer(self, *, now: bool = False) -> None:
        """Offer the newest line, finished or not, if one is due (or now)."""
        due_s = self.due_s
        if self._on_line is None or due_s is None or (due_s > 0 and not now):
            return
        for raw in reversed(self._recent.split(b"\n")):
            if line := clean_line(raw, LINE_LIMIT):
                self._on_line(line)
                break
        # What has no newline yet may go on: keep it as the beginning of the line.
        self._recent = self._recent[self._recent.rfind(b"\n") + 1 :]
        self._fresh = False
        self._offered_at = time.monotonic()

    def finish(self) -> None:
        """Bring the log into order and close it."""
        if self.truncated and not self.lost:
            try:
                self._unroll()
            except OSError as error:
                self.lost = f"its log is out of order: {error.strerror}"
        os.close(self._file)

    def _write(self, piece: bytes, at: int) -> None:
        while piece and not self.lost:
            try:
                written = os.pwrite(self._file, piece, at)
            except OSError as error:
                self.lost = f"its log is incomplete: {error.strerror}"
                return
            piece, at = piece[written:], at + written

    def _unroll(self) -> None:
        start = (self.total_bytes - self._head_bytes) % self._ring_bytes
        left_out = self.total_bytes - self._head_bytes - self._ring_bytes
        ordered = self._log.with_name(self._log.name + ".ordered")
        ordered.unlink(missing_ok=True)
        try:
            with open(ordered, "xb") as file:
                self._copy(file.write, 0, self._head_bytes)
                file.write(f"\n[orch left out {left_out:,} bytes here]\n".encode())
                self._copy(file.write, self._head_bytes + start, self._ring_bytes - start)
                self._copy(file.write, self._head_bytes, start)
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
