"""What a call may cost is reserved before it leaves; what does not fit ends an attempt in order."""

from __future__ import annotations

import anthropic
import anyio
import httpx
import openai
import pytest

from ledger.books import Cap, Caps
from ledger.model import Tokens
from tests.integration.gateway.support import MODEL, bench, grant, request
from workers.gateway.grants import CallLimits
from workers.gateway.prices import Prices
from workers.gateway.till import Call, MemoryTill, Refused, Reservation

pytestmark = pytest.mark.anyio
GOOD = {"text": "Forty-two.", "usage": {"input": 1000, "output": 50}, "repeat": 0}


@pytest.mark.parametrize("scope", ["attempt", "task", "run"])
async def test_at_the_cap_the_attempt_ends_in_order_and_nobody_tries_again(scope):
    async with bench(GOOD, caps=Caps(**{scope: Cap(tokens=3000)})) as here:
        client = here.anthropic()
        await client.messages.create(**request())
        with pytest.raises(anthropic.APIStatusError, match=f"budget of the {scope}") as refused:
            while True:
                await client.messages.create(**request())
        assert refused.value.status_code == 402
        asked = here.asked
        assert [(ended.reason, ended.scope) for ended in here.ended] == [("budget", scope)]
        with pytest.raises(anthropic.APIStatusError, match="used up"):
            await client.messages.create(**request(max_tokens=1))
        assert here.asked == asked
        assert here.till.books.spent_by().tokens <= 3000


async def test_the_other_vendors_library_does_not_try_again_either():
    async with bench(GOOD, dialect="openai", caps=Caps(run=Cap(usd=0.0001))) as here:
        with pytest.raises(openai.APIStatusError, match="used up") as refused:
            await here.openai(retries=5).chat.completions.create(**request())
        assert refused.value.status_code == 402
        assert here.asked == 0
        assert len(here.ended) == 1


async def test_a_call_that_alone_is_too_much_ends_no_attempt():
    async with bench(GOOD, caps=Caps(call=Cap(tokens=2000))) as here:
        assert (await here.post(max_tokens=5000)).status_code == 402
        assert here.ended == []
        assert (await here.post(max_tokens=10)).status_code == 200


async def test_the_reservation_stands_before_the_request_leaves():
    async with bench(GOOD) as here:
        held = []
        here.model._on_request = lambda received: held.extend(here.till.books.held.values())
        await here.post()
        assert len(held) == 1
        assert held[0].worst.tokens >= 1100
        assert held[0].worst.nanos > 0


async def test_others_in_flight_are_waited_for_rather_than_refused():
    slow = {**GOOD, "first_byte_s": 0.3}
    async with bench(slow, caps=Caps(run=Cap(tokens=2 * 1050 + 1700))) as here:

        async def one():
            assert (await here.post()).status_code == 200

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(one)
        assert here.ended == []
        assert here.till.books.spent_by().tokens == 3 * 1050
        assert here.access.waited_s > 0.2


async def test_a_call_does_not_wait_for_others_for_ever():
    till = MemoryTill(Caps(run=Cap(tokens=10)), patience_s=0.2)
    call = Call("r", "a", 1, "w", "p", "m", 8, None)
    assert isinstance(await till.reserve(call), Reservation)
    assert isinstance(await till.reserve(call), Refused)


async def test_an_unknown_price_is_an_unknown_cost_and_tokens_rule():
    async with bench(GOOD, prices=Prices(use_list=False), caps=Caps(run=Cap(tokens=3000))) as here:
        await here.post()
        assert here.access.cost_usd is None
        assert here.access.tokens.total == 1050
        assert here.till.books.spent_by().cost_usd is None
        while (await here.post()).status_code == 200:
            pass
        assert here.ended[0].reason == "budget"
    async with bench(GOOD, prices=Prices(use_list=False), caps=Caps(run=Cap(usd=9))) as here:
        said = await here.post()
        assert said.status_code == 402
        assert "price is not known" in said.text


async def test_only_so_many_calls_where_the_grant_says_so():
    async with bench(GOOD, limits=CallLimits(calls=2)) as here:
        assert [(await here.post()).status_code for _ in range(3)] == [200, 200, 402]
        assert here.ended[0].reason == "calls"


async def test_two_attempts_pay_out_of_one_budget_by_keys_of_their_own():
    async with bench(GOOD, caps=Caps(attempt=Cap(tokens=2500))) as here:
        other = here.gateway.open(grant(attempt=2))
        while (await here.post()).status_code == 200:
            pass
        async with httpx.AsyncClient(trust_env=False) as client:
            url, headers = f"{here.gateway.url}/v1/messages", {"x-api-key": other.key}
            assert (await client.post(url, headers=headers, json=request())).status_code == 200
        assert other.tokens == Tokens(input=1000, output=50)


async def test_a_stream_without_usage_counts_as_the_worst():
    """Where a provider does not say what a call came to, nothing is made up."""
    silent = {**GOOD, "trouble": "cut", "after": 4}
    async with bench(silent) as here:
        with pytest.raises(httpx.RemoteProtocolError):
            await here.post(stream=True)
        spent = here.till.books.spent_by()
        assert spent.tokens >= 1100
        assert here.access.unsettled == 1
        assert here.access.tokens == Tokens()
        assert here.access.cost_usd == pytest.approx(spent.cost_usd)


async def test_a_defect_of_the_till_is_raised_and_the_client_is_told():
    class Broken(MemoryTill):
        async def reserve(self, call):
            raise OSError(28, "no space left on device")

    import workers.gateway.gateway as gateways
    from tests.integration.gateway.support import REAL_KEY
    from workers.gateway.upstream import Provider

    provider = Provider("maker", "anthropic", "http://127.0.0.1:9", REAL_KEY)
    with pytest.raises(OSError, match="no space"):
        async with gateways.open_gateway([provider], till=Broken()) as gateway:
            key = gateway.open(grant()).key
            async with httpx.AsyncClient(trust_env=False) as client:
                url, headers = f"{gateway.url}/v1/messages", {"x-api-key": key}
                said = await client.post(url, headers=headers, json=request())
            assert said.status_code == 500
            assert MODEL not in said.text
