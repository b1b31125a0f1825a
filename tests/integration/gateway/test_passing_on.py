"""Calls pass through: both dialects, streaming and not, by the vendors' own libraries."""

from __future__ import annotations

import json

import anyio
import httpx
import pytest

from ledger.model import Tokens
from tests.integration.gateway.support import MODEL, REAL_KEY, bench, grant, request
from workers.gateway import gateway as gateways
from workers.gateway.grants import CallLimits
from workers.gateway.till import MemoryTill

pytestmark = pytest.mark.anyio
USAGE = {"input": 1000, "cache_read": 500, "output": 20, "reasoning": 5}
COST = (1000 * 1 + 500 * 0.1 + 20 * 10) / 1e6
TURN = {"text": "It is forty-two, as far as anybody knows.", "usage": USAGE, "repeat": 0}


async def test_a_whole_answer_of_anthropic_is_passed_on_and_metered():
    async with bench(TURN) as here:
        said = await here.anthropic().messages.create(**request())
        assert said.content[0].text == TURN["text"]
        assert here.access.tokens == Tokens(**USAGE)
        assert here.access.cost_usd == pytest.approx(COST)
        assert here.till.books.spent_by().tokens == 1520
        assert not here.till.books.held


async def test_a_stream_of_anthropic_is_passed_on_and_metered():
    async with bench(TURN) as here:
        async with here.anthropic().messages.stream(**request()) as stream:
            said = [piece async for piece in stream.text_stream]
        assert "".join(said) == TURN["text"]
        assert len(said) > 1
        assert here.access.tokens.total == 1520
        assert here.till.books.spent_by().cost_usd == pytest.approx(COST)


async def test_a_whole_answer_of_openai_is_passed_on_and_metered():
    async with bench(TURN, dialect="openai") as here:
        said = await here.openai().chat.completions.create(**request())
        assert said.choices[0].message.content == TURN["text"]
        assert here.access.tokens == Tokens(**USAGE)


async def test_a_stream_of_openai_is_asked_for_its_usage_and_metered():
    async with bench(TURN, dialect="openai") as here:
        stream = await here.openai().chat.completions.create(**request(stream=True))
        said = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
        assert "".join(said) == TURN["text"]
        assert here.access.tokens == Tokens(**USAGE)
        assert here.model.requests[0].body["stream_options"] == {"include_usage": True}


class Slow(MemoryTill):
    """Takes its time, as a disk does."""

    async def settle(self, *what):
        await anyio.sleep(0.3)
        await super().settle(*what)


async def test_the_call_is_settled_before_the_client_has_the_last_piece():
    async with bench(TURN, till=Slow()) as here, httpx.AsyncClient(trust_env=False) as client:
        for stream in (False, True):
            async with client.stream(
                "POST",
                f"{here.gateway.url}/v1/messages",
                headers={"authorization": f"Bearer {here.access.key}"},
                json=request(stream=stream),
            ) as answer:
                async for chunk in answer.aiter_raw():
                    if b"message_stop" in chunk or not stream:
                        assert not here.till.books.held
                        break


async def test_an_unknown_a_dead_and_no_key_are_refused_in_the_dialects_shape():
    async with bench(TURN) as here:
        dead = here.gateway.open(grant())
        await here.gateway.close(dead)
        async with httpx.AsyncClient(trust_env=False) as client:
            for headers in ({"x-api-key": "sk-orch-made-up"}, {"x-api-key": dead.key}, {}):
                url = f"{here.gateway.url}/v1/messages"
                said = await client.post(url, headers=headers, json=request())
                assert said.status_code == 401
                assert said.json()["error"]["type"] == "authentication_error"
            url = f"{here.gateway.url}/v1/chat/completions"
            said = await client.post(url, headers={"authorization": "Bearer x"}, json=request())
            assert said.status_code == 401
            assert said.json()["error"]["message"].startswith("orch: ")
        assert here.asked == 0


async def test_the_provider_gets_the_real_key_and_nothing_of_the_clients():
    async with bench(TURN) as here, httpx.AsyncClient(trust_env=False) as client:
        await client.post(
            f"{here.gateway.url}/v1/messages",
            headers={
                "x-api-key": here.access.key,
                "authorization": "Bearer something",
                "cookie": "a=b",
                "anthropic-version": "2023-06-01",
                "anthropic-beta": "b1",
                "x-forwarded-for": "10.0.0.1",
            },
            json=request(),
        )
        got = here.model.requests[0].headers
        assert got["anthropic-version"] == "2023-06-01"
        assert got["anthropic-beta"] == "b1"
        assert not {"cookie", "x-forwarded-for", "authorization"} & set(got)
        assert here.access.key not in str(got)


async def test_what_a_key_is_not_for_is_refused():
    async with bench(TURN) as here, httpx.AsyncClient(trust_env=False) as client:
        headers = {"x-api-key": here.access.key}
        for path, body, status, word in (
            ("/v1/messages", request(model="other"), 403, MODEL),
            ("/v1/messages", {"model": MODEL}, 400, "messages"),
            ("/v1/messages", [1], 400, "object"),
            ("/v1/chat/completions", request(), 404, "anthropic"),
            ("/v1/files", request(), 404, "/v1/files"),
        ):
            said = await client.post(f"{here.gateway.url}{path}", headers=headers, json=body)
            assert said.status_code == status, path
            assert word in said.json()["error"]["message"]
        models = await client.get(f"{here.gateway.url}/v1/models", headers=headers)
        assert MODEL in models.text
        assert here.asked == 0


async def test_what_a_call_may_write_is_bounded():
    async with bench(TURN, dialect="openai", limits=CallLimits(max_output=50)) as here:
        client = here.openai().chat.completions
        for asked, sent in ((40, 40), (60, 50), (None, 50)):
            changes = {} if asked is None else {"max_tokens": asked}
            body = request()
            del body["max_tokens"]
            await client.create(**body, **changes)
            assert here.model.requests[-1].body["max_tokens"] == sent


async def test_a_header_or_a_body_that_holds_the_real_key_is_cleaned():
    turn = {**TURN, "text": f"<{REAL_KEY}>", "headers": {"x-echo": REAL_KEY, "x-kept": "yes"}}
    turn |= {"chunk_chars": 7}
    async with bench({**turn, "repeat": 0}) as here:
        for stream in (False, True):
            said = await here.post(stream=stream)
            assert "x-echo" not in said.headers
            assert said.headers["x-kept"] == "yes"
            assert "request-id" in said.headers
            assert REAL_KEY not in said.text


async def test_it_answers_on_a_socket_too(tmp_path):
    path = tmp_path / "s" / "gateway"
    async with bench(TURN, socket_path=path) as here:
        transport = httpx.AsyncHTTPTransport(uds=str(path))
        async with httpx.AsyncClient(transport=transport) as client:
            said = await client.post(
                "http://gateway/v1/messages",
                headers={"x-api-key": here.access.key},
                json=request(),
            )
        assert said.status_code == 200
        assert path.stat().st_mode & 0o077 == 0
    assert not path.exists()


async def test_the_limit_has_the_name_that_the_model_knows():
    async with bench(TURN, dialect="openai", limits=CallLimits(max_output=50)) as here:
        access = here.gateway.open(grant(models=("o3-mini",), limits=CallLimits(max_output=50)))
        body = request(model="o3-mini")
        del body["max_tokens"]
        await here.openai(access.key).chat.completions.create(**body)
        sent = here.model.requests[-1].body
        assert sent["max_completion_tokens"] == 50
        assert "max_tokens" not in sent


async def test_a_request_that_is_too_large_or_too_slow_is_refused(monkeypatch):
    monkeypatch.setattr(gateways, "REQUEST_BYTES", 100_000)
    monkeypatch.setattr(gateways, "READ_S", 0.5)

    async def slow():
        for _ in range(12):
            yield b"x"
            await anyio.sleep(0.1)

    async with bench(TURN) as here:
        assert (await here.post(system="x" * 200_000)).status_code == 413
        async with httpx.AsyncClient(trust_env=False) as client:
            url, headers = f"{here.gateway.url}/v1/messages", {"x-api-key": here.access.key}
            said = await client.post(url, headers=headers, content=slow())
            assert said.status_code == 413
        assert (await here.post()).status_code == 200


@pytest.mark.thorough
async def test_a_client_that_does_not_take_what_it_asked_for_is_let_go():
    huge = {**TURN, "trouble": "huge", "huge_mb": 40}
    async with bench(huge) as here:
        host, port = here.gateway.url.removeprefix("http://").split(":")
        body = json.dumps(request(stream=True)).encode()
        head = f"POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: {here.access.key}\r\n"
        async with await anyio.connect_tcp(host, int(port)) as client:
            await client.send(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
            with anyio.fail_after(10):
                while not here.till.books.spent:
                    await anyio.sleep(0.1)
        assert not here.till.books.held
        assert here.access.unsettled == 1
        assert here.troubles == []
