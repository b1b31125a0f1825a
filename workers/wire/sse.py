"""Server-sent events, read from bytes that were cut anywhere.

1. Lines end with LF, CR or CRLF; an event ends with an empty line; its data are the `data:` lines.
   Everything is bytes until an event is whole, so a cut inside a character does no harm.
2. Comments and fields that we do not need are passed over.
3. A line or an event beyond the limit is dropped whole and said so: reading never holds more.
"""

from __future__ import annotations

from collections.abc import Iterator

LARGEST_EVENT_BYTES = 16 * 1024 * 1024


def render_event(data: str, name: str = "") -> bytes:
    """One event; `data` must be one line, as JSON is."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {data}\n\n".encode("utf-8", "surrogatepass")


class EventReader:
    """Takes chunks, gives the data of each event that is whole."""

    def __init__(self, largest_bytes: int = LARGEST_EVENT_BYTES) -> None:
        self.largest_bytes = largest_bytes
        self.dropped = 0
        """Events that were too large to read."""
        self._open: list[bytes] = []
        """The parts of a line that has not ended."""
        self._held_bytes = 0
        self._data: list[bytes] = []
        self._too_large = False
        self._after_cr = False
        self._first = True

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The data of the events that this chunk completes."""
        if self._after_cr and chunk:  # a CR at the end of a chunk had ended its line already
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        if not chunk:
            return
        self._after_cr = chunk.endswith(b"\r")
        lines = chunk.splitlines(keepends=True)
        for line in lines:
            ended = line.endswith((b"\n", b"\r"))
            self._take(line.rstrip(b"\r\n") if ended else line)
            if ended and (data := self._end_line()) is not None:
                yield data

    def _take(self, part: bytes) -> None:
        if not part:
            return
        self._held_bytes += len(part)
        if self._held_bytes > self.largest_bytes:
            self._too_large = True
            # Only whether the line is empty still matters: that is what ends the event.
            self._open = [b"x"]
            self._data = []
        else:
            self._open.append(part)

    def _end_line(self) -> bytes | None:
        line = b"".join(self._open)
        self._open = []
        if self._first:
            line = line.removeprefix(b"\xef\xbb\xbf")
            self._first = False
        if line:
            if not self._too_large and line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif not self._too_large:
                self._held_bytes -= len(line)
            return None
        data, too_large = self._data, self._too_large
        self._data, self._too_large, self._held_bytes = [], False, 0
        if too_large:
            self.dropped += 1
            return None
        return b"\n".join(data) if data else None
