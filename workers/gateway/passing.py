"""One try: a request goes to its provider, and the answer is passed on as it comes.

1. Pieces are passed on as they come. Nothing waits for the next one but what may be a key's
   beginning.
2. The bill is settled before the client gets the last piece, so its next call finds it settled.
3. An answer that is one in name only, an error within a 200 or what cannot be read, is not passed
   on where nothing of it was.
4. What a provider says is passed on to persons and clients bounded, on one line, without secrets;
   what it says of a key it refuses, not at all.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from functools import partial

import anyio
import anyio.lowlevel

from ledger.model import Tokens
from workers.gateway.bill import Bill, House
from workers.gateway.client import Client
from workers.gateway.grants import Access, Ended
from workers.gateway.headers import KeyGuard, back
from workers.gateway.pace import told_wait_s
from workers.gateway.pacing import Turn
from workers.gateway.pulse import Pulse
from workers.gateway.record import EndedThen, NotRecorded
from workers.gateway.trouble import PACED, Trouble, TroubleKind, kind_of
from workers.gateway.upstream import Broke, Incoming, Outgoing
from workers.wire.dialect import Fault, Reading
from workers.wire.headers import retry_after_s

ERROR_BYTES = 64 * 1024
WHY_CHARS = 400
_OVERLOADED = ("overloaded_error", "rate_limit_error", "rate_limit_exceeded", "server_overloaded")
_NO_QUOTA = ("insufficient_quota", "billing_error", "billing_hard_limit_reached")


class Passing:
    """One request on its way."""

    def __init__(
        self, house: House, access: Access, client: Client, request: Outgoing, model: str
    ) -> None:
        self._house, self._access, self._client = house, access, client
        self._request, self._model = request, model
        self._provider, self._dialect = request.provider, client.dialect

    async def send(self, turn: Turn, bill: Bill, tries: int) -> Trouble | None:
        bill.tokens = None
        trouble = partial(self.trouble, tries=tries)
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
            then = isinstance(error, EndedThen)
            self._access.end(Ended("then" if then else "record", str(error)))
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

    def trouble(
        self, kind: TroubleKind, why: str, *, status: int | None = None, tries: int = 1
    ) -> Trouble:
        """What happened, as it is told."""
        return Trouble(
            kind=kind,
            provider=self._provider.name,
            model=self._model,
            why=why,
            status=status,
            tries=tries,
            passed_on=self._client.began,
        )

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
            self._keep(incoming, [body])
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
