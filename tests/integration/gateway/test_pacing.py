"""One pace for all who share a credential: workers of a run, and other runs on the machine."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time

import anyio
import pytest

from tests.integration.gateway.support import REAL_KEY, bench, request
from workers.gateway import pacing
from workers.gateway.pace import Pace
from workers.gateway.pace_files import flock, sweep
from workers.gateway.pacing import OutOfPatience, Pacer, Paused, digest_of

pytestmark = pytest.mark.anyio
GOOD = {"text": "Forty-two.", "usage": {"input": 10, "output": 5}, "repeat": 0}
NAME = digest_of("http://x", REAL_KEY)


async def when_free(pacer, done, served=True):
    """Take a turn and say when that was."""
    async with pacer.lane(NAME, "maker").turn(30) as turn:
        done.append(time.monotonic())
        if served:
            turn.served()


async def test_a_limit_that_one_run_hears_of_holds_another(tmp_path):
    one, other = Pacer(tmp_path), Pacer(tmp_path)
    async with one.lane(NAME, "maker").turn(5) as turn:
        turn.limited(1.0)
    began, done = time.monotonic(), []
    await when_free(other, done)
    assert 0.9 <= done[0] - began < 3


async def test_a_limit_holds_a_run_in_another_process(tmp_path):
    code = (
        "import anyio, sys, time\nfrom pathlib import Path\n"
        "from workers.gateway.pacing import Pacer\n"
        "async def main():\n"
        "    async with Pacer(Path(sys.argv[1])).lane(sys.argv[2], 'm').turn(5) as turn:\n"
        "        turn.limited(1.5)\n"
        "anyio.run(main)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path), NAME], check=True, timeout=60)
    began, done = time.monotonic(), []
    await when_free(Pacer(tmp_path), done)
    assert 0.3 <= done[0] - began < 4


@pytest.mark.thorough
async def test_one_goes_first_after_a_pause_and_the_others_wait_for_what_it_hears(tmp_path):
    pacers = [Pacer(tmp_path), Pacer(tmp_path)]
    async with pacers[0].lane(NAME, "maker").turn(5) as turn:
        turn.limited(0.2)
    under_way, most = 0, 0
    heard = anyio.Event()

    async def call(number):
        nonlocal under_way, most
        async with pacers[number % 2].lane(NAME, "maker").turn(30) as turn:
            under_way += 1
            most = max(most, under_way)
            await heard.wait()
            turn.served()
            under_way -= 1

    async with anyio.create_task_group() as tasks:
        for number in range(16):
            tasks.start_soon(call, number)
        await anyio.sleep(2.0)
        assert most == 1
        heard.set()
    assert most >= 1


@pytest.mark.thorough
async def test_a_probe_that_dies_gives_its_place_to_another(tmp_path):
    lane = Pacer(tmp_path).lane(NAME, "maker")
    async with lane.turn(5) as turn:
        turn.limited(0.1)
    with anyio.move_on_after(0.5):
        async with lane.turn(5):
            await anyio.sleep(60)
    done = []
    with anyio.fail_after(5):
        await when_free(Pacer(tmp_path), done)
    assert done


async def test_patience_ends():
    lane = Pacer(None).lane(NAME, "maker")
    async with lane.turn(5) as turn:
        turn.limited(60)
    began = time.monotonic()
    with pytest.raises(OutOfPatience):
        async with lane.turn(0.5):
            pytest.fail("it does not wait")
    assert time.monotonic() - began < 2


async def test_what_fails_within_a_turn_is_no_lack_of_patience():
    lane = Pacer(None).lane(NAME, "maker")
    with pytest.raises(TimeoutError):
        async with lane.turn(5):
            raise TimeoutError


@pytest.mark.thorough
async def test_a_pause_that_lasts_is_told_and_its_end_too(monkeypatch):
    monkeypatch.setattr(pacing, "TELL_S", 0.5)
    told = []
    pacer = Pacer(None, told.append)
    async with pacer.lane(NAME, "maker").turn(5) as turn:
        turn.limited(1.0)
    done = []
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(when_free, pacer, done)
    assert [paused.provider for paused in told] == ["maker", "maker"]
    assert told[0].until == pytest.approx(time.time(), abs=5)
    assert told[1] == Paused("maker", None)


async def test_only_so_many_at_a_time_where_a_provider_serves_no_more(tmp_path):
    most, now = 0, 0

    async def call(pacer):
        nonlocal most, now
        async with pacer.lane(NAME, "maker", 2).turn(30):
            now += 1
            most = max(most, now)
            await anyio.sleep(0.05)
            now -= 1

    for folder in (tmp_path, None):
        pacers = [Pacer(folder)] * 2 if folder is None else [Pacer(folder), Pacer(folder)]
        async with anyio.create_task_group() as tasks:
            for number in range(8):
                tasks.start_soon(call, pacers[number % 2])
        assert most == 2


@pytest.mark.parametrize("text", ["", "{", "[]", '{"until": "x"}', '{"until": 1e999}', "\0" * 9000])
async def test_a_file_that_is_nobodys_does_no_harm(tmp_path, text):
    (tmp_path / f"{NAME}.json").write_text(text)
    done = []
    with anyio.fail_after(5):
        await when_free(Pacer(tmp_path), done)
    assert done


@pytest.mark.thorough
async def test_where_no_file_can_be_made_the_run_paces_itself(tmp_path):
    (tmp_path / "file").write_text("")
    lane = Pacer(tmp_path / "file" / "below").lane(NAME, "maker")
    async with lane.turn(5) as turn:
        turn.limited(0.6)
    began = time.monotonic()
    async with lane.turn(5):
        assert time.monotonic() - began > 0.4


async def test_nothing_of_the_key_is_in_the_files(tmp_path):
    limit = {"status": 429, "per": "script", "headers": {"retry-after": "1"}}
    async with bench(limit, GOOD, pacer=Pacer(tmp_path)) as here:
        assert (await here.post()).status_code == 200
    files = list(tmp_path.iterdir())
    assert files
    for path in files:
        assert REAL_KEY not in path.name + path.read_text()
        assert path.stat().st_mode & 0o077 == 0 or path.suffix == ".json"
    state = json.loads(next(path for path in files if path.suffix == ".json").read_text())
    assert state["window"] != 1


async def test_the_last_who_uses_a_pace_leaves_no_file_behind(tmp_path):
    folder = tmp_path / "pace"
    with Pacer(folder) as one, Pacer(folder) as other:
        over = Pace(until=time.time() - 1, wrote=time.time() - 2, times=1, window=1)
        for pacer in (one, other):
            async with pacer.lane(NAME, "maker", 2).turn(5):
                pacer.lane(NAME, "maker").change(lambda _: over)
        one.close()
        assert (folder / f"{NAME}.json").exists(), "another run goes by it"
        assert other.lane(NAME, "maker").pace().window == 1
        await when_free(one, [])
    assert not folder.exists()


@pytest.mark.thorough
async def test_a_pause_that_goes_on_is_told_to_the_next_run_and_goes_when_it_is_over(tmp_path):
    folder = tmp_path / "pace"
    with Pacer(folder) as pacer:
        async with pacer.lane(NAME, "maker").turn(5) as turn:
            turn.limited(0.5)
    assert [one.name for one in folder.iterdir()] == [f"{NAME}.json"]
    began, done = time.monotonic(), []
    with Pacer(folder) as pacer:
        await when_free(pacer, done)
    assert done[0] - began > 0.3
    assert not folder.exists()


@pytest.mark.thorough
async def test_what_a_killed_run_left_is_taken_away_and_nothing_else(tmp_path):
    code = (
        "import anyio, os, signal, sys\nfrom pathlib import Path\n"
        "from workers.gateway.pacing import Pacer\n"
        "async def main():\n"
        "    async with Pacer(Path(sys.argv[1])).lane(sys.argv[2], 'm', 1).turn(5) as turn:\n"
        "        turn.limited(0.01)\n"
        "        print('there', flush=True)\n"
        "        await anyio.sleep(60)\n"
        "anyio.run(main)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path), NAME]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"there\n"
        there = sorted(one.name for one in tmp_path.iterdir())
        sweep(tmp_path)
        assert sorted(one.name for one in tmp_path.iterdir()) == there, "it is in use"
        process.kill()
    (tmp_path / "notes.txt").write_text("somebody's")
    sweep(tmp_path)
    assert {one.suffix for one in tmp_path.iterdir()} == {".json", ".txt"}, "its pause goes on"
    with anyio.fail_after(10):
        while len(list(tmp_path.iterdir())) > 1:
            await anyio.sleep(0.05)
            sweep(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["notes.txt"]


def test_a_lock_whose_file_was_taken_away_is_none(tmp_path):
    path = tmp_path / "a" / "lock"
    held = flock(path, fcntl.LOCK_EX)
    assert held is not None and flock(path, fcntl.LOCK_EX) is None
    waiting = os.open(path, os.O_RDWR)  # as somebody who came just before it went
    path.unlink()
    held()
    fcntl.flock(waiting, fcntl.LOCK_EX | fcntl.LOCK_NB)
    again = flock(path, fcntl.LOCK_EX)
    assert again is not None and path.exists(), "the file of that name is what counts"
    os.close(waiting)
    again()


async def test_many_workers_make_no_storm_of_a_limit():
    """While the limit holds, the provider is asked by nobody; then by one, and then by all."""
    limit = {"status": 429, "repeat": 1, "per": "script", "headers": {"retry-after": "2"}}
    async with bench(limit, GOOD, pacer=Pacer(None)) as here:
        assert not here.asked
        moments = []
        here.model._on_request = lambda received: moments.append(time.monotonic())

        async def one(client):
            await client.messages.create(**request())

        client = here.anthropic(retries=0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one, client)
            await anyio.sleep(0.7)
            for _ in range(15):
                tasks.start_soon(one, client)
        assert here.asked == 17
        assert moments[1] - moments[0] >= 2.0
        assert here.troubles == []


@pytest.mark.thorough
async def test_a_provider_that_has_nothing_left_is_left_alone():
    empty = {
        **GOOD,
        "repeat": 1,
        "per": "script",
        "headers": {
            "x-ratelimit-limit-requests": "60",
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": "1s",
        },
    }
    async with bench(empty, GOOD, dialect="openai") as here:
        client = here.openai().chat.completions
        began = time.monotonic()
        await client.create(**request())
        await client.create(**request())
        assert time.monotonic() - began >= 1.0
        assert here.access.waited_s > 0
