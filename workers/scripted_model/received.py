"""What a scripted model was sent: kept for whoever tests, and written down for whoever reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workers.redact import Redactor

KEYS = ("authorization", "x-api-key", "api-key", "proxy-authorization", "cookie")
"""Headers whose values are nobody's to read."""


@dataclass(frozen=True, slots=True)
class Received:
    """One request, and the turn that answered it."""

    number: int
    """From 1, in the order of arrival."""
    dialect: str
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    conversation: str
    turn: int | None
    """From 1; None: no turn applied."""
    why: str = ""
    """Why none did."""

    def render(self) -> str:
        """It as a line of JSON, without keys: neither in headers nor in what was said."""
        headers = {
            name: "(hidden)" if name in KEYS else value for name, value in self.headers.items()
        }
        said = {
            "number": self.number,
            "dialect": self.dialect,
            "path": self.path,
            "conversation": self.conversation,
            "turn": self.turn,
            "headers": headers,
            "body": self.body,
        }
        if self.why:
            said["why"] = self.why
        return Redactor().redact_text(json.dumps(said, ensure_ascii=True))
