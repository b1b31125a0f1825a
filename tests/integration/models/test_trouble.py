"""Each trouble of a provider's, as a client meets it."""

import time

import anthropic as vendor
import httpx
import openai as other_vendor
import pytest

from tests.integration.models.clients import anthropic, ask_anthropic, ask_openai
from workers.scripted_model.server import scripted_model
from workers.wire.dialects import DIALECTS, dialect_named

REQUEST = {"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
BOTH = pytest.mark.parametrize("name", [one.name for one in DIALECTS])
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def turn(**how):
    return {"turn": [{"text": "word " * 20, **how, "repeat": 0}]}


def failing(**how):
    return {"turn": [{**how, "repeat": 0}]}


async def post(model, name, stream, **how):
    """The bytes of an answer as far as they came, and how it ended."""
    got = b""
    url = model.url + dialect_named(name).path
    async with httpx.AsyncClient(trust_env=False, timeout=how.pop("timeout", 20)) as client:
        request = {**REQUEST, "stream": stream}
        try:
            async with client.stream("POST", url, json=request, **how) as response:
                async for chunk in response.aiter_raw():
                    got += chunk
        except httpx.HTTPError as error:
            return got, error
    return got, response


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (401, vendor.AuthenticationError, "authentication_error"),
        (403, vendor.PermissionDeniedError, "permission_error"),
        (429, vendor.RateLimitError, "rate_limit_error"),
        (500, vendor.InternalServerError, "api_error"),
        (529, vendor.InternalServerError, "overloaded_error"),
    ],
)
@STREAMED
@pytest.mark.sample(3)
async def test_anthropics_client_raises_what_belongs_to_a_status(status, error, kind, stream):
    async with scripted_model(failing(status=status, headers={"retry-after": "7"})) as model:
        with pytest.raises(error) as raised:
            await ask_anthropic(model.url, "hi", stream=stream)
    assert raised.value.status_code == status
    assert raised.value.body["error"]["type"] == kind
    assert raised.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, other_vendor.AuthenticationError),
        (403, other_vendor.PermissionDeniedError),
        (429, other_vendor.RateLimitError),
        (500, other_vendor.InternalServerError),
        (529, other_vendor.InternalServerError),
    ],
)
@STREAMED
@pytest.mark.sample(3)
async def test_openais_client_raises_what_belongs_to_a_status(status, error, stream):
    script = failing(status=status, message="no", kind="odd", code="insufficient_quota")
    async with scripted_model(script) as model:
        with pytest.raises(error) as raised:
            await ask_openai(model.url, "hi", stream=stream)
    assert (raised.value.status_code, raised.value.code) == (status, "insufficient_quota")
    assert raised.value.type == "odd"


@BOTH
async def test_a_stream_that_is_cut_ends_politely_and_too_early(name):
    async with scripted_model(turn(trouble="cut", after=4)) as model:
        got, response = await post(model, name, stream=True)
    assert isinstance(response, httpx.Response)
    assert got.count(b"\n\n") == 4
    reader = dialect_named(name).reader()
    reader.feed(got)
    assert not reader.reading().ended


@BOTH
async def test_a_body_that_is_cut_is_no_json(name):
    async with scripted_model(turn(trouble="cut", after=2)) as model:
        got, response = await post(model, name, stream=False)
    assert isinstance(response, httpx.Response) and len(got) == 40
    assert dialect_named(name).read_body(got).tokens is None


@BOTH
@STREAMED
@pytest.mark.sample(2)
async def test_a_connection_is_reset_in_the_middle(name, stream):
    async with scripted_model(turn(trouble="reset", after=3)) as model:
        got, error = await post(model, name, stream=stream)
        assert isinstance(error, httpx.ReadError), "a reset, not an end"
        assert got
        # Others are not touched by it.
        again, _ = await post(model, name, stream=stream)
        assert again == got


@BOTH
@STREAMED
async def test_broken_json_arrives_in_order(name, stream):
    async with scripted_model(turn(trouble="broken", after=2)) as model:
        got, response = await post(model, name, stream=stream)
        assert response.status_code == 200
        reader = dialect_named(name).reader()
        reader.feed(got)
        assert reader.reading().ended == stream, "what is broken is passed over"
        assert not dialect_named(name).read_body(got).ended
        ask = {"anthropic": ask_anthropic, "openai": ask_openai}[name]
        if stream:
            with pytest.raises((ValueError, vendor.APIError, other_vendor.APIError)):
                await ask(model.url, "hi", stream=True)


@BOTH
async def test_an_error_comes_in_the_middle_of_a_stream(name):
    async with scripted_model(turn(trouble="error", after=3, message="too busy")) as model:
        got, _ = await post(model, name, stream=True)
        reader = dialect_named(name).reader()
        reader.feed(got)
        assert reader.reading().fault.message == "too busy"
        ask = {"anthropic": ask_anthropic, "openai": ask_openai}[name]
        with pytest.raises((vendor.APIError, other_vendor.APIError), match="too busy"):
            await ask(model.url, "hi", stream=True)


@BOTH
@STREAMED
@pytest.mark.sample(2)
async def test_silence_lasts_until_the_client_gives_up(name, stream):
    async with scripted_model(turn(trouble="silence", after=2)) as model:
        got, error = await post(model, name, stream=stream, timeout=0.3)
    assert isinstance(error, httpx.ReadTimeout) and got


async def test_a_server_ends_at_once_whatever_it_is_waiting_for():
    began = time.monotonic()
    async with scripted_model(turn(first_byte_s=600)) as model:
        with pytest.raises(vendor.APITimeoutError):
            async with anthropic(model.url, timeout=0.2) as client:
                await client.messages.create(**REQUEST)
    assert time.monotonic() - began < 5


async def test_a_redirect_leads_elsewhere():
    script = failing(status=307, headers={"location": "http://127.0.0.1:9/elsewhere"})
    async with scripted_model(script) as model:
        _, response = await post(model, "anthropic", stream=False)
    assert response.status_code == 307
    assert response.headers["location"] == "http://127.0.0.1:9/elsewhere"


@BOTH
@STREAMED
@pytest.mark.sample(2)
async def test_a_body_can_be_huge(name, stream):
    async with scripted_model(turn(trouble="huge", huge_mb=3)) as model:
        got, _ = await post(model, name, stream=stream)
    assert 3 * 1024 * 1024 < len(got) < 4 * 1024 * 1024


@BOTH
@STREAMED
@pytest.mark.sample(2)
async def test_an_answer_drips(name, stream):
    began = time.monotonic()
    script = turn(chunk_s=0.02, chunk_chars=30, first_byte_s=0.2)
    async with scripted_model(script) as model:
        got, _ = await post(model, name, stream=stream)
    assert time.monotonic() - began > 0.2 + 0.02 * 5
    reading = dialect_named(name).read_body(got)
    assert stream or reading.ended


async def test_what_is_no_request_is_refused_in_the_dialects_shape():
    async with scripted_model(turn()) as model, httpx.AsyncClient(trust_env=False) as client:
        for dialect in DIALECTS:
            for content in (b"{", b"[]", b'{"model": "m"}', b'{"messages": []}'):
                response = await client.post(model.url + dialect.path, content=content)
                assert response.status_code == 400
                assert dialect.read_body(response.content).fault.kind == "invalid_request_error"
        assert (await client.post(f"{model.url}/v1/else", content=b"{}")).status_code == 404
        assert (await client.get(f"{model.url}/v1/else")).status_code == 404
    assert model.requests == []
