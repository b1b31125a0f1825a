"""The scripted model answers the vendors' own clients, which take it for the real thing."""

import json

import pytest

from ledger.model import Tokens
from tests.integration.models.clients import (
    anthropic,
    anthropic_tools,
    ask_anthropic,
    ask_openai,
    openai,
    openai_tools,
)
from workers.scripted_model.server import scripted_model
from workers.wire.anthropic import read_usage as anthropic_usage
from workers.wire.openai import read_usage as openai_usage

USAGE = Tokens(input=10, cache_read=200, cache_write=30, output=50, reasoning=20)
TALK = {
    "turn": [
        {
            "text": "I look. Grüße 🎉\n" * 5,
            "call": [
                {"name": "read", "input": {"path": "ä.py"}},
                {"name": "run", "input": {"path": "b", "deep": [1, {"x": None}]}},
            ],
            "usage": USAGE.model_dump(),
            "chunk_chars": 3,
            "repeat": 0,
        }
    ]
}
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@STREAMED
async def test_anthropics_client_reads_text_calls_and_usage(stream):
    async with scripted_model(TALK) as model:
        message = await ask_anthropic(model.url, "hi", stream=stream, tools=anthropic_tools())
    text, *calls = message.content
    assert text.text == TALK["turn"][0]["text"]
    assert [(one.name, one.input) for one in calls] == [
        (one["name"], one["input"]) for one in TALK["turn"][0]["call"]
    ]
    assert len({one.id for one in calls}) == 2
    assert message.stop_reason == "tool_use"
    assert anthropic_usage(message.usage.model_dump()) == USAGE
    assert (message.usage.input_tokens, message.usage.cache_read_input_tokens) == (10, 200)
    assert message.model == "m"


@STREAMED
async def test_openais_client_reads_text_calls_and_usage(stream):
    async with scripted_model(TALK) as model:
        completion = await ask_openai(model.url, "hi", stream=stream, tools=openai_tools())
    choice = completion.choices[0]
    assert choice.message.content == TALK["turn"][0]["text"]
    calls = [one.function for one in choice.message.tool_calls]
    assert [(one.name, json.loads(one.arguments)) for one in calls] == [
        (one["name"], one["input"]) for one in TALK["turn"][0]["call"]
    ]
    assert choice.finish_reason == "tool_calls"
    assert openai_usage(completion.usage.model_dump()) == USAGE
    assert completion.usage.prompt_tokens == 240, "cached reads and writes are part of it"
    assert completion.usage.prompt_tokens_details.cached_tokens == 200


@STREAMED
async def test_reasoning_and_stop_reasons_arrive_in_each_vendors_words(stream):
    stops = ["end", "max-tokens", "stop-sequence", "refusal"]
    turns = [{"text": "x", "reasoning": "let me think", "stop": stop} for stop in stops]
    async with scripted_model({"turn": [turn | {"per": "script"} for turn in turns]}) as model:
        told = [await ask_anthropic(model.url, "hi", stream=stream) for _ in stops]
    assert [one.stop_reason for one in told] == [
        "end_turn",
        "max_tokens",
        "stop_sequence",
        "refusal",
    ]
    assert told[0].content[0].thinking == "let me think"
    async with scripted_model({"turn": turns}) as model, openai(model.url) as client:
        completions = [
            await client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "hi"}]
            )
            for _ in stops
        ]
    assert [one.choices[0].finish_reason for one in completions] == [
        "stop",
        "length",
        "stop",
        "content_filter",
    ]
    assert completions[0].choices[0].message.reasoning_content == "let me think"
    assert completions[0].usage.completion_tokens_details.reasoning_tokens == 3


async def test_a_stream_says_its_usage_only_to_who_asks():
    async with scripted_model(TALK) as model, openai(model.url) as client:
        for options, many in (({}, 0), ({"stream_options": {"include_usage": True}}, 1)):
            stream = await client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "hi"}], stream=True, **options
            )
            assert len([one async for one in stream if one.usage]) == many


async def test_both_clients_list_the_models():
    script = {"models": ["small", "large"], **TALK}
    async with scripted_model(script) as model:
        async with anthropic(model.url) as client:
            assert [one.id async for one in client.models.list()] == ["small", "large"]
            counted = await client.messages.count_tokens(
                model="m", messages=[{"role": "user", "content": "hi" * 100}]
            )
            assert counted.input_tokens > 50
        async with openai(model.url) as client:
            assert [one.id async for one in client.models.list()] == ["small", "large"]


async def test_pydantic_ai_goes_through_a_whole_loop_in_both_dialects():
    from pydantic_ai import Agent
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.anthropic import AnthropicProvider
    from pydantic_ai.providers.openai import OpenAIProvider

    script = """
        [[turn]]
        text = "I look at both."
        [[turn.call]]
        name = "read"
        input = { path = "a" }
        [[turn.call]]
        name = "read"
        input = { path = "b" }

        [[turn]]
        when = "content of b"
        text = "both read"
    """

    def read(path: str) -> str:
        return f"content of {path}"

    async with (
        scripted_model(script) as model,
        anthropic(model.url) as one,
        openai(model.url) as other,
    ):
        made = (
            AnthropicModel("m", provider=AnthropicProvider(anthropic_client=one)),
            OpenAIChatModel("m", provider=OpenAIProvider(openai_client=other)),
        )
        for number, maker in enumerate(made):
            agent = Agent(maker, instructions="be brief", tools=[read])
            done = await agent.run(f"task {number}")
            assert done.output == "both read"
            assert done.usage.requests == 2
    assert [one.turn for one in model.requests] == [1, 2, 1, 2]
