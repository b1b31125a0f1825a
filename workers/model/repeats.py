"""A model that makes the same call again and again. Pure.

1. Calls are the same where tool and arguments are; a call of anything else in between begins anew.
2. The third in a row is answered by a note instead of a result, and so are those after it.
3. The sixth in a row ends the round: nobody is helped by a seventh.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

NOTED = 3
ENDED = 6


@dataclass
class Repeats:
    """The calls of a conversation, in the order in which the model made them."""

    key: str = ""
    streak: int = 0

    def count(self, tool: str, arguments: Any) -> int:
        """How often this call was made in a row, with this time."""
        key = f"{tool} {_canonical(arguments)}"
        self.streak = self.streak + 1 if key == self.key else 1
        self.key = key
        return self.streak


def note_of(tool: str, times: int) -> str:
    """What a call is answered with that was made too often."""
    return (
        f"You have made this very call of `{tool}` {times} times in a row, and its answer would be"
        " the same. Do something else: look elsewhere, change something, `finish`, or `ask`."
        f" After {ENDED} times the attempt ends."
    )


def _canonical(arguments: Any) -> str:
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments or "{}")
        except ValueError:
            return str(arguments)
    return json.dumps(arguments, sort_keys=True, default=str)
