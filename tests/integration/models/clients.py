"""The vendors' own clients, pointed at a server of ours, with keys that are none."""

import anthropic as anthropic_sdk
import openai as openai_sdk

KEY = "dummy"
USUAL = {"api_key": KEY, "max_retries": 0, "timeout": 20}
TOOLS = ("read", "run")
SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}}


def anthropic(url: str, **how) -> anthropic_sdk.AsyncAnthropic:
    # Certificates are read for each client, and no connection here has any.
    how.setdefault("http_client", anthropic_sdk.DefaultAsyncHttpxClient(verify=False))
    return anthropic_sdk.AsyncAnthropic(**{"base_url": url, **USUAL, **how})


def openai(url: str, **how) -> openai_sdk.AsyncOpenAI:
    how.setdefault("http_client", openai_sdk.DefaultAsyncHttpxClient(verify=False))
    return openai_sdk.AsyncOpenAI(**{"base_url": f"{url}/v1", **USUAL, **how})


async def ask_anthropic(url: str, *messages, **how):
    """One message in one piece, or streamed and put together by the client."""
    stream = how.pop("stream", False)
    request = {"model": "m", "max_tokens": 100, "messages": said(messages)} | how
    async with anthropic(url) as client:
        if not stream:
            return await client.messages.create(**request)
        async with client.messages.stream(**request) as events:
            return await events.get_final_message()


async def ask_openai(url: str, *messages, **how):
    """One completion in one piece, or streamed and put together by the client."""
    stream = how.pop("stream", False)
    request = {"model": "m", "messages": said(messages)} | how
    async with openai(url) as client:
        if not stream:
            return await client.chat.completions.create(**request)
        usage = {"stream_options": {"include_usage": True}}
        async with client.chat.completions.stream(**request, **usage) as events:
            return await events.get_final_completion()


def said(messages):
    """Texts by turns: a person's, the model's, a person's ... or whole messages."""
    speakers = ("user", "assistant")
    return [
        {"role": speakers[number % 2], "content": one} if not isinstance(one, dict) else one
        for number, one in enumerate(messages)
    ]


def anthropic_tools():
    return [{"name": name, "input_schema": SCHEMA} for name in TOOLS]


def openai_tools():
    return [{"type": "function", "function": {"name": n, "parameters": SCHEMA}} for n in TOOLS]
