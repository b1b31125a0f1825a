"""What was said and done in a round, for a person to read: redacted, bounded, never in a prompt."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workers.redact import Redactor
from workers.text import clean_line, printable

LIMIT_BYTES = 4 * 1024 * 1024
TEXT_CHARS = 8_000
ARGUMENT_CHARS = 400
RESULT_CHARS = 1_500


class Transcript:
    """A log that is written as the round goes on."""

    def __init__(
        self, log: Path, redactor: Redactor, on_line: Callable[[str], None] | None = None
    ) -> None:
        self.tail: list[str] = []
        self.lost = ""
        self._redactor = redactor
        self._on_line = on_line
        self._left = LIMIT_BYTES
        log.parent.mkdir(parents=True, exist_ok=True)
        # Replaced, not truncated: the old one may be a link, or be read by somebody.
        log.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._file = os.fdopen(os.open(log, flags, 0o600), "w", encoding="utf-8", errors="replace")

    def begin(self, number: int, model: str) -> None:
        """Which round it is, and who works."""
        self._write(f"== round {number}, model {model}\n")

    def said(self, text: str) -> None:
        """Words of the model's."""
        if text.strip():
            clean = self._redactor.redact_text(printable(text).strip())
            self._write(f"\n{_cut(clean, TEXT_CHARS)}\n")

    def called(self, tool: str, arguments: Any) -> None:
        """A call of a tool."""
        # Redacted before it is cut: half a secret would not be known for one.
        written = arguments if isinstance(arguments, str) else json.dumps(arguments, default=str)
        line = clean_line(f"{tool} {_brief(self._redactor.redact_text(written))}", ARGUMENT_CHARS)
        self._write(f"\n> {line}\n")
        if self._on_line is not None:
            self._on_line(line)

    def answered(self, tool: str, text: str, *, failed: bool) -> None:
        """What a tool answered."""
        mark = "!" if failed else "<"
        self._write(f"{mark} {tool}: {_cut(text, RESULT_CHARS)}\n")

    def note(self, text: str) -> None:
        """A remark of orch's."""
        self._write(f"\n-- {clean_line(text)}\n")

    def close(self) -> None:
        """Write what is left."""
        try:
            self._file.close()
        except OSError as error:
            self.lost = self.lost or f"the log is incomplete: {error.strerror}"

    def _write(self, text: str) -> None:
        text = self._redactor.redact_text(text)
        self.tail = [*self.tail, *(clean_line(one) for one in text.splitlines() if one)][-40:]
        size = len(text.encode("utf-8", "replace"))
        if self._left <= 0:
            return
        self._left -= size
        if self._left <= 0:
            text = "\n[orch left out the rest]\n"
        # A full disk costs the log, not the round.
        try:
            self._file.write(text)
            self._file.flush()
        except OSError as error:
            self.lost = self.lost or f"the log is incomplete: {error.strerror}"


def _brief(written: str) -> str:
    arguments: Any = None
    with contextlib.suppress(ValueError):
        arguments = json.loads(written or "{}")
    if not isinstance(arguments, dict):
        return written
    return " ".join(f"{key}={_one(value)}" for key, value in arguments.items())


def _one(value: Any) -> str:
    if isinstance(value, str):
        value = value if len(value) <= 120 else f"{value[:80]}... ({len(value):,} characters)"
    return json.dumps(value, ensure_ascii=False, default=str)


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return f"{text[: most // 2]}\n[... {len(text) - most:,} characters ...]\n{text[-most // 2 :]}"
