"""What one try of a call comes to, and what all calls share.

What was reserved is settled whatever happens: at nothing where the provider answered with an error
or was never reached, at what the answer says it came to, at the worst where an answer was lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import anyio

from ledger.model import Tokens
from workers.gateway.grants import Access
from workers.gateway.pacing import Pacer
from workers.gateway.prices import Prices
from workers.gateway.record import Recorder
from workers.gateway.till import Reservation, Till
from workers.gateway.upstream import Upstream
from workers.redact import Redactor

SETTLE_S = 60.0
Priced = Callable[[Tokens], float | None]


@dataclass(frozen=True)
class House:
    """What all calls share."""

    prices: Prices
    till: Till
    pacer: Pacer
    upstream: Upstream
    recorder: Recorder | None
    redactor: Redactor


class Bill:
    """What one try comes to."""

    def __init__(self, house: House, access: Access, held: Reservation, priced: Priced) -> None:
        self.tokens: Tokens | None = Tokens()
        """None: it left, and nobody knows what became of it."""
        self._house, self._access, self._held, self._priced = house, access, held, priced
        self._done = False

    async def settle(self) -> None:
        """Settle it; a second time does nothing."""
        if self._done:
            return
        self._done = True
        cost_usd: float | None = self._held.call.cost_usd
        if self.tokens is not None:
            nothing = self.tokens == Tokens()
            cost_usd = 0.0 if nothing else self._priced(self.tokens)
        with anyio.CancelScope(shield=True), anyio.fail_after(SETTLE_S):
            await self._house.till.settle(self._held, self.tokens, cost_usd)
        if self.tokens != Tokens():
            self._access.spent(self.tokens, cost_usd)
