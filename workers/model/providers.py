"""From a model's access to pydantic-ai's model: which client, at which address, by which key.

1. Tries are in one place, the gateway: here nothing is tried again.
2. Nothing of the environment counts: neither a key, nor an address, nor a proxy, nor headers.
3. It waits as long as the gateway may take, which bounds each step by itself.
4. One dialect is one function.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx2
from pydantic_ai.models import Model
from pydantic_ai.settings import ModelSettings

from workers.base import ModelAccess

CONNECT_S = 15.0
ANSWER_S = 8 * 3600.0
"""Longer than the gateway waits for a provider's limit to pass."""


@asynccontextmanager
async def open_model(access: ModelAccess) -> AsyncIterator[Model]:
    """The first model of an access, ready to be asked, until its connections close."""
    async with _MAKERS[access.dialect](access) as model:
        yield model


def settings_of(access: ModelAccess) -> ModelSettings:
    """What each request says beside the conversation."""
    if access.dialect == "anthropic":
        from pydantic_ai.models.anthropic import AnthropicModelSettings

        # By blocks, which every server of this dialect takes, not by the request as a whole.
        return AnthropicModelSettings(
            max_tokens=access.max_output_tokens,
            parallel_tool_calls=True,
            anthropic_cache_tool_definitions=True,
            anthropic_cache_instructions=True,
            anthropic_cache_messages=True,
        )
    return ModelSettings(max_tokens=access.max_output_tokens, parallel_tool_calls=True)


@asynccontextmanager
async def _anthropic(access: ModelAccess) -> AsyncIterator[Model]:
    from anthropic import AsyncAnthropic
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    async with (
        _http() as http,
        AsyncAnthropic(
            base_url=access.url.removesuffix("/v1"),
            api_key=access.key,
            max_retries=0,
            timeout=_TIMES,
            http_client=http,
        ) as client,
    ):
        # A token in the environment would be sent beside the key.
        client.auth_token = None
        yield AnthropicModel(access.models[0], provider=AnthropicProvider(anthropic_client=client))


@asynccontextmanager
async def _openai(access: ModelAccess) -> AsyncIterator[Model]:
    from openai import AsyncOpenAI
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    url = access.url.rstrip("/")
    async with (
        _http() as http,
        AsyncOpenAI(
            base_url=url if url.endswith("/v1") else f"{url}/v1",
            api_key=access.key,
            organization="",
            project="",
            max_retries=0,
            timeout=_TIMES,
            http_client=http,
        ) as client,
    ):
        yield OpenAIChatModel(access.models[0], provider=OpenAIProvider(openai_client=client))


def _http() -> httpx2.AsyncClient:
    # The gateway is on loopback and speaks plainly: reading certificates would take a while.
    return httpx2.AsyncClient(trust_env=False, verify=False, timeout=_TIMES)


_TIMES = httpx2.Timeout(ANSWER_S, connect=CONNECT_S)
_MAKERS: dict[str, Callable[[ModelAccess], AbstractAsyncContextManager[Model]]] = {
    "anthropic": _anthropic,
    "openai": _openai,
}
