"""One call, from a client's request to its last byte.

1. In order: is it a request, of a model that the attempt may call, within its limits; then its
   turn by the credential's pace; then the money; then it leaves.
2. What was reserved is settled whatever happens: at nothing where the provider answered with an
   error or was never reached, at what the answer says it came to, at the worst where an answer was
   lost. It is settled before the client gets the last piece, so its next call finds it settled.
3. One more try is made only while nothing was passed on, and pays anew. After a limit the pace says
   when, as long as there is patience; after other trouble a few times, with pauses.
4. Pieces are passed on as they come. Nothing waits for the next one but what may be a key's
   beginning.
5. Answers and errors are bounded in size, waits in time. What goes wrong with a provider is told to
   the attempt's holder and answered in the client's dialect.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType

import anyio
import anyio.lowlevel

from ledger.model import Tokens
from workers.gateway.client import Client, ClientGone
from workers.gateway.grants import Access, Ended
from workers.gateway.headers import KeyGuard, back, onwards
from workers.gateway.pace import told_wait_s
from workers.gateway.pacing import OutOfPatience, Pacer, Turn, digest_of
from workers.gateway.prices import Prices
from workers.gateway.record import NotRecorded, Recorder
from workers.gateway.till import Call, Refused, Reservation, Till
from workers.gateway.trouble import PACED, Trouble, TroubleKind, kind_of
from workers.gateway.upstream import Broke, Incoming, Outgoing, Provider, Upstream, Waits
from workers.redact import Redactor
from workers.wire.dialect import Asked, Fault, NoRequest, Reading, packed, parse_request
from workers.wire.headers import retry_after_s

ANSWER_BYTES = 64 * 1024 * 1024
ERROR_BYTES = 64 * 1024
WHY_CHARS = 400
TRIES = 3
"""For trouble that is no limit."""
PAUSE_S = 0.5
SETTLE_S = 60.0
COARSE = 8
"""A wait between two pieces may be shorter by this part of it."""
PAID_OUT = 402
"""What is over a budget is answered with; no vendor's library tries that again."""
_OVERLOADED = ("overloaded_error", "rate_limit_error", "rate_limit_exceeded", "server_overloaded")
_NO_QUOTA = ("insufficient_quota", "billing_error", "billing_hard_limit_reached")


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

    def __init__(self, house: House, access: Access, exchange: Exchange, held: Reservation) -> None:
        self.tokens: Tokens | None = Tokens()
        """None: it left, and nobody knows what became of it."""
        self._house, self._access, self._exchange, self._held = house, access, exchange, held
        self._done = False

    async def settle(self) -> None:
        """Settle it; a second time does nothing."""
        if self._done:
            return
        self._done = True
        cost_usd: float | None = self._held.call.cost_usd
        if self.tokens is not None:
            nothing = self.tokens == Tokens()
            cost_usd = 0.0 if nothing else self._exchange.cost_usd(self.tokens)
        with anyio.CancelScope(shield=True), anyio.fail_after(SETTLE_S):
            await self._house.till.settle(self._held, self.tokens, cost_usd)
        if self.tokens != Tokens():
            self._access.spent(self.tokens, cost_usd)


class Pulse:
    """Bounds every step of an answer by one deadline, which is moved on with each piece."""

    def __init__(self, waits: Waits) -> None:
        self._waits = waits
        self._scope = anyio.CancelScope()
        self._end = time.monotonic() + waits.whole_s
        self._late = ""
        self._passing_on = False

    def __enter__(self) -> Pulse:
        self._scope.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        return self._scope.__exit__(kind, error, trace)

    async def pieces(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The pieces, each in its time, and not more than a bound."""
        size, set_at = 0, self._wait(self._waits.first_s)
        wait_s = self._waits.silence_s
        async for chunk in chunks:
            size += len(chunk)
            if size > ANSWER_BYTES:
                why = f"its answer has more than {ANSWER_BYTES:,} bytes"
                raise Broke("too-large", why, sent=True)
            # Moved on now and then only: a timer for each piece would cost more than the piece.
            if size == len(chunk) or time.monotonic() - set_at > wait_s / COARSE:
                set_at = self._wait(wait_s)
            yield chunk

    @contextlib.contextmanager
    def passing_on(self) -> Iterator[None]:
        """Whoever is slow now, it is the client."""
        self._passing_on = True
        try:
            yield
        finally:
            # Not in the end of a wait that was too long: that tells who was slow.
            self._passing_on = self._scope.cancel_called

    def broke(self) -> Exception:
        """What it means that a deadline passed."""
        return ClientGone() if self._passing_on else Broke("silent", self._late, sent=True)

    def _wait(self, wait_s: float) -> float:
        now = time.monotonic()
        self._late = "it fell silent" if now + wait_s < self._end else "it did not end in time"
        self._scope.deadline = anyio.current_time() + min(wait_s, self._end - now)
        return now


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
        self._request: Outgoing
        self._call: Call

    def cost_usd(self, tokens: Tokens) -> float | None:
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
            await self._tell(trouble)

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
        self._request = Outgoing(
            provider=provider,
            path=self._dialect.path,
            headers=onwards(headers, provider.credential),
            body=body,
            grant=grant,
            number=self._access.calls + 1,
        )
        self._call = Call(
            run=grant.run,
            task=grant.task,
            attempt=grant.attempt,
            worker=grant.worker,
            provider=provider.name,
            model=asked.model,
            tokens=asked.input_at_most + most,
            cost_usd=worst_usd,
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
                return self._trouble("rate-limit", why, tries=tries)
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
                ended = Ended("budget", held.why, held.scope)
                if held.scope != "call":  # a smaller call might do
                    self._access.end(ended)
                await self._refuse(ended)
                return None
            bill = Bill(self._house, self._access, self, held)
            try:
                return await self._send(turn, bill, tries)
            finally:
                await bill.settle()

    # --- the provider -------------------------------------------------------------------------

    async def _send(self, turn: Turn, bill: Bill, tries: int) -> Trouble | None:
        bill.tokens = None
        trouble = partial(self._trouble, tries=tries)
        try:
            async with self._house.upstream.send(self._request) as incoming:
                named = {name.lower(): value for name, value in incoming.headers}
                now = time.time()
                empty_s = told_wait_s(self._dialect.rate_limits(named, now))
                if (kind := kind_of(incoming.status)) is not None:
                    bill.tokens = Tokens()
                    body = await self._error_body(incoming)
                    kind, why = self._what_happened(kind, incoming.status, body)
                    if kind in PACED:
                        turn.limited(retry_after_s(named, now) or empty_s)
                    if kind == "refused":
                        await self._pass_refusal(incoming, body)
                    return trouble(kind, why, status=incoming.status)
                turn.served(empty_s)
                is_stream = named.get("content-type", "").startswith("text/event-stream")
                with Pulse(self._provider.waits) as pulse:
                    if is_stream:
                        return await self._stream(turn, incoming, pulse, bill, trouble)
                    return await self._whole(incoming, pulse, bill, trouble)
                raise pulse.broke()
        except NotRecorded as error:
            bill.tokens = Tokens()
            self._access.end(Ended("record", str(error)))
            await self._client.fail(409, f"orch: {error}")
            return None
        except Broke as broke:
            if not broke.sent:
                bill.tokens = Tokens()
            return trouble(broke.kind, broke.why)

    async def _stream(
        self,
        turn: Turn,
        incoming: Incoming,
        pulse: Pulse,
        bill: Bill,
        trouble: partial[Trouble],
    ) -> Trouble | None:
        """Pass a stream on, and read its usage on the way."""
        reader, guard = self._dialect.reader(), KeyGuard(self._provider.secrets)
        client, kept = self._client, self._keeps()
        reading = Reading()
        async for chunk in pulse.pieces(incoming.chunks):
            reader.feed(chunk)
            reading = reader.reading()
            if reading.fault is not None and not client.began:
                # It is an answer in name only: nothing of it is passed on.
                bill.tokens = Tokens()
                kind, why = _of_fault(reading.fault)
                if kind in PACED:
                    turn.limited(None)
                return trouble(kind, self._clean(why), status=incoming.status)
            if reading.broken:
                return trouble("not-json", "its answer cannot be read", status=incoming.status)
            if reading.ended:
                bill.tokens = reading.tokens if reading.final else None
                await bill.settle()
            if not client.began:
                await client.begin(200, self._back(incoming))
            if kept is not None:
                kept.append(chunk)
            with pulse.passing_on():
                await client.write(guard.feed(chunk))
                # What has come already is read without a pause, and others want their turn.
                await anyio.lowlevel.checkpoint()
        if not reading.ended:
            kind, why = "broken-off", "it broke off its answer"
            if reading.fault is not None:
                kind, why = _of_fault(reading.fault)
            return trouble(kind, self._clean(why), status=incoming.status)
        self._keep(incoming, kept)
        await client.write(guard.end())
        await client.end()
        return None

    async def _whole(
        self,
        incoming: Incoming,
        pulse: Pulse,
        bill: Bill,
        trouble: partial[Trouble],
    ) -> Trouble | None:
        """Pass an answer on that comes in one piece."""
        body = b"".join([chunk async for chunk in pulse.pieces(incoming.chunks)])
        reading = self._dialect.read_body(body)
        if reading.fault is not None:
            bill.tokens = Tokens()
            kind, why = _of_fault(reading.fault)
            return trouble(kind, self._clean(why), status=incoming.status)
        if not reading.ended:
            return trouble("not-json", "its answer cannot be read", status=incoming.status)
        bill.tokens = reading.tokens if reading.final else None
        await bill.settle()
        self._keep(incoming, [body])
        guard = KeyGuard(self._provider.secrets)
        clean = guard.feed(body) + guard.end()
        await self._client.whole(incoming.status, self._back(incoming), clean)
        return None

    # --- what is said -------------------------------------------------------------------------

    def _trouble(
        self, kind: TroubleKind, why: str, *, status: int | None = None, tries: int = 1
    ) -> Trouble:
        return Trouble(
            kind=kind,
            provider=self._provider.name,
            model=self._asked.model,
            why=why,
            status=status,
            tries=tries,
            passed_on=self._client.began,
        )

    async def _refuse(self, ended: Ended | None) -> None:
        """Say why an attempt may not make this call."""
        if ended is None or ended.reason == "closed":
            await self._client.fail(401, "orch: this key is not valid any more")
            return
        scope = f" of the {ended.scope}" if ended.scope else ""
        what = {"budget": f"the budget{scope} is used up", "calls": "no more calls"}
        said = what.get(ended.reason, "the record ends here")
        await self._client.fail(PAID_OUT, f"orch: {said}: {ended.why}")

    async def _tell(self, trouble: Trouble) -> None:
        """Say what the provider did; where it is the answer already, that was all."""
        await self._client.fail(trouble.answer_status, f"orch: {trouble}")

    async def _error_body(self, incoming: Incoming) -> bytes:
        """What there is of an error's body, bounded."""
        body = b""
        with contextlib.suppress(Broke), anyio.move_on_after(self._provider.waits.connect_s):
            async for chunk in incoming.chunks:
                body += chunk
                if len(body) > ERROR_BYTES:
                    break
        return body[:ERROR_BYTES]

    def _what_happened(
        self, kind: TroubleKind, status: int, body: bytes
    ) -> tuple[TroubleKind, str]:
        """The kind of trouble that an error is, and what a person may be told of it."""
        if kind == "redirect":
            return kind, f"it answered {status}, a redirect: nothing follows that; mend its address"
        if kind == "no-access":  # its own words may hold a part of the key
            return kind, f"it refused the key ({status})"
        fault = self._dialect.read_body(body).fault or Fault("", "")
        if status == 402 or fault.code in _NO_QUOTA or fault.kind in _NO_QUOTA:
            return "no-access", f"its account has no credit left ({status})"
        said = f": {self._clean(fault.message)}" if fault.message else ""
        return kind, f"it answered {status}{said}"

    async def _pass_refusal(self, incoming: Incoming, body: bytes) -> None:
        """A refusal of the request is the client's to read, as the provider words it."""
        clean = self._house.redactor.redact(body)
        headers = [*self._back(incoming), ("x-should-retry", "false")]
        if len(body) < ERROR_BYTES and self._dialect.read_body(body).fault is not None:
            await self._client.whole(incoming.status, headers, clean)

    def _back(self, incoming: Incoming) -> Iterator[tuple[str, str]]:
        yield from back(incoming.headers, self._provider.secrets)

    def _clean(self, said: str) -> str:
        """A provider's words for a person: one line, bounded, nothing secret."""
        line = " ".join("".join(c if c.isprintable() else " " for c in said).split())
        return self._house.redactor.redact_text(line)[:WHY_CHARS]

    # --- the record ---------------------------------------------------------------------------

    def _keeps(self) -> list[bytes] | None:
        return [] if self._house.recorder is not None else None

    def _keep(self, incoming: Incoming, chunks: list[bytes] | None) -> None:
        recorder = self._house.recorder
        if recorder is not None and chunks is not None:
            headers = list(self._back(incoming))
            recorder.keep(self._request, incoming.status, headers, b"".join(chunks))


def _of_fault(fault: Fault) -> tuple[TroubleKind, str]:
    """What an error within an answer says."""
    if fault.kind in _OVERLOADED or fault.code in _OVERLOADED:
        return "overloaded", fault.message or "it is overloaded"
    return "server-error", fault.message or "it ended its answer with an error"
