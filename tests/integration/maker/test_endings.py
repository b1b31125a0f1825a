"""How a round ends, and whose fault it was."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import anyio
import pytest

from ledger.books import Cap, Caps
from tests.integration.maker.support import FINISH, call, calls, room, user_words
from workers.gateway import call as gateway_call
from workers.gateway import pulse
from workers.gateway.grants import CallLimits
from workers.tree import marked

LOOK = call("read", path="src/sums.py")


@pytest.mark.sample(1)
async def test_words_alone_end_the_round_after_one_question(tmp_path, dialect):
    turns = ({"text": "I am done."}, {"text": "It is mended. It was easy. Nothing else."})
    async with room(tmp_path, *turns, dialect=dialect) as here:
        report = await here.work()
        assert (report.outcome, report.summary) == ("done", "It is mended. It was easy.")
        assert "without calling a tool" in user_words(here.model.requests[1])


async def test_a_model_that_goes_on_when_asked_may_end_properly(tmp_path):
    async with room(tmp_path, {"text": "Well."}, calls(LOOK), FINISH) as here:
        report = await here.work()
        assert report.summary == "I did it. I ran the test."


@pytest.mark.sample(1)
async def test_a_question_ends_the_round(tmp_path, dialect):
    turns = (calls(call("ask", question="Which of the two sums counts?")),)
    async with room(tmp_path, *turns, dialect=dialect) as here:
        report = await here.work()
        assert report.outcome == "done"
        assert report.question == "Which of the two sums counts?"


@pytest.mark.sample(1)
async def test_nobody_finishes_while_something_failed(tmp_path, dialect):
    wrong = call("edit", path="src/sums.py", old="not there at all", new="x")
    turns = (calls(wrong, call("finish", summary="All done.")), FINISH)
    async with room(tmp_path, *turns, dialect=dialect) as here:
        report = await here.work()
        assert report.summary == "I did it. I ran the test."
        failed, refused = here.results(1)
        assert "'old' is not in the file" in failed
        assert "`edit` failed in the same turn" in refused


@pytest.mark.sample(1)
async def test_what_comes_before_finish_is_done_before_it(tmp_path, dialect):
    right = call("edit", path="src/sums.py", old=" + 1", new="")
    turns = (calls(right, call("finish", summary="Mended. Not tested.")),)
    async with room(tmp_path, *turns, dialect=dialect) as here:
        report = await here.work()
        assert report.summary == "Mended. Not tested."
        assert "+ 1" not in (here.tree / "src/sums.py").read_text()


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    ("caps", "limits"),
    [(Caps(run=Cap(tokens=100)), None), (None, CallLimits(calls=1))],
    ids=["budget", "calls"],
)
async def test_no_money_left_is_nobodys_fault(tmp_path, dialect, caps, limits):
    turns = (calls(LOOK), FINISH)
    async with room(tmp_path, *turns, dialect=dialect, caps=caps, limits=limits) as here:
        report = await here.work()
        assert (report.outcome, report.cause) == ("stopped", "budget")
        assert "budget of the run" in report.why or "no more calls" in report.why
        assert here.ended


@pytest.mark.sample(11)
@pytest.mark.parametrize(
    "trouble",
    [
        {"status": 500},
        {"status": 401},
        {"status": 529},
        {"status": 307, "headers": {"location": "http://127.0.0.1:9/v1"}},
        {"text": "half of an answer", "trouble": "reset", "chunk_chars": 4, "after": 2},
        {"text": "half of an answer", "trouble": "cut", "chunk_chars": 4, "after": 2},
        {"text": "half of an answer", "trouble": "broken", "chunk_chars": 4},
        {"text": "half of an answer", "trouble": "silence", "after": 2, "chunk_chars": 4},
        {"text": "half of an answer", "trouble": "error", "after": 2, "chunk_chars": 4},
        {"trouble": "huge", "huge_mb": 2},
    ],
    ids=lambda turn: str(turn.get("status") or turn["trouble"]),
)
@pytest.mark.sample(5)
async def test_a_provider_in_trouble_is_nobodys_fault(tmp_path, dialect, trouble, monkeypatch):
    monkeypatch.setattr(gateway_call, "PAUSE_S", 0.02)
    monkeypatch.setattr(pulse, "ANSWER_BYTES", 1_000_000)
    turns = (calls(LOOK), {**trouble, "repeat": 0})
    quick = replace_waits(patience_s=0.5)
    async with room(tmp_path, *turns, dialect=dialect, provider=quick) as here:
        report = await here.work()
        assert (report.outcome, report.cause) == ("stopped", "provider"), report
        assert report.why and "Traceback" not in report.why
        if trouble.get("trouble") == "broken":
            assert "could not be read" in report.why or here.troubles
        else:
            assert here.troubles


@pytest.mark.sample(1)
async def test_a_request_that_is_refused_is_the_attempts(tmp_path, dialect):
    turns = (calls(LOOK), {"status": 400, "message": "the prompt is too long", "repeat": 0})
    async with room(tmp_path, *turns, dialect=dialect) as here:
        report = await here.work()
        assert (report.outcome, report.cause) == ("failed", "")
        assert "the prompt is too long" in report.why


@pytest.mark.sample(1)
async def test_an_unknown_tool_is_answered_with_those_there_are(tmp_path, dialect):
    turns = (calls(call("teleport", to="home"), LOOK), FINISH)
    async with room(tmp_path, *turns, dialect=dialect) as here:
        assert (await here.work()).outcome == "done"
        unknown, shown = here.results(1)
        assert "'teleport'" in unknown and "'search'" in unknown
        assert "return sum(numbers)" in shown


async def test_broken_arguments_are_answered_with_what_is_wrong(tmp_path, dialect):
    turns = (calls(call("read", file="src/sums.py"), call("read", path=["a"])), FINISH)
    async with room(tmp_path, *turns, dialect=dialect) as here:
        assert (await here.work()).outcome == "done"
        for said in here.results(1):
            assert "path" in said
        assert "! read" in here.log


@pytest.mark.sample(1)
async def test_the_same_call_again_and_again_is_noted_then_ended(tmp_path, dialect):
    async with room(tmp_path, calls(LOOK, repeat=0), dialect=dialect) as here:
        report = await here.work()
        assert report.outcome == "failed"
        assert "went in circles" in report.why and "6 times" in report.why
        assert len(here.model.requests) == 6
        assert "return sum" in here.results(2)[0]
        assert "3 times in a row" in here.results(3)[0]
        assert "return sum" not in here.results(3)[0]


async def test_an_unknown_tool_again_and_again_ends_too(tmp_path):
    async with room(tmp_path, calls(call("teleport"), repeat=0)) as here:
        report = await here.work()
        assert report.outcome == "failed" and "`teleport`" in report.why
        assert len(here.model.requests) == 6


async def test_calls_that_differ_are_no_circle(tmp_path):
    turns = (calls(LOOK), calls(call("read", path="src/names.py"))) * 4
    async with room(tmp_path, *turns, FINISH) as here:
        assert (await here.work()).outcome == "done"


async def test_a_refusal_fails_the_round(tmp_path, dialect):
    turns = ({"text": "I will not do that.", "stop": "refusal"},)
    async with room(tmp_path, *turns, dialect=dialect) as here:
        report = await here.work()
        assert report.outcome == "failed"
        assert "refused" in report.why and "I will not do that." in report.why


async def test_an_answer_that_was_cut_off_is_gone_on_with(tmp_path, dialect):
    turns = ({"text": "First I will", "stop": "max-tokens"}, calls(LOOK), FINISH)
    async with room(tmp_path, *turns, dialect=dialect) as here:
        assert (await here.work()).outcome == "done"
        assert "was cut off" in user_words(here.model.requests[1])


async def test_answers_that_are_cut_off_for_ever_fail_the_round(tmp_path):
    turn = {"text": "First I will", "stop": "max-tokens", "repeat": 0}
    async with room(tmp_path, turn) as here:
        report = await here.work()
        assert report.outcome == "failed" and "cut off" in report.why
        assert len(here.model.requests) == 4


@pytest.mark.sample(1)
async def test_a_model_that_says_nothing_fails_the_round(tmp_path, dialect):
    async with room(tmp_path, {"text": "", "repeat": 0}, dialect=dialect) as here:
        report = await here.work()
        assert report.outcome == "failed" and "could not be used" in report.why
        assert len(here.model.requests) < 20


async def test_its_time_is_bounded_and_nothing_is_left(tmp_path):
    # A command ends a little before the round does, or with it; the model's next word is too late.
    late = {**FINISH, "first_byte_s": 30}
    turns = (calls(call("run", command="sleep 61 & sleep 62", timeout_s=100)), late)
    async with room(tmp_path, *turns) as here:
        await here.worker.run(here.brief, replace(here.surroundings, model=None), 1)  # no model
        began = time.monotonic()
        report = await here.work(timeout_s=4.0)
        assert report.outcome == "timeout"
        assert time.monotonic() - began < 20
        assert not marked("r1/sums/1")


async def test_time_that_others_take_does_not_count(tmp_path):
    async def judge() -> str:
        await anyio.sleep(2.0)
        return "every gate is green"

    waited = [0.0]
    turns = (
        calls(call("check")),
        calls(LOOK, first_byte_s=2.0),
        FINISH,
    )
    slow = replace_waits(first_s=9, silence_s=9)
    async with room(tmp_path, *turns, check=judge, provider=slow) as here:
        access = replace(here.access, waited_s=lambda: waited[0])
        here.surroundings = replace(here.surroundings, model=access)

        async def wait_for_limits() -> None:
            while len(here.model.requests) < 2:
                await anyio.sleep(0.01)
            for _ in range(20):
                await anyio.sleep(0.1)
                waited[0] += 0.1

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait_for_limits)
            report = await here.work(timeout_s=3.0)
        assert report.outcome == "done", report
        assert report.duration_s < 3.0
        assert here.results(1) == ["every gate is green"]


async def test_cancelled_it_leaves_no_process(tmp_path):
    turns = (calls(call("run", command="sleep 61 & sleep 62")), FINISH)
    async with room(tmp_path, *turns) as here:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(here.work)
            with anyio.fail_after(30):
                while not marked("r1/sums/1"):
                    await anyio.sleep(0.05)
            began = time.monotonic()
            tasks.cancel_scope.cancel()
        assert time.monotonic() - began < 10
        assert not marked("r1/sums/1")
        assert os.listdir(here.surroundings.log.parent) == ["1.log"]


def replace_waits(**changes):
    """A provider's patience."""
    from tests.integration.gateway.support import QUICK

    return {"waits": replace(QUICK, **changes)}
