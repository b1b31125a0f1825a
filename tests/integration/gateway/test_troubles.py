"""Whatever a provider does is told as what it is, and answered in the client's dialect."""

from __future__ import annotations

import socket
import time

import anthropic
import httpx
import openai
import pytest

from ledger.model import Tokens
from tests.integration.gateway.support import REAL_KEY, bench, request
from workers.gateway import call as calls
from workers.gateway import pulse
from workers.gateway.upstream import Waits

pytestmark = pytest.mark.anyio
GOOD = {"text": "Forty-two.", "usage": {"input": 10, "output": 5}, "repeat": 0}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    """Between the tries after a defect; how long they are is not what this is about."""
    monkeypatch.setattr(calls, "PAUSE_S", 0.02)


def failing(status, times=1, **more):
    """A turn that fails so many times over the whole script."""
    return {"status": status, "repeat": times, "per": "script", **more}


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.sample(1)
async def test_a_refused_key_is_told_once_and_never_shown(status):
    turn = failing(status, 0, message=f"Incorrect API key provided: {REAL_KEY[:8]}***")
    async with bench(turn) as here:
        said = await here.post()
        assert said.status_code == 403
        assert REAL_KEY[:8] not in said.text
        assert [trouble.kind for trouble in here.troubles] == ["no-access"]
        assert here.troubles[0].status == status
        assert here.asked == 1
        assert here.till.books.spent_by().tokens == 0


@pytest.mark.parametrize("status", [429, 503, 529])
@pytest.mark.sample(1)
async def test_a_limit_is_waited_out_in_the_gateway(status):
    turn = failing(status, 1, headers={"retry-after": "1"})
    async with bench(turn, GOOD) as here:
        began = time.monotonic()
        said = await here.post()
        assert said.status_code == 200
        assert here.asked == 2
        assert time.monotonic() - began >= 1
        assert here.access.waited_s >= 1
        assert here.access.tokens == Tokens(input=10, output=5)
        assert here.troubles == []


async def test_a_limit_that_outlasts_patience_is_trouble():
    waits = Waits(connect_s=1, first_s=1, silence_s=1, whole_s=5, patience_s=0.5)
    turn = failing(429, 0, headers={"retry-after": "30"})
    async with bench(turn, provider={"waits": waits}) as here:
        began = time.monotonic()
        said = await here.post()
        assert time.monotonic() - began < 4
        assert said.status_code == 429
        assert said.headers["x-should-retry"] == "false"
        assert here.troubles[0].kind == "rate-limit"
        assert here.asked == 1


async def test_an_account_without_credit_is_no_limit():
    turn = failing(429, 0, code="insufficient_quota", kind="insufficient_quota")
    async with bench(turn, dialect="openai") as here:
        with pytest.raises(openai.PermissionDeniedError):
            await here.openai().chat.completions.create(**request())
        assert here.troubles[0].kind == "no-access"
        assert here.asked == 1


async def test_a_defect_of_the_provider_is_tried_a_few_times():
    async with bench(failing(500, 2), GOOD) as here:
        assert (await here.post()).status_code == 200
        assert here.asked == 3
    async with bench(failing(500, 0, message="boom")) as here:
        said = await here.post()
        assert said.status_code == 502
        assert "boom" in said.json()["error"]["message"]
        assert here.asked == calls.TRIES
        assert here.troubles[0].tries == calls.TRIES
        assert here.till.books.spent_by().tokens == 0


async def test_no_vendors_library_tries_again_what_was_tried_here():
    async with bench(failing(500, 0)) as here:
        with pytest.raises(anthropic.InternalServerError):
            await here.anthropic().messages.create(**request())
        assert here.asked == calls.TRIES
    async with bench(failing(500, 0), dialect="openai") as here:
        with pytest.raises(openai.InternalServerError):
            await here.openai().chat.completions.create(**request())
        assert here.asked == calls.TRIES


async def test_a_request_that_is_refused_is_passed_on_in_the_providers_words():
    async with bench(failing(400, 0, message="prompt is too long")) as here:
        with pytest.raises(anthropic.BadRequestError, match="prompt is too long"):
            await here.anthropic().messages.create(**request())
        assert here.troubles[0].blames_request
        assert here.asked == 1


async def test_a_redirect_is_followed_by_nobody():
    async with bench(GOOD) as elsewhere:
        turn = failing(307, 0, headers={"location": f"{elsewhere.model.url}/v1/messages"})
        async with bench(turn) as here:
            said = await here.post()
            assert said.status_code == 502
            assert "location" not in said.headers
            assert here.troubles[0].kind == "redirect"
        assert elsewhere.asked == 0


async def test_a_provider_that_is_not_there_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with bench(GOOD, provider={"url": url}) as here:
            said = await here.post()
            assert said.status_code == 502
            assert here.troubles[0].kind == "unreachable"
            assert here.till.books.spent_by().tokens == 0


@pytest.mark.thorough
async def test_a_slow_answer_is_waited_for():
    slow = {**GOOD, "first_byte_s": 0.5, "chunk_s": 0.1, "chunk_chars": 2}
    async with bench(slow) as here:
        said = await here.post(stream=True)
        assert "message_stop" in said.text
        assert here.troubles == []


async def test_silence_before_an_answer_ends():
    waits = Waits(connect_s=1, first_s=1, silence_s=1, whole_s=5)
    async with bench({**GOOD, "first_byte_s": 30}, provider={"waits": waits}) as here:
        began = time.monotonic()
        said = await here.post()
        assert time.monotonic() - began < 4
        assert said.status_code == 504
        assert here.troubles[0].kind == "silent"
        # Nobody knows what it came to.
        assert here.access.unsettled == 1
        assert here.till.books.spent_by().tokens > 100


async def test_silence_within_an_answer_ends():
    silent = {**GOOD, "trouble": "silence", "after": 3}
    async with bench(silent) as here:
        with pytest.raises(anthropic.APIStatusError, match="fell silent"):
            async with here.anthropic().messages.stream(**request()) as stream:
                async for _ in stream:
                    pass
        assert here.troubles[0].passed_on
        assert here.asked == 1


async def test_an_endless_drip_ends():
    drip = {**GOOD, "text": "x" * 1000, "chunk_s": 0.3, "chunk_chars": 1}
    waits = Waits(connect_s=1, first_s=1, silence_s=1, whole_s=2)
    async with bench(drip, provider={"waits": waits}) as here:
        began = time.monotonic()
        with pytest.raises(httpx.RemoteProtocolError):
            await here.post(stream=True)
        assert time.monotonic() - began < 4
        assert here.troubles[0].kind == "silent"


@pytest.mark.parametrize("trouble", ["cut", "reset", "broken"])
@pytest.mark.sample(1)
async def test_a_stream_that_breaks_off_is_never_taken_for_a_whole_one(trouble):
    turn = {**GOOD, "trouble": trouble, "after": 3}
    for dialect in ("anthropic", "openai"):
        async with bench(turn, dialect=dialect) as here:
            if dialect == "anthropic":
                with pytest.raises((anthropic.APIError, httpx.HTTPError, ValueError)):
                    async with here.anthropic().messages.stream(**request()) as stream:
                        async for _ in stream:
                            pass
            else:
                stream = await here.openai().chat.completions.create(**request(stream=True))
                with pytest.raises((openai.APIError, httpx.HTTPError, ValueError)):
                    async for _ in stream:
                        pass
            kind = "not-json" if trouble == "broken" else "broken-off"
            assert here.troubles[0].kind == kind
            assert here.troubles[0].passed_on
            assert here.access.unsettled == 1
            assert here.asked == 1


@pytest.mark.parametrize("trouble", ["cut", "reset"])
@pytest.mark.sample(1)
async def test_a_whole_answer_that_breaks_off_is_not_passed_on(trouble):
    async with bench({**GOOD, "trouble": trouble, "after": 1, "chunk_chars": 5}) as here:
        said = await here.post()
        assert said.status_code == 502
        assert here.troubles[0].kind in ("broken-off", "not-json")


async def test_broken_json_is_not_passed_on():
    async with bench({**GOOD, "trouble": "broken", "after": 0}) as here:
        said = await here.post()
        assert said.status_code == 502
        assert here.troubles[0].kind == "not-json"
        assert here.access.unsettled == 1


async def test_an_error_within_a_stream_is_told():
    turn = {**GOOD, "trouble": "error", "message": "Overloaded", "after": 3}
    async with bench(turn) as here:
        with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
            async with here.anthropic().messages.stream(**request()) as stream:
                async for _ in stream:
                    pass
        assert here.troubles[0].kind == "overloaded"


@pytest.mark.thorough
async def test_an_error_instead_of_a_stream_is_tried_again():
    turn = {**GOOD, "trouble": "error", "after": 0, "repeat": 1, "per": "script"}
    async with bench(turn, GOOD) as here:
        said = await here.post(stream=True)
        assert "message_stop" in said.text
        assert here.asked == 2


async def test_a_huge_answer_is_cut_off(monkeypatch):
    monkeypatch.setattr(pulse, "ANSWER_BYTES", 1_000_000)
    async with bench({**GOOD, "trouble": "huge", "huge_mb": 4}) as here:
        said = await here.post()
        assert said.status_code == 502
        assert here.troubles[0].kind == "too-large"
        with pytest.raises(httpx.RemoteProtocolError):
            await here.post(stream=True)


async def test_a_client_that_goes_away_ends_its_call():
    slow = {**GOOD, "text": "x" * 1000, "chunk_s": 0.1, "chunk_chars": 1}
    async with bench(slow) as here:
        async with httpx.AsyncClient(trust_env=False) as client:
            url, headers = f"{here.gateway.url}/v1/messages", {"x-api-key": here.access.key}
            body = request(stream=True)
            async with client.stream("POST", url, headers=headers, json=body) as answer:
                async for _ in answer.aiter_raw():
                    break
        began = time.monotonic()
        await here.access.end_calls()
        assert time.monotonic() - began < 2
        assert not here.till.books.held
        assert here.access.unsettled == 1


async def test_an_attempts_end_ends_its_calls_in_order():
    slow = {**GOOD, "text": "x" * 1000, "chunk_s": 0.1, "chunk_chars": 1}
    async with bench(slow) as here:
        with pytest.raises(anthropic.APIStatusError, match="the attempt has ended"):
            async with here.anthropic().messages.stream(**request()) as stream:
                async for number, _ in enumerate_async(stream):
                    if number == 3:
                        await here.gateway.close(here.access)
        assert not here.till.books.held
        assert here.ended[0].reason == "closed"
        assert (await here.post()).status_code == 401


async def enumerate_async(items):
    """As enumerate."""
    number = 0
    async for item in items:
        yield number, item
        number += 1
