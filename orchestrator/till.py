"""The till of a run: its books are in the ledger, under the limits as they stand.

1. A reservation is a fact before the call leaves; what a call came to is one when it has ended.
2. A call that would fit but for others in flight waits for these.
3. A budget that would not hold a call is a fact too, once for each who meets it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from ledger import events as e
from ledger.books import Cap, Caps, Held, TooMuch, sum_of
from ledger.model import Limits, Tokens
from workers.gateway.till import PATIENCE_S, Call, Refused, Reservation

if TYPE_CHECKING:
    from orchestrator.scene import Scene


def caps_of(limits: Limits) -> Caps:
    """What the limits say that may be spent."""
    return Caps(
        call=Cap(usd=limits.call_usd),
        attempt=Cap(usd=limits.attempt_usd),
        task=Cap(usd=limits.task_usd),
        run=Cap(tokens=limits.budget_tokens, usd=limits.budget_usd),
    )


def reserved(number: int, call: Call) -> e.CallReserved:
    """The fact that a call may leave."""
    return e.CallReserved(
        call=number,
        task=call.task,
        attempt=call.attempt,
        worker=call.worker,
        provider=call.provider,
        model=call.model,
        tokens=call.tokens,
        cost_usd=call.cost_usd,
        purpose=call.purpose,
    )


class LedgerTill:
    """A `Till` over the run's ledger."""

    def __init__(self, scene: Scene, *, capped: bool = True) -> None:
        """Without caps where nothing is spent: what calls came to is still told."""
        self._scene, self._capped = scene, capped
        self._settled = anyio.Event()

    async def reserve(self, call: Call) -> Reservation | Refused:
        """Reserve a call's worst, durably, before it leaves."""
        with anyio.move_on_after(PATIENCE_S):
            while isinstance(found := self._try(call), TooMuch) and found.for_now:
                await self._settled.wait()
        if not isinstance(found, TooMuch):
            return found
        self._scene.append(
            e.BudgetReached(
                task=call.task,
                attempt=call.attempt,
                scope=found.scope,
                why=found.why,
                short=found.short,
            )
        )
        return Refused(found.scope, found.why, found.short)

    async def settle(
        self, reservation: Reservation, tokens: Tokens | None, cost_usd: float | None
    ) -> None:
        """Say what a call came to. Tokens of None: not known, the worst counts."""
        number = int(reservation.id)
        self._scene.append(e.CallSettled(call=number, tokens=tokens, cost_usd=cost_usd))
        self._settled.set()
        self._settled = anyio.Event()

    def _try(self, call: Call) -> Reservation | TooMuch:
        # Nothing else of this process runs between the look and the fact.
        state = self._scene.state
        number = state.calls + 1
        wanted = Held(call.task, call.attempt, sum_of(call.tokens, call.cost_usd))
        caps = caps_of(state.limits) if self._capped else Caps()
        found = state.books.under(caps).reserve(str(number), wanted)
        if isinstance(found, TooMuch):
            return found
        self._scene.append(reserved(number, call))
        return Reservation(str(number), call)
