"""One call, from a client's request to its last byte.

1. In order: is it a request, of a model that the attempt may call, within its limits; then its
   turn by the credential's pace; then the money; then it leaves (`workers.gateway.passing`).
2. One more try is made only while nothing was passed on, and pays anew. After a limit the pace says
   when, as long as there is patience; after other trouble a few times, with pauses.
3. What goes wrong with a provider is told to the attempt's holder and answered in the client's
   dialect.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Sequence

import anyio

from ledger.books import used_up
from ledger.model import Tokens
from workers.gateway.bill import Bill, House
from workers.gateway.client import Client
from workers.gateway.grants import Access, Ended
from workers.gateway.headers import onwards
from workers.gateway.pacing import OutOfPatience, digest_of
from workers.gateway.passing import Passing
from workers.gateway.till import Call, Refused
from workers.gateway.trouble import PACED, Trouble
from workers.gateway.upstream import Outgoing, Provider
from workers.wire.dialect import Asked, NoRequest, packed, parse_request

TRIES = 3
"""For trouble that is no limit."""
PAUSE_S = 0.5
PAID_OUT = 402
"""What is over a budget is answered with; no vendor's library tries that again."""


class Exchange:
    """One call of one attempt."""

    def __init__(self, house: House, access: Access, provider: Provider, client: Client) -> None:
        self._house, self._access, self._provider = house, access, provider
        self._client, self._dialect = client, client.dialect
        self._lane = house.pacer.lane(
            digest_of(provider.url, provider.key), provider.name, provider.parallel
        )
        self._long_cache = False
        self._asked: Asked
        self._call: Call
        self._passing: Passing

    def _cost_usd(self, tokens: Tokens) -> float | None:
        """What that many tokens of this call's cost."""
        return self._house.prices.cost_usd(
            self._provider.name,
            self._provider.url,
            self._asked.model,
            tokens,
            long_cache=self._long_cache,
        )

    async def serve(self, path: str, headers: Sequence[tuple[str, str]], body: bytes) -> None:
        """Answer the client, one way or another."""
        access, client = self._access, self._client
        if access.ended is not None:
            await self._refuse(access.ended)
            return
        if (why := self._read(path, headers, body)) is not None:
            await client.fail(*why)
            return
        calls = access.grant.limits.calls
        if calls is not None and access.calls >= calls:
            access.end(Ended("calls", f"it has made its {calls} calls"))
            await self._refuse(access.ended)
            return
        access.calls += 1
        trouble = await self._tries()
        if trouble is not None:
            access.trouble(trouble)
            # Where what the provider said is the answer already, that was all.
            await client.fail(trouble.answer_status, f"orch: {trouble}")

    # --- before it leaves ---------------------------------------------------------------------

    def _read(
        self, path: str, headers: Sequence[tuple[str, str]], body: bytes
    ) -> tuple[int, str] | None:
        """Take the request; the status and the reason where it is none that may leave."""
        grant, provider = self._access.grant, self._provider
        if provider.dialect != self._dialect.name:
            return 404, f"orch: this key is for {provider.name}, which speaks {provider.dialect}"
        try:
            request = parse_request(body)
            asked = self._dialect.asked(request)
        except NoRequest as error:
            return 400, f"orch: {error}"
        if asked.model not in grant.models:
            known = ", ".join(grant.models)
            return 403, f"orch: this key is not for the model {asked.model[:100]!r}: {known}"
        limit = grant.limits.max_output
        most = provider.max_output if asked.max_output is None else asked.max_output
        most = most if limit is None else min(most, limit)
        if asked.max_output != most or not asked.usage_wanted:
            request = self._dialect.bounded(request, most)
            body = packed(request).encode("utf-8", "surrogatepass")
        self._long_cache = b'"ttl":"1h"' in body.replace(b" ", b"")
        worst_usd = self._house.prices.worst_usd(
            provider.name,
            provider.url,
            asked.model,
            asked.input_at_most,
            most,
            long_cache=self._long_cache,
        )
        self._asked = asked
        request_out = Outgoing(
            provider=provider,
            path=self._dialect.path,
            headers=onwards(headers, provider.credential),
            body=body,
            grant=grant,
            number=self._access.calls + 1,
        )
        self._passing = Passing(self._house, self._access, self._client, request_out, asked.model)
        self._call = Call(
            run=grant.run,
            task=grant.task,
            attempt=grant.attempt,
            worker=grant.worker,
            provider=provider.name,
            model=asked.model,
            tokens=asked.input_at_most + most,
            cost_usd=worst_usd,
            purpose=grant.purpose,
        )
        return None

    async def _tries(self) -> Trouble | None:
        """Try until it is answered; the trouble where it is not."""
        began, plain = time.monotonic(), 0
        patience_s = self._provider.waits.patience_s
        tries = 0
        while True:
            tries += 1
            left_s = began + patience_s - time.monotonic()
            try:
                trouble = await self._try(max(0.1, left_s), tries)
            except OutOfPatience:
                why = f"its limit lasts longer than {patience_s / 60:.0f} minutes"
                return self._passing.trouble("rate-limit", why, tries=tries)
            if trouble is None or not trouble.again:
                return trouble
            if trouble.kind in PACED:
                if time.monotonic() - began >= patience_s:
                    return trouble
                continue  # the pace knows when
            plain += 1
            if plain >= TRIES:
                return trouble
            with self._access.waiting():
                await anyio.sleep(PAUSE_S * 2 ** (plain - 1) * (1 + random.random() / 4))

    async def _try(self, patience_s: float, tries: int) -> Trouble | None:
        """Wait for its turn and for the money, and send it once."""
        async with contextlib.AsyncExitStack() as turns:
            with self._access.waiting():
                turn = await turns.enter_async_context(self._lane.turn(patience_s))
                held = await self._house.till.reserve(self._call)
            if isinstance(held, Refused):
                ended = Ended("budget", held.why, held.scope, held.short)
                if held.scope != "call":  # a smaller call might do
                    self._access.end(ended)
                await self._refuse(ended)
                return None
            bill = Bill(self._house, self._access, held, self._cost_usd)
            try:
                return await self._passing.send(turn, bill, tries)
            finally:
                await bill.settle()

    async def _refuse(self, ended: Ended | None) -> None:
        """Say why an attempt may not make this call."""
        if ended is None or ended.reason == "closed":
            await self._client.fail(401, "orch: this key is not valid any more")
            return
        scope = f" of the {ended.scope}" if ended.scope else ""
        if ended.reason == "budget":
            said = used_up(f"the budget{scope}", ended.why)
        else:
            what = {"calls": "no more calls"}.get(ended.reason, "the record ends here")
            said = f"{what}: {ended.why}"
        await self._client.fail(PAID_OUT, f"orch: {said}")
