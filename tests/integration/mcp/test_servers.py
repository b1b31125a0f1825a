"""Servers that are children: spoken to, bounded, lost, started anew, and gone afterwards."""

from __future__ import annotations

import json

import pytest

from tests.integration.mcp.support import Room, raw, sdk, settings
from workers.mcp.connection import Refused
from workers.mcp.server import Unavailable


async def test_a_server_by_the_library_is_listed_and_called(here: Room) -> None:
    async with here.serving(settings(sdk())) as held:
        listed = await held.server.listed(held.tasks, here.ground())
        hints = {one.name: one.read_only for one in listed}
        assert hints == {"add": True, "greet": False, "headers": False}
        assert await held.call("add", a=2, b=40) == "42"
        said = await held.call("greet", person={"name": "Ada", "friends": ["Bob"]})
        assert said == "Hello Ada, Bob"
        answer = await held.server.call("nothing", {}, 5.0, held.tasks, here.ground())
        assert answer.failed and "Unknown tool" in answer.text


async def test_an_older_server_is_spoken_to_and_offered_nothing(here: Room) -> None:
    here.environ["CAPABILITIES_FILE"] = str(here.folder / "greeting.json")
    async with here.serving(settings(raw(), env=("CAPABILITIES_FILE",))) as held:
        assert await held.call("echo", text="hé\n") == "hé\n"
        assert await held.call("where") == str(here.tree)
        greeting = json.loads((here.folder / "greeting.json").read_text())
        assert greeting["capabilities"] == {}
        assert greeting["clientInfo"]["name"] == "orch"
        asked = json.loads(await held.call("ask"))
        assert "error" in asked and asked["id"] == "mine", "it is refused what it asks for"
        with pytest.raises(Refused, match="no tool nothing"):
            await held.call("nothing")
        with pytest.raises(Refused, match="makes no sense"):
            await held.call("wrong")
        answer = await held.server.call("fail", {}, 5.0, held.tasks, here.ground())
        assert answer.failed and answer.text == "no such row"
        assert await held.call("noise") == "", "a line of a log is no message"


async def test_only_allowed_tools_are_listed(here: Room) -> None:
    async with here.serving(settings(raw(), tools=("e*", "p?d"))) as held:
        assert await held.tools() == ["echo", "env", "escape", "pid"]


async def test_it_sees_of_the_environment_what_its_settings_name(here: Room) -> None:
    here.environ |= {"DB_PASSWORD": "correct-horse-battery", "OTHER": "not-for-it-0123"}
    async with here.serving(settings(raw(), env=("DB_PASSWORD",))) as held:
        seen = json.loads(await held.call("env"))
        assert seen["DB_PASSWORD"] == "correct-horse-battery"
        assert "OTHER" not in seen and "A_PERSONS_API_KEY" not in seen
    del here.environ["DB_PASSWORD"]
    async with here.serving(settings(raw(), env=("DB_PASSWORD",))) as held:
        assert "DB_PASSWORD is not set" in await held.lost("echo")


async def test_one_that_dies_is_started_once_more(here: Room) -> None:
    async with here.serving(settings(raw())) as held:
        first = await held.call("pid")
        why = await held.lost("die")
        assert why == "it ended (exit 7: out of luck); it is started anew at the next call"
        second = await held.call("pid")
        assert second != first
        assert "it is not started again" in await held.lost("die")
        assert "it is not started again" in await held.lost("echo")
        assert here.grounds == 5


async def test_an_error_by_the_code_of_a_lost_connection_is_no_loss(here: Room) -> None:
    async with here.serving(settings(raw())) as held:
        first = await held.call("pid")
        with pytest.raises(Refused, match="try again later"):
            await held.call("busy")
        assert await held.call("pid") == first, "it lives on"


async def test_one_that_says_that_it_is_closed_is_taken_at_its_word(
    here: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.mcp.connection.GONE_S", 0.5)
    async with here.serving(settings(raw())) as held:
        first = await held.call("pid")
        assert "it hung up" in await held.lost("closed")
        assert await held.call("pid") != first
    # `serving` looks: neither of them is left, and the round has ended.


async def test_one_that_hangs_is_ended_in_time(here: Room) -> None:
    async with here.serving(settings(raw(), timeout_s=30)) as held:
        assert await held.call("echo", text="there") == "there"
        assert "did not answer within 0.3 s" in await held.lost("hang", within_s=0.3)
        assert await held.call("echo", text="again") == "again"


@pytest.mark.parametrize(
    ("tool", "why"),
    [("big", "a message of more than 4 MB"), ("notify", "messages that nobody asked for")],
)
@pytest.mark.sample(1)
async def test_one_that_floods_is_over(here: Room, tool: str, why: str) -> None:
    async with here.serving(settings(raw())) as held:
        assert why in await held.lost(tool)
        assert await held.call("echo", text="again") == "again"


@pytest.mark.sample(4)
@pytest.mark.parametrize(
    ("command", "why"),
    [
        (raw("gone"), "it ended (exit 3: no configuration)"),
        (
            raw("old"),
            "protocol version: Unsupported protocol version from the server: 1999",
        ),
        (raw("silent"), "it did not answer within 1 s"),
        (raw("million"), "a message of more than 4 MB"),
        ("no-such-program-anywhere", "exit 127"),
        (("/no/such/program",), "could not be started"),
        ("echo hello", "it ended (exit 0)"),
    ],
)
@pytest.mark.sample(2)
async def test_one_that_cannot_be_used_is_told_of(here: Room, command: str, why: str) -> None:
    patience = 1.0 if "silent" in command else 30.0
    async with here.serving(settings(command, timeout_s=patience)) as held:
        with pytest.raises(Unavailable) as told:
            await held.tools()
        assert why in str(told.value)


async def test_pages_without_an_end_are_not_read_without_an_end(here: Room) -> None:
    async with here.serving(settings(raw("pages"))) as held:
        assert len(await held.tools()) == 200


async def test_whatever_it_started_is_gone_with_it(here: Room) -> None:
    async with here.serving(settings(raw("stubborn"))) as held:
        await held.call("fork")
        assert len(here.living()) == 2
    assert here.living() == []
