"""A run's model traffic as a file, and the same run from it without a model."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest

from tests.integration.gateway.support import MODEL, PRICES, REAL_KEY, bench, grant, request
from workers.gateway.gateway import open_gateway, redactor_of
from workers.gateway.grants import Told
from workers.gateway.record import BadRecord, Recorder, Replay, load_record
from workers.gateway.till import MemoryTill
from workers.gateway.upstream import Provider
from workers.redact import Redactor

pytestmark = pytest.mark.anyio
SECRET = "hunter2-and-some-more"
SEEN = Redactor({"TOKEN": SECRET, "maker": REAL_KEY})


def asking(text, **changes):
    """A request that says something."""
    return request(messages=[{"role": "user", "content": text}], **changes)


async def say(gateway, access, *bodies):
    """The answers to some requests, one after the other."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        url, headers = f"{gateway.url}/v1/messages", {"x-api-key": access.key}
        return [await client.post(url, headers=headers, json=body) for body in bodies]


def calls_in(path):
    """The calls of the only attempt in a record."""
    return load_record(path).calls["task-a", 1, "work"]


def said_in(stream):
    """The text of a stream."""
    events = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: ")]
    return "".join(event.get("delta", {}).get("text", "") for event in events)


@asynccontextmanager
async def replaying(path, ended=()):
    """A gateway without any provider; `ended` are attempts that were ended from outside."""
    provider = Provider("maker", "anthropic", "http://127.0.0.1:9", REAL_KEY)
    till = MemoryTill()
    upstream = Replay(load_record(path).calls, SEEN, ended)
    async with open_gateway([provider], till=till, prices=PRICES, upstream=upstream) as gateway:
        yield gateway, till


@asynccontextmanager
async def recording(path, *turns, **options):
    """A gateway to a scripted model that keeps a record."""
    async with bench(*turns, recorder=Recorder(path, SEEN, "run"), **options) as here:
        yield here


@pytest.mark.parametrize("stream", [False, True])
async def test_a_run_is_repeated_without_a_model(tmp_path, stream):
    path = tmp_path / "record"
    turns = [{"text": f"Answer {number}, ä.", "chunk_chars": 2} for number in range(3)]
    bodies = [asking(f"question {number}", stream=stream) for number in range(3)]
    async with recording(path, *turns) as here:
        first = await say(here.gateway, here.access, *bodies)
        assert all(said.status_code == 200 for said in first)
        spent = here.access.tokens, here.access.cost_usd
    async with replaying(path) as (gateway, till):
        access = gateway.open(grant(run="another"))
        second = await say(gateway, access, *bodies)
        if stream:
            whole = [said_in(said.text) for said in first]
            assert whole[0] == "Answer 0, ä."
            assert [said_in(said.text) for said in second] == whole
        else:
            assert [said.content for said in second] == [said.content for said in first]
        assert (access.tokens, access.cost_usd) == spent
        assert not till.books.held


async def test_nothing_secret_is_in_a_record(tmp_path):
    path = tmp_path / "record"
    leaky = {"text": f"The key is {REAL_KEY}, the token {SECRET}.", "repeat": 0}
    hexed = f"{SECRET} and sk-proj-0123456789abcdef0123456789abcdef"
    async with recording(path, leaky) as here:
        await say(here.gateway, here.access, asking(hexed), asking(f"{hexed} again", stream=True))
        key = here.access.key
    text = path.read_text()
    for secret in (REAL_KEY, SECRET, key, "0123456789abcdef", "hunter2"):
        assert secret not in text
    assert "[redacted TOKEN]" in text
    assert path.stat().st_mode & 0o077 == 0
    async with replaying(path) as (gateway, _):
        (said,) = await say(gateway, gateway.open(grant()), asking(hexed))
        assert said.status_code == 200


async def test_what_differs_from_run_to_run_is_put_in_its_place(tmp_path):
    path = tmp_path / "record"
    turn = {"call": [{"name": "read", "input": {"path": "/place/one/a.py"}}], "repeat": 0}

    def question(folder, took, sha):
        return asking(
            f"{folder}/a.py: 1 failed in {took}s at {sha}, http://127.0.0.1:{len(took)}111"
        )

    async with recording(path, turn) as here:
        access = here.gateway.open(grant(varying=(("/place/one", "<workspace>"),)))
        await say(here.gateway, access, question("/place/one", "0.12", "deadbeef01"))
    assert "/place/one" not in path.read_text()
    async with replaying(path) as (gateway, _):
        access = gateway.open(grant(varying=(('/place/"two"', "<workspace>"),)))
        (said,) = await say(gateway, access, question('/place/"two"', "3.4", "0badcafe77"))
        assert said.json()["content"][0]["input"] == {"path": '/place/"two"/a.py'}


async def test_what_was_not_recorded_is_an_error_that_names_the_first_difference(tmp_path):
    path = tmp_path / "record"
    async with recording(path, {"text": "yes", "repeat": 0}) as here:
        await say(here.gateway, here.access, asking("do A"), asking("do B", temperature=0.5))
    for bodies, word in (
        ([asking("do C")], "messages[0].content, character 3: 'do A', now 'do C'"),
        ([asking("do A", system="s")], "system: not there, now 's'"),
        ([asking("do A"), asking("do B")], "call 2 asked something else: temperature: 0.5, now"),
        ([asking("do A"), asking("do A")], "asked something else"),
        ([asking("do A"), asking("do B", temperature=0.5), asking("x")], "it made 2 calls"),
    ):
        async with replaying(path) as (gateway, till):
            ended = []
            access = gateway.open(grant(), Told(ended=ended.append))
            *_, last = await say(gateway, access, *bodies)
            assert last.status_code == 409
            assert word in last.json()["error"]["message"]
            assert [(one.reason, word in one.why) for one in ended] == [("record", True)]
            assert till.books.spent_by().tokens == access.tokens.total
    async with replaying(path) as (gateway, till):
        ended = []
        access = gateway.open(grant(task="other"), Told(ended=ended.append))
        (said,) = await say(gateway, access, asking("do A"))
        assert "no calls of other, attempt 1" in said.text
        assert till.books.spent_by().tokens == 0
        assert [one.reason for one in ended] == ["record"]


async def test_an_attempt_that_was_ended_there_is_told_so_behind_its_last_call(tmp_path):
    path = tmp_path / "record"
    async with recording(path, {"text": "yes", "repeat": 0}) as here:
        await say(here.gateway, here.access, asking("do A"))
    for bodies, reason in (
        ([asking("do A"), asking("go on")], "then"),
        ([asking("do B")], "record"),
    ):
        async with replaying(path, ended=[("task-a", 1)]) as (gateway, _):
            ended = []
            access = gateway.open(grant(), Told(ended=ended.append))
            await say(gateway, access, *bodies)
            assert [one.reason for one in ended] == [reason]


async def test_maker_and_checker_of_an_attempt_have_calls_of_their_own(tmp_path):
    path = tmp_path / "record"
    turns = [{"when": "make", "text": "made"}, {"when": "check", "text": "checked"}]
    async with recording(path, *turns) as here:
        await say(here.gateway, here.access, asking("make"))
        await say(here.gateway, here.gateway.open(grant(purpose="check")), asking("check"))
    async with replaying(path) as (gateway, _):
        for purpose, asked, answer in (("check", "check", "checked"), ("work", "make", "made")):
            (said,) = await say(gateway, gateway.open(grant(purpose=purpose)), asking(asked))
            assert answer in said.text


async def test_a_refused_request_is_refused_again(tmp_path):
    path = tmp_path / "record"
    async with recording(path, {"status": 400, "message": "too long"}) as here:
        (first,) = await say(here.gateway, here.access, asking("q"))
    async with replaying(path) as (gateway, _):
        access = gateway.open(grant())
        (second,) = await say(gateway, access, asking("q"))
        assert (second.status_code, second.content) == (400, first.content)
        assert [one.kind for one in access.troubles] == ["refused"]


@pytest.mark.thorough
async def test_calls_side_by_side_are_told_apart_by_what_they_ask(tmp_path):
    path = tmp_path / "record"
    turns = [{"when": f"number {n}$", "text": f"answer {n}", "repeat": 0} for n in range(6)]
    async with recording(path, *turns) as here, anyio.create_task_group() as tasks:
        for n in range(6):
            tasks.start_soon(say, here.gateway, here.access, asking(f"number {n}"))
    async with replaying(path) as (gateway, _):
        access = gateway.open(grant())
        for n in (5, 3, 4, 0, 2, 1):
            (said,) = await say(gateway, access, asking(f"number {n}"))
            assert f"answer {n}" in said.text


async def test_a_call_that_came_to_nothing_is_not_recorded(tmp_path):
    path = tmp_path / "record"
    turns = [{"text": "long enough", "trouble": "cut", "after": 3}, {"text": "whole"}]
    async with recording(path, *turns) as here:
        with pytest.raises(httpx.RemoteProtocolError):
            await say(here.gateway, here.access, asking("q", stream=True))
        await say(here.gateway, here.access, asking("q", stream=True))
    assert len(calls_in(path)) == 1
    async with replaying(path) as (gateway, _):
        (said,) = await say(gateway, gateway.open(grant()), asking("q", stream=True))
        assert "whole" in said.text


@pytest.mark.thorough
async def test_a_growing_conversation_is_kept_by_what_is_new(tmp_path):
    path = tmp_path / "record"
    talk = [{"role": "user", "content": "x" * 5000}]
    async with recording(path, {"text": "ok", "repeat": 0}) as here:
        for number in range(10):
            talk.append({"role": "user", "content": f"more {number}"})
            await say(here.gateway, here.access, request(messages=talk))
    assert path.stat().st_size < 5000 + 10 * 1200
    assert len(calls_in(path)) == 10


def test_a_file_that_is_no_record_or_was_changed_is_refused(tmp_path):
    path = tmp_path / "record"
    for text, word in (
        ("", "no record"),
        ("no line end", "no record"),
        ('{"kind": "other", "version": 2}\n', "no record"),
        ('{"kind": "orch model traffic", "version": 1}\n', "no record"),
        ("[]\n", "no line"),
        ('{"kind": "orch model traffic", "version": 2, "run": "r"}\n{"task": 1}\n', ":2"),
    ):
        path.write_text(text)
        with pytest.raises(BadRecord, match=word):
            load_record(path)


async def test_a_line_that_was_cut_off_is_left_out_and_one_that_was_changed_is_told(tmp_path):
    path = tmp_path / "record"
    async with recording(path, {"text": "ok", "repeat": 0}) as here:
        await say(here.gateway, here.access, asking("one"), asking("two"))
    text = path.read_text()
    path.write_text(text[:-20])
    assert len(calls_in(path)) == 1
    go_on = Recorder(path, SEEN, "run")
    go_on.keep_step({"kind": "left"})
    go_on.close()
    assert (len(calls_in(path)), load_record(path).steps) == (1, [{"kind": "left"}])
    with pytest.raises(BadRecord, match="another run"):
        Recorder(path, SEEN, "another")
    head, first, _ = text.splitlines(keepends=True)
    line = json.loads(first)
    line["asked"][1] = line["asked"][1].replace("one", "won")
    path.write_text(head + json.dumps(line) + "\n")
    with pytest.raises(BadRecord, match="changed"):
        load_record(path)


def test_the_redactor_of_a_gateway_knows_the_keys_and_other_headers():
    provider = Provider("p", "openai", "http://x", REAL_KEY, (("x-team", "team-secret-1"),))
    clean = redactor_of([provider]).redact_text(f"{REAL_KEY} team-secret-1 {MODEL}")
    assert clean == f"[redacted p] [redacted p] {MODEL}"
    assert REAL_KEY not in repr(provider)
    assert "team-secret" not in repr(provider)
