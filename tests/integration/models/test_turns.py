"""Which turn answers which request, what it costs, and what is kept of it."""

import json
from collections import Counter

import anyio
import pytest
from anthropic import BadRequestError

from tests.integration.models.clients import KEY, anthropic, ask_anthropic, ask_openai
from workers.scripted_model.server import scripted_model
from workers.wire.dialects import dialect_named

ANTHROPIC = dialect_named("anthropic")


def turns(*some, **script):
    return {"turn": list(some), **script}


async def asked(server, *messages, **how) -> str:
    """The text of the answer."""
    return (await ask_anthropic(server.url, *messages, **how)).content[0].text


async def test_turns_come_in_order_in_each_conversation():
    script = turns({"text": "one"}, {"text": "two"}, {"text": "on and on", "repeat": 0})
    async with scripted_model(script) as model:

        async def talk(task: str) -> None:
            assert await asked(model, task) == "one"
            assert await asked(model, task, "one", "go on") == "two"
            assert await asked(model, task, "one", "go on", "two", "again") == "on and on"
            assert await asked(model, task, "one", "go on", "two", "and again") == "on and on"

        async with anyio.create_task_group() as tasks:
            for number in range(8):
                tasks.start_soon(talk, f"task {number}")
    assert Counter(one.conversation for one in model.requests) == {
        f"task {number}": 4 for number in range(8)
    }


async def test_a_turn_may_ask_for_the_task_the_last_words_the_system_and_the_model():
    script = turns(
        {"when": "SyntaxError", "text": "mended", "repeat": 0},
        {"task": "^fix the parser", "text": "parser", "repeat": 0},
        {"system": "reviewer", "text": "no findings", "repeat": 0},
        {"model": "^small$", "text": "small", "repeat": 0},
        {"dialect": "openai", "text": "completions", "repeat": 0},
        {"at": 2, "text": "second", "repeat": 0},
        {"text": "else", "repeat": 0},
    )
    async with scripted_model(script) as model:
        assert await asked(model, "write", "x", "exit 1: SyntaxError: bad") == "mended"
        assert await asked(model, "write SyntaxError", "x", "go on") == "second"
        assert await asked(model, "please\nfix the parser now") == "parser"
        assert await asked(model, "look", system="You are the reviewer.") == "no findings"
        assert await asked(model, "look", system="SyntaxError: a word of the system's") == "else"
        assert await asked(model, "look", model="small") == "small"
        assert await asked(model, "look") == "else"
        completion = await ask_openai(model.url, "look")
        assert completion.choices[0].message.content == "completions"


async def test_a_tools_result_is_what_came_last():
    script = turns({"when": "1 failed", "text": "red"}, {"when": "passed", "text": "green"})
    call = {"type": "tool_use", "id": "t1", "name": "run", "input": {}}
    for result in ("1 failed", [{"type": "text", "text": "1 failed"}]):
        answer = {"type": "tool_result", "tool_use_id": "t1", "content": result}
        messages = ("passed?", [call], [answer])
        async with scripted_model(script) as model:
            assert await asked(model, *messages) == "red"
    async with scripted_model(script) as model:
        tool = {"id": "t1", "type": "function", "function": {"name": "run", "arguments": "{}"}}
        completion = await ask_openai(
            model.url,
            "go",
            {"role": "assistant", "tool_calls": [tool]},
            {"role": "tool", "tool_call_id": "t1", "content": "all passed"},
        )
        assert completion.choices[0].message.content == "green"


async def test_a_conversation_may_be_known_by_a_part_of_its_first_words():
    script = turns({"text": "one"}, {"text": "two"}, conversation="^task: (.*?)$")
    async with scripted_model(script) as model:
        assert await asked(model, "task: a\ntry 1") == "one"
        assert await asked(model, "task: b\ntry 1") == "one"
        assert await asked(model, "task: a\ntry 2, after a failure") == "two"
    assert [one.conversation for one in model.requests] == ["a", "b", "a"]


async def test_a_turn_may_be_used_up_by_all_conversations_together():
    script = turns({"status": 429, "per": "script", "repeat": 2}, {"text": "ok"})
    async with scripted_model(script) as model, anthropic(model.url, max_retries=3) as client:
        for task in ("a", "b"):
            message = await client.messages.create(
                model="m", max_tokens=9, messages=[{"role": "user", "content": task}]
            )
            assert message.content[0].text == "ok"
    assert [one.turn for one in model.requests] == [1, 1, 2, 2]


async def test_a_request_that_no_turn_answers_is_told_why_and_not_repeated():
    script = turns({"text": "once"}, {"when": "never said", "text": "x"})
    async with scripted_model(script, name="demo.toml") as model:
        assert await asked(model, "hi") == "once"
        async with anthropic(model.url, max_retries=5) as client:
            with pytest.raises(BadRequestError) as error:
                await client.messages.create(
                    model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}]
                )
    assert error.value.body["error"]["type"] == "invalid_request_error"
    said = error.value.body["error"]["message"]
    assert said.startswith("demo.toml: no turn answers this request: answer 1 of conversation hi")
    assert "turn 1 is used up; turn 2 finds no 'never said' (when)" in said
    assert [one.turn for one in model.requests] == [1, None]


# --- usage ------------------------------------------------------------------------------------

LONG = "def name(one, other):\n    return one + other\n" * 200


async def test_a_prefix_that_was_sent_before_is_read_from_the_cache():
    script = turns({"text": "x" * 40, "repeat": 0})
    async with scripted_model(script) as model:
        first = (await ask_openai(model.url, LONG)).usage
        again = (await ask_openai(model.url, LONG, "x" * 40, "go on")).usage
        other = (await ask_openai(model.url, "Now: " + LONG)).usage
        else_where = (await ask_openai(model.url, LONG, model="other")).usage
    assert first.prompt_tokens > 2000 and first.prompt_tokens_details.cached_tokens == 0
    assert again.prompt_tokens_details.cached_tokens == first.prompt_tokens
    assert again.prompt_tokens > first.prompt_tokens
    assert other.prompt_tokens_details.cached_tokens == 0
    assert else_where.prompt_tokens_details.cached_tokens == 0
    assert first.completion_tokens == 10


async def test_anthropics_cache_is_written_and_read_at_its_marks_only():
    mark = {"cache_control": {"type": "ephemeral"}}
    marked = [{"type": "text", "text": LONG, **mark}]
    plain = [{"type": "text", "text": LONG}]
    last = [{"type": "text", "text": "go on", **mark}]
    async with scripted_model(turns({"text": "ok", "repeat": 0})) as model:
        bare = (await ask_anthropic(model.url, "hi", system=plain)).usage
        first = (await ask_anthropic(model.url, "hi", system=marked)).usage
        again = (await ask_anthropic(model.url, "hi", "ok", last, system=marked)).usage
        short = (await ask_anthropic(model.url, last)).usage
    assert (bare.cache_read_input_tokens, bare.cache_creation_input_tokens) == (0, 0)
    assert first.cache_creation_input_tokens > 2000 > 100 > first.input_tokens > 0
    assert again.cache_read_input_tokens == first.cache_creation_input_tokens
    assert 0 < again.cache_creation_input_tokens < 100
    assert again.input_tokens == 0
    assert short.cache_creation_input_tokens == 0, "too short for a cache"


# --- records ----------------------------------------------------------------------------------


async def test_what_was_sent_is_kept_and_written_without_keys():
    async with scripted_model(turns({"text": "ok"})) as model:
        await asked(model, "hi", system="be brief")
    (request,) = model.requests
    assert ANTHROPIC.key(request.headers) == KEY
    assert request.body["system"] == "be brief"
    written = request.render()
    assert KEY not in written and "\n" not in written
    said = json.loads(written)
    assert said["headers"]["authorization"] == "(hidden)"
    assert (said["number"], said["turn"], said["dialect"]) == (1, 1, "anthropic")
    assert said["body"]["messages"] == [{"role": "user", "content": "hi"}]


async def test_equal_requests_get_equal_answers():
    answers = []
    for _ in range(2):
        async with scripted_model(turns({"text": "a", "call": [{"name": "read"}]})) as model:
            answers.append((await ask_anthropic(model.url, "hi")).to_json())
    assert answers[0] == answers[1]
