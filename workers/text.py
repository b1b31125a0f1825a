"""What programs print is data: bounded, free of terminal escapes, never obeyed.

1. Escape sequences are taken out whole, so that their parameters do not stay behind as noise.
2. Whatever control character is left after that is taken out too: what comes out of here can
   do nothing to a terminal, also where rule 1 did not understand what it saw.
3. Characters that turn the direction of text around are taken out: a line must read as it is.
4. Bytes that are no UTF-8 become U+FFFD; nothing here raises on any input.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

LINE_LIMIT = 500
"""Characters of one line that a person or a model is shown."""

# An unterminated string sequence (OSC, DCS, ...) loses its introducer only: a program must not be
# able to hide the rest of its output behind one.
_SEQUENCE = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI
    "|(?:\x1b[\\]P^_X]|[\x9d\x90\x9e\x9f\x98])[^\x07\x1b\x9c\n]{0,4096}(?:\x07|\x1b\\\\|\x9c)"
    "|\x1b[ -/]*[0-~]"  # two-character sequences, charsets
)
_DIRECTION = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_SURROGATES = range(0xD800, 0xE000)  # alone they cannot be encoded
_CONTROL: dict[int, str | None] = dict.fromkeys(
    (*range(0x20), *range(0x7F, 0xA0), 0xFEFF, *map(ord, _DIRECTION), *_SURROGATES)
)
_CONTROL |= {0x2028: " ", 0x2029: " "}
_ONE_LINE = _CONTROL | {ord("\t"): "    ", ord("\n"): " "}
_LINES = {code: to for code, to in _CONTROL.items() if chr(code) not in "\n\t"}


def printable(raw: bytes | str) -> str:
    """The text with its lines and tabs, without anything that a terminal obeys."""
    text = _decoded(raw).replace("\r\n", "\n").replace("\r", "\n")
    return _SEQUENCE.sub("", text).translate(_LINES)


def clean_line(raw: bytes | str, limit: int = LINE_LIMIT) -> str:
    """One line as a terminal would end up showing it, at most `limit` characters."""
    # A progress bar rewrites its line after each carriage return: only the last state counts.
    # Far more than `limit` is never cleaned, however long the line is.
    states = _decoded(raw[: limit * 64]).rstrip("\r\n").split("\r")
    for state in reversed(states):
        line = _SEQUENCE.sub("", state).translate(_ONE_LINE).rstrip()
        if line:
            return line if len(line) <= limit else line[: limit - 1] + "…"
    return ""


def tail_lines(path: Path, count: int, limit_bytes: int = 64 * 1024) -> tuple[str, ...]:
    """The last lines of a file, cleaned, from its last `limit_bytes` only; none without a file."""
    try:
        with open(path, "rb") as file:
            size_bytes = file.seek(0, os.SEEK_END)
            file.seek(max(0, size_bytes - limit_bytes))
            raw = file.read(limit_bytes)
    except OSError:
        return ()
    whole = size_bytes <= limit_bytes
    lines = raw.split(b"\n")
    if not whole and len(lines) > 1:
        del lines[0]  # cut somewhere in its middle
    cleaned = [clean_line(line) for line in lines[-count - 16 :]]
    while cleaned and not cleaned[-1]:
        cleaned.pop()
    return tuple(cleaned[-count:]) if count > 0 else ()


def _decoded(raw: bytes | str) -> str:
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
