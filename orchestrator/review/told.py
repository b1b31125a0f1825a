"""What a reader has been told already, so that each reason is said once in full.

1. A reason is told in full the first time. Told again, alone or at the end of a longer one, it
   is left out: `sent back: gate 'unit' failed with what has landed`.
2. Each reader has a memory of their own: whoever joins late is told in full too.
3. It is bounded: a reason that was told long ago is told in full again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ledger.model import Verdict

KEPT = 1000


class Told:
    """The reasons that one reader knows."""

    def __init__(self) -> None:
        self._known: dict[str, None] = {}

    def rest(self, why: str) -> str:
        """What of a reason is new; from now on all of it is known."""
        starts = (0, *(colon.end() for colon in re.finditer(": ", why)))
        known = next((at for at in starts if why[at:] in self._known), None)
        if why:
            self._keep(why)
        return why if known is None else why[:known].removesuffix(": ")

    def again(self, verdict: Verdict) -> bool:
        """Whether that gate has said that very thing before; from now on it has."""
        said = f"{verdict.gate}\n{verdict.why}"
        known = said in self._known
        self._keep(said)
        return known

    def _keep(self, text: str) -> None:
        self._known.pop(text, None)
        self._known[text] = None
        if len(self._known) > KEPT:
            del self._known[next(iter(self._known))]
