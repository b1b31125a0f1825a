"""Tools of MCP servers as a model has them: offered, called, bounded, redacted, lost."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from typing import Any

import anyio
import pytest

from tests.integration.maker.support import (
    FINISH,
    call,
    calls,
    results_of,
    room,
    system_of,
    user_words,
)
from tests.integration.mcp.support import SERVERS, raw, settings
from tests.support.project import ENVIRON
from tests.support.sandboxed import Cell, needs_sandbox
from workers.base import ServerCall
from workers.mcp.server import Access
from workers.model.worker import ModelWorker

SECRET = "hunter2-hunter2-hunter2"


def tools_of(received: Any) -> dict[str, Any]:
    """The tools of servers in a request, by name."""
    found = {}
    for one in received.body["tools"]:
        told = one.get("function", one)
        if told["name"].startswith("mcp__"):
            found[told["name"]] = told
    return found


def server(mode: str = "plain", name: str = "db", **more: Any) -> Access:
    return Access(name, settings(raw(mode), **more), {**ENVIRON, "DB_PASSWORD": SECRET})


@pytest.mark.sample(1)
async def test_a_model_calls_a_servers_tools_like_its_own(tmp_path, dialect):
    told: list[ServerCall] = []
    turns = [
        calls(call("mcp__db__echo", text="hello"), call("mcp__db__fail"), call("mcp__db__nothing")),
        FINISH,
    ]
    here = room(tmp_path, *turns, dialect=dialect, servers=(server(),), on_server_call=told.append)
    async with here as it:
        report = await it.work()
        assert report.outcome == "done", report.why
        assert "mcp__db__echo" in tools_of(it.model.requests[0])
        assert "`mcp__` belong to servers outside of the workspace: db" in system_of(
            it.model.requests[0]
        )
        echoed, failed, unknown = it.results(1)
        assert echoed == "hello"
        assert "says that it failed: no such row" in failed
        assert "mcp__db__nothing" in unknown
        assert '> mcp__db__echo text="hello"' in it.log and "< mcp__db__echo: hello" in it.log
        assert "! mcp__db__fail" in it.log
    assert [(one.server, one.tool, one.outcome, one.size_bytes) for one in told] == [
        ("db", "echo", "answered", 5),
        ("db", "fail", "refused", 11),
    ]


async def test_what_it_answers_is_printable_bounded_and_without_secrets(tmp_path):
    turn = calls(
        call("mcp__db__escape"),
        call("mcp__db__env"),
        call("mcp__db__long"),
        call("mcp__db__echo", text=f"I heard {SECRET}"),
    )
    access = server(env=("DB_PASSWORD",))
    async with room(tmp_path, turn, FINISH, servers=(access,)) as it:
        report = await it.work()
        assert report.outcome == "done", report.why
        shown, seen, long, heard = it.results(1)
        assert shown == "red gnp"
        assert json.loads(seen)["DB_PASSWORD"] == "[redacted DB_PASSWORD]"
        assert len(long) < 30_000 and "characters are not shown here" in long
        assert heard == "I heard [redacted DB_PASSWORD]"
        said = it.log + "".join(json.dumps(one.body) for one in it.model.requests[:1])
        assert SECRET not in said + "".join(it.results(1))


async def test_it_sees_nothing_that_only_the_worker_was_given(tmp_path):
    worker = ModelWorker(env=("NPM_TOKEN",))
    turn = calls(call("mcp__db__env"), call("run", command="echo ${#NPM_TOKEN}"))
    environ = {"NPM_TOKEN": SECRET}
    async with room(
        tmp_path, turn, FINISH, servers=(server(),), worker=worker, environ=environ
    ) as it:
        report = await it.work()
        assert report.outcome == "done", report.why
        seen, own = it.results(1)
        assert own.endswith(f"\n{len(SECRET)}"), "its own commands have it"
        assert "NPM_TOKEN" not in json.loads(seen) and "ORCH_TASK" in json.loads(seen)


async def test_a_lost_server_is_a_failed_result_and_the_round_goes_on(tmp_path):
    told: list[ServerCall] = []
    turns = [
        calls(call("mcp__db__die")),
        calls(call("mcp__db__echo", text="back")),
        calls(call("mcp__db__die")),
        calls(call("mcp__db__echo", text="away")),
        FINISH,
    ]
    async with room(tmp_path, *turns, servers=(server(),), on_server_call=told.append) as it:
        report = await it.work()
        assert report.outcome == "done", report.why
        results = [results_of(one)[0] for one in it.model.requests[1:]]
        assert results[0].startswith("no answer of the server `db`: it ended (exit 7: out of luck)")
        assert results[1] == "back"
        assert "it is not started again" in results[3]
    assert [one.outcome for one in told] == ["lost", "answered", "lost", "lost"]
    assert told[0].why.startswith("it ended (exit 7: out of luck)")


async def test_one_that_does_not_start_is_told_to_the_model_and_to_a_person(tmp_path):
    noticed: list[tuple[str, str]] = []
    both = (server("gone", "broken"), server("shuffled"))
    turn = calls(call("mcp__db__echo", text="here"))
    here = room(
        tmp_path, turn, FINISH, servers=both, notice=lambda what, hint: noticed.append((what, hint))
    )
    async with here as it:
        report = await it.work()
        assert report.outcome == "done", report.why
        assert it.results(1) == ["here"]
        assert "- `broken`: it ended (exit 3: no configuration)" in user_words(it.model.requests[0])
    ((what, hint),) = noticed
    assert what.startswith("MCP server 'broken' could not be used: it ended (exit 3")
    assert hint == "orch doctor --mcp"


async def test_no_half_of_a_secret_is_left_where_a_text_is_cut(tmp_path):
    noticed: list[str] = []
    tells = server("tells", env=("DB_PASSWORD",))
    here = room(tmp_path, FINISH, servers=(tells,), notice=lambda what, _: noticed.append(what))
    async with here as it:
        await it.work()
        said = user_words(it.model.requests[0]) + "".join(noticed) + it.log
    assert "it refused to begin: xxx" in said and "[redacted DB_PASSWORD]" in said
    assert SECRET[:5] not in said


async def test_requests_begin_alike_whatever_order_a_server_has(tmp_path):
    seen = []
    for number in range(2):
        async with room(tmp_path / str(number), FINISH, servers=(server("shuffled"),)) as it:
            await it.work()
            seen.append(json.dumps(it.model.requests[0].body["tools"]))
    assert seen[0] == seen[1]


async def test_arguments_are_objects_whatever_a_model_sends(tmp_path):
    """No provider's library promises that; a list would end the attempt, not the call."""
    from pydantic_ai import Agent
    from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
    from pydantic_ai.models.function import FunctionModel

    from workers.model.desk import Desk
    from workers.model.servers import Servers
    from workers.model.tools import server_tools

    sent = iter(["[1]", "null", "3", '{"ctx": 1, "self": 2, "text": "named like ours"}'])

    def answer(messages, info):
        args = next(sent, None)
        part = ToolCallPart("mcp__db__echo", args) if args else TextPart("done")
        return ModelResponse(parts=[part])

    async with room(tmp_path, FINISH, servers=(server(),)) as it:
        desk = Desk(it.brief, it.surroundings, window_tokens=128_000)
        servers = Servers(desk)
        with desk.working():
            async with servers.working():
                assert await servers.look(128_000) == ""
                agent = Agent(
                    FunctionModel(answer), tools=server_tools(servers), deps_type=Desk, retries=9
                )
                said = await agent.run("go", deps=desk)
        parts = [part for message in said.all_messages() for part in message.parts]
        results = [
            part
            for part in parts
            if getattr(part, "tool_call_id", "") and part.part_kind != "tool-call"
        ]
        assert len(results) == 4
        assert results[-1].content == "named like ours"


async def test_an_answer_of_megabytes_is_cleaned_beside_the_loop(tmp_path):
    """The engine's loop drives every other attempt meanwhile."""
    from workers.model.desk import Desk

    turns = 0

    async def others():
        nonlocal turns
        while True:
            turns += 1
            await anyio.sleep(0)

    async def answer():
        nonlocal turns
        turns = 0
        return "begin" + "é\x1b[1m" * 800_000 + "end"

    async with room(tmp_path, FINISH) as it:
        desk = Desk(it.brief, it.surroundings, window_tokens=128_000)
        with desk.working():
            async with anyio.create_task_group() as group:
                group.start_soon(others)
                said = await desk.perform("mcp__db__flood", "1", answer)
                group.cancel_scope.cancel()
    assert said.startswith("begin") and said.endswith("end") and turns > 2


@pytest.mark.thorough
async def test_descriptions_have_a_bounded_part_of_the_window(tmp_path):
    noticed: list[str] = []
    servers = (server("many"), server(name="small"))
    here = room(
        tmp_path,
        FINISH,
        servers=servers,
        access={"window_tokens": 48_000},
        notice=lambda what, hint: noticed.append(what),
    )
    async with here as it:
        await it.work()
        tools = tools_of(it.model.requests[0])
        assert len(json.dumps(tools)) < 48_000 * 4 * 0.04 * 1.5
        assert "mcp__small__echo" in tools and "mcp__db__t000" in tools
    assert any("tools of MCP server 'db' have no room" in one for one in noticed)


@pytest.mark.thorough
async def test_a_later_round_starts_it_again_only_when_it_is_called(tmp_path):
    turns = [
        calls(call("mcp__db__pid")),
        FINISH,
        FINISH,
        calls(call("mcp__db__pid")),
        FINISH,
    ]
    async with room(tmp_path, *turns, servers=(server(),)) as it:
        await it.work()
        first = it.results(1)
        await it.work(feedback="not yet")
        await it.work(feedback="not yet")
        assert it.results(-1) != first
        tools = [json.dumps(one.body["tools"]) for one in it.model.requests]
        assert len(set(tools)) == 1


@needs_sandbox
async def test_a_server_works_in_the_attempts_sandbox(tmp_path):
    cell = Cell(tmp_path / "cell")
    shutil.copy(SERVERS / "raw.py", cell.workspace.path)
    command = (sys.executable, "-S", "raw.py")
    access = Access("db", settings(command), dict(ENVIRON), cell.confinement)
    turn = calls(call("mcp__db__where"), call("mcp__db__env"), call("mcp__db__fork"))
    async with room(tmp_path / "room", turn, FINISH, servers=(access,)) as it:
        it.surroundings = replace(
            it.surroundings, tree=cell.workspace.path, folder=cell.workspace.folder
        )
        report = await it.work()
        assert report.outcome == "done", report.why
        where, env, child = it.results(1)
        assert where == str(cell.workspace.path)
        assert json.loads(env)["HOME"] == "/home/agent"
        assert int(child) < 100, "it has process ids of its own"
