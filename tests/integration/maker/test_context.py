"""What a model is sent: the same beginning again, and never more than its window bears."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from tests.integration.maker.support import FINISH, call, calls, results_of, room, user_words
from workers.model.context import FULL
from workers.wire.dialects import dialect_named
from workers.wire.estimate import usual_tokens

WINDOW = 48_000
FILES = {f"m{number}.py": f"# module {number}\n" + "x = 1\n" * 400 for number in range(28)}


def segments(received):
    return [one.content for one in dialect_named(received.dialect).segments(received.body)]


def common(old, new):
    """How many segments are the same from the beginning on."""
    pairs = enumerate(zip(old, new, strict=False))
    return next((number for number, (one, other) in pairs if one != other), len(old))


@pytest.mark.sample(1)
async def test_old_results_give_way_and_the_beginning_stays(tmp_path, dialect):
    turns = [calls(call("read", path=name), text=f"I look at {name}.") for name in FILES]
    access = {"window_tokens": WINDOW}
    async with room(tmp_path, *turns, FINISH, dialect=dialect, files=FILES, access=access) as here:
        report = await here.work(timeout_s=120, map="a map " * 100)
        assert report.outcome == "done", report.why
        requests = here.model.requests
        sizes = [sum(map(usual_tokens, segments(one))) for one in requests]
        assert max(sizes) < WINDOW * 0.4
        assert max(sizes) > WINDOW * 0.3
        same = sent = rewritten = 0
        for before, after in pairwise(requests):
            old, new = segments(before), segments(after)
            alike = common(old, new)
            rewritten += alike < len(old)
            same += sum(map(len, old[:alike]))
            sent += sum(map(len, old))
        assert 1 <= rewritten <= len(requests) // 5
        # As large as results can be; benchmarks/bench_context.py has usual ones, and its target.
        assert same / sent >= 0.88
        last = json.dumps(requests[-1].body)
        assert "[read: m0.py, lines 1-" in last and "characters were left out here]" in last
        # What it looked at last is there as it was, and so is the task.
        assert "x = 1" in results_of(requests[-1])[0]
        assert "Mend the sum." in user_words(requests[-1]) and "a map" in user_words(requests[-1])


async def test_a_provider_that_counts_more_makes_it_shorten_earlier(tmp_path):
    heavy = {"input": 16_500, "output": 10}
    turns = [calls(call("read", path=name), usage=heavy) for name in list(FILES)[:8]]
    access = {"window_tokens": WINDOW}
    async with room(tmp_path, *turns, FINISH, files=FILES, access=access) as here:
        await here.work(timeout_s=120)
        assert "were left out here]" in json.dumps(here.model.requests[-1].body)


@pytest.mark.sample(1)
async def test_long_texts_that_it_wrote_give_way_too(tmp_path, dialect):
    turns = [
        calls(call("write", path=f"w{n}.py", text=f"# {n}\n" * 3000), chunk_chars=2000)
        for n in range(8)
    ]
    access = {"window_tokens": WINDOW}
    async with room(tmp_path, *turns, FINISH, dialect=dialect, files=FILES, access=access) as here:
        report = await here.work(timeout_s=120)
        assert report.outcome == "done", report.why
        sizes = [sum(map(usual_tokens, segments(one))) for one in here.model.requests]
        assert max(sizes) < WINDOW * (FULL + 0.1)  # the newest text stays, however long
        assert (here.tree / "w0.py").read_text() == "# 0\n" * 3000


@pytest.mark.sample(1)
async def test_another_attempt_begins_anew_with_the_same_system(tmp_path, dialect):
    turns = [calls(call("read", path="m1.py")), FINISH]
    async with room(tmp_path, *turns, dialect=dialect, files=FILES) as here:
        await here.work()
        from workers.model.worker import ModelWorker

        here.worker = ModelWorker()
        await here.work(feedback="tried: m1.py was looked at")
        first, again = here.model.requests[0], here.model.requests[2]
        assert "x = 1" not in json.dumps(again.body)
        assert "tried: m1.py was looked at" in user_words(again)
        assert _before_messages(first) == _before_messages(again)


def _before_messages(received):
    body = dict(received.body)
    messages = body.pop("messages")
    return body, [one for one in messages if one["role"] == "system"]
