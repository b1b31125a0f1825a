"""A gateway before a scripted model, and clients that talk to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import anthropic
import httpx
import httpx2
import openai

from ledger.books import Caps
from ledger.model import Price
from workers.gateway.gateway import Gateway, open_gateway
from workers.gateway.grants import Access, CallLimits, Ended, Grant, Told
from workers.gateway.pacing import Pacer
from workers.gateway.prices import Prices
from workers.gateway.till import MemoryTill
from workers.gateway.trouble import Trouble
from workers.gateway.upstream import Provider, Waits
from workers.scripted_model.server import ScriptedModel, scripted_model

REAL_KEY = "sk-real-4711-never-to-be-seen-by-anybody"
MODEL = "model-a"
PRICES = Prices([Price(model=MODEL, input=1.0, output=10.0, cache_read=0.1, cache_write=1.25)])
PLAIN: dict[str, Any] = {"trust_env": False, "verify": False, "timeout": 60}
"""Of clients on loopback: to read certificates takes longer than most tests."""
QUICK = Waits(connect_s=2, first_s=2, silence_s=1, whole_s=20, patience_s=20)


@dataclass
class Bench:
    """Everything of a test."""

    model: ScriptedModel
    gateway: Gateway
    till: MemoryTill
    access: Access
    troubles: list[Trouble] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    clients: list[Any] = field(default_factory=list)

    def anthropic(self, key: str | None = None, retries: int = 2) -> anthropic.AsyncAnthropic:
        """The vendor's own library, with its own tries left on."""
        client = anthropic.AsyncAnthropic(
            base_url=self.gateway.url,
            api_key=key or self.access.key,
            max_retries=retries,
            http_client=httpx2.AsyncClient(**PLAIN),
        )
        self.clients.append(client)
        return client

    def openai(self, key: str | None = None, retries: int = 2) -> openai.AsyncOpenAI:
        """The other one's."""
        client = openai.AsyncOpenAI(
            base_url=f"{self.gateway.url}/v1",
            api_key=key or self.access.key,
            max_retries=retries,
            http_client=httpx2.AsyncClient(**PLAIN),
        )
        self.clients.append(client)
        return client

    async def post(self, **changes: Any) -> httpx.Response:
        """A plain request, in the dialect of the provider."""
        async with httpx.AsyncClient(**PLAIN) as client:
            return await client.post(
                f"{self.gateway.url}/v1/messages",
                headers={"x-api-key": self.access.key, "anthropic-version": "2023-06-01"},
                json=request(**changes),
            )

    @property
    def asked(self) -> int:
        """How many requests the provider got."""
        return len(self.model.requests)


def request(**changes: Any) -> dict[str, Any]:
    """A body that both dialects understand."""
    message = {"role": "user", "content": "What is six times seven?"}
    return {"model": MODEL, "max_tokens": 100, "messages": [message], **changes}


def grant(provider: str = "maker", **changes: Any) -> Grant:
    """What the attempt may call."""
    given = Grant("r1", "task-a", 1, "coder", provider, (MODEL,), CallLimits())
    return replace(given, **changes)


@asynccontextmanager
async def bench(
    *turns: dict[str, Any],
    dialect: str = "anthropic",
    caps: Caps | None = None,
    limits: CallLimits | None = None,
    pacer: Pacer | None = None,
    provider: dict[str, Any] | None = None,
    till: MemoryTill | None = None,
    **options: Any,
) -> AsyncIterator[Bench]:
    """A gateway to a provider that says these turns."""
    async with scripted_model({"turn": list(turns)}) as model:
        url = model.url + ("/v1" if dialect == "openai" else "")
        known = Provider("maker", dialect, url, REAL_KEY, waits=QUICK)
        known = replace(known, **(provider or {}))
        till = till or MemoryTill(caps)
        options = {"prices": PRICES, **options}
        async with open_gateway([known], till=till, pacer=pacer, **options) as gateway:
            troubles: list[Trouble] = []
            ended: list[Ended] = []
            access = gateway.open(
                grant(limits=limits or CallLimits()), Told(troubles.append, ended.append)
            )
            here = Bench(model, gateway, till, access, troubles, ended)
            try:
                yield here
            finally:
                for client in here.clients:
                    await client.close()
