"""One child: what it prints, how long it may take, how it ends."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time

import anyio
import psutil
import pytest

PYTHON = sys.executable


async def test_a_child_that_succeeds_leaves_its_output_and_no_reason(bench):
    ended = await bench.sh("echo out; echo err >&2; pwd")

    assert (ended.reason, ended.exit_code, ended.signal, ended.why) == ("exited", 0, "", "")
    assert bench.output() == f"out\nerr\n{bench.tree}\n".encode()
    assert ended.tail == ("out", "err", str(bench.tree))
    assert ended.output_bytes == len(bench.output()) and not ended.truncated
    assert 0 < ended.duration_s < 10 and ended.survivors == ()


async def test_a_child_that_fails_says_how(bench):
    failed = await bench.sh("echo the reason; exit 7")
    crashed = await bench.sh("kill -SEGV $$")

    assert (failed.exit_code, failed.why) == (7, "exit 7: the reason")
    assert (crashed.reason, crashed.exit_code, crashed.signal) == ("exited", 139, "SIGSEGV")
    assert "SIGSEGV" in crashed.why


async def test_what_cannot_start_is_a_value_that_says_why(bench):
    missing = await bench.run("no-such-program-anywhere")
    nowhere = await bench.run("true", cwd=bench.tree / "gone")
    odd = await bench.run("true\0")
    too_big = await bench.run("true", env={"BIG": "x" * 10_000_000})

    for ended in (missing, nowhere, odd, too_big):
        assert (ended.reason, ended.exit_code) == ("not-started", None)
    assert "no-such-program-anywhere" in missing.why and "No such file" in missing.why
    assert "gone" in nowhere.why and "folder" in nowhere.why
    assert "\0" not in odd.why
    assert "too long" in too_big.why


async def test_a_workspace_deleted_under_a_running_child_ends_nothing_badly(bench):
    ended = await bench.sh(f'rm -rf "{bench.tree}"; echo still here; exit 4')

    assert ended.exit_code == 4 and ended.tail[-1] == "still here"


async def test_a_child_reads_nothing_unless_given_something(bench):
    silent = await bench.sh("cat; echo end", timeout_s=5)
    told = await bench.sh("cat; echo end", stdin=b"a prompt\n" * 50_000)
    deaf = await bench.sh("exec 0<&-; echo end", stdin=b"x" * 5_000_000, timeout_s=5)

    assert silent.tail == ("end",)
    assert told.output_bytes == len(b"a prompt\n") * 50_000 + 4
    assert deaf.tail == ("end",) and deaf.exit_code == 0


async def test_every_child_carries_its_mark_and_a_session_of_its_own(bench):
    ended = await bench.sh('echo "$ORCH_MARK"; ps -o sid= -p $$; echo $$', mark="run/task/2/nonce")

    assert ended.tail[0] == "run/task/2/nonce"
    assert ended.tail[1].strip() == ended.tail[2]


async def test_children_inherit_no_descriptor_of_ours(bench, tmp_path):
    with open(tmp_path / "lock", "w") as lock:
        os.set_inheritable(lock.fileno(), True)
        ended = await bench.sh("ls /dev/fd/ | wc -l; ls -l /proc/self/fd")

    assert "lock" not in "\n".join(ended.tail)


async def test_a_deadline_ends_the_child_with_all_its_children(bench):
    began = time.monotonic()
    ended = await bench.sh("sleep 600 & sh -c 'sleep 601; : $TOKEN' & wait", timeout_s=0.3)

    assert (ended.reason, ended.exit_code, ended.signal) == ("timeout", None, "SIGTERM")
    assert "still running after 0.3 seconds" in ended.why
    assert 0.3 <= time.monotonic() - began < 5
    assert bench.alive() == []


async def test_a_child_may_say_goodbye_when_asked_to_end(bench):
    script = """
import signal, sys, time
def bye(*_):
    print("x" * 3_000_000)   # more than any pipe holds
    print("goodbye"); sys.exit(0)
signal.signal(signal.SIGTERM, bye)
print("ready", flush=True)
time.sleep(60)
"""
    ended = await bench.run(PYTHON, "-c", script, timeout_s=1.0, grace_s=5.0)
    with anyio.move_on_after(1.0):
        await bench.run(PYTHON, "-c", script, grace_s=5.0, log="cancelled")

    assert ended.reason == "timeout" and ended.exit_code is None
    assert ended.tail[-1] == "goodbye"
    assert bench.output("cancelled").endswith(b"goodbye\n")


async def test_cancelling_ends_the_child_before_it_returns(bench):
    began = time.monotonic()
    with anyio.move_on_after(0.4) as scope:
        await bench.sh("trap '' TERM; echo began; while :; do sleep 0.05; : $TOKEN; done")

    assert scope.cancelled_caught
    assert time.monotonic() - began < 5
    assert bench.alive() == []
    assert bench.output() == b"began\n"


async def test_a_cancelled_neighbour_ends_its_own_child_only(bench):
    endings = []

    async def neighbour():
        endings.append(
            await bench.sh("sleep 0.6; echo done", log="neighbour", mark=f"{bench.token}/b/1/n")
        )

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(neighbour)
        with anyio.move_on_after(0.2):
            await bench.sh("sleep 60", mark=f"{bench.token}/a/1/n")

    assert endings[0].exit_code == 0 and endings[0].tail == ("done",)


async def test_nothing_starts_in_a_cancelled_scope(bench):
    with anyio.CancelScope() as scope:
        scope.cancel()
        await bench.sh("touch started")

    assert not (bench.tree / "started").exists()


async def test_a_flood_is_drained_quickly_and_kept_at_both_ends(bench):
    script = "import os\nfor i in range(200): os.write(1, b'%09d\\n' % i * 100_000)\n"
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    ended = await bench.run(PYTHON, "-c", script, log_limit_bytes=1_000_000, timeout_s=60)
    took_s = time.monotonic() - began
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb

    log = bench.output()
    assert ended.exit_code == 0 and ended.output_bytes == 200_000_000 and ended.truncated
    assert log.startswith(b"000000000\n") and log.endswith(b"000000199\n")
    assert b"[orch left out 199,000,000 bytes here]" in log
    assert len(log) < 1_000_100 and grown_kb < 40_000
    assert took_s < 20
    assert list(bench.logs.iterdir()) == [bench.logs / "log"]


async def test_binary_output_is_kept_as_it_is_and_shown_as_text(bench):
    ended = await bench.run(
        PYTHON, "-c", "import os; os.write(1, bytes(range(256)) * 2000)", on_line=bench.lines.append
    )

    assert bench.output() == bytes(range(256)) * 2000
    assert all(line.isprintable() for line in (*ended.tail, *bench.lines))
    assert bench.lines and all(len(line) <= 500 for line in bench.lines)


async def test_the_newest_line_is_offered_now_and_then(bench):
    await bench.sh(
        "for i in 1 2 3 4 5 6 7 8 9; do printf '\\033[31mline %s\\033[0m\\n' $i; sleep 0.05; done;"
        " printf 'no newline'; sleep 0.3; printf ' yet'",
        on_line=bench.lines.append,
    )

    assert bench.lines[0] == "line 1" and bench.lines[-1] == "no newline yet"
    assert "no newline" in bench.lines
    assert 4 <= len(bench.lines) <= 12


async def test_lines_are_offered_seldom_however_much_is_printed(bench):
    await bench.sh("yes", timeout_s=0.55, on_line=bench.lines.append)

    assert 2 <= len(bench.lines) <= 9 and set(bench.lines) == {"y"}


async def test_a_full_disk_costs_the_log_and_not_the_child(bench):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        ended = await bench.sh("head -c 3000000 /dev/zero; echo finished > /dev/null; exit 0")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert ended.exit_code == 0 and ended.output_bytes == 3_000_000
    assert "incomplete" in ended.lost
    assert len(bench.output()) == 100_000


async def test_an_old_log_is_replaced_and_a_planted_link_not_followed(bench, tmp_path):
    treasure = tmp_path / "treasure"
    treasure.write_text("precious")
    bench.logs.mkdir()
    (bench.logs / "log").symlink_to(treasure)

    await bench.sh("echo new")

    assert treasure.read_text() == "precious" and bench.output() == b"new\n"


@pytest.mark.thorough
async def test_sixteen_at_once_keep_to_themselves(bench):
    endings = {}

    async def one(number: int) -> None:
        endings[number] = await bench.sh(
            f"sleep 0.0{number % 9}; sh -c 'sleep 600; : $TOKEN' & echo {number}; exit {number}",
            log=f"log-{number}",
            mark=f"{bench.token}/t{number}/1/n",
        )

    async with anyio.create_task_group() as tasks:
        for number in range(16):
            tasks.start_soon(one, number)

    for number, ended in endings.items():
        assert (ended.exit_code, ended.tail[0]) == (number, str(number))
    assert bench.alive() == []


@pytest.mark.thorough
async def test_a_child_costs_little_to_start_and_nothing_to_wait_for(bench):
    await bench.run("true")
    began_cpu = time.process_time()
    for _ in range(30):
        await bench.run("true")
    started_s = (time.process_time() - began_cpu) / 30
    began_cpu = time.process_time()
    async with anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(lambda n=number: bench.run("sleep", "2", log=f"sleep-{n}"))
    cpu_s = time.process_time() - began_cpu

    # Processor time of ours, on an idle machine 0.7 ms for each, and 0.02 s for all eight.
    assert started_s < 0.03
    assert cpu_s < 0.2


async def test_a_descriptor_is_not_leaked_by_any_ending(bench):
    async def endings() -> None:
        await bench.sh("true", stdin=b"x")
        await bench.run("no-such-program")
        await bench.sh("sleep 60", timeout_s=0.05)
        with anyio.move_on_after(0.05):
            await bench.sh("sleep 60")

    await endings()
    before = psutil.Process().num_fds()
    for _ in range(3):
        await endings()

    assert psutil.Process().num_fds() == before


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="there is nothing to take away here")
async def test_without_pidfd_children_are_waited_for_all_the_same(bench, monkeypatch):
    def refused(pid: int) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", refused)
    ended = await bench.sh("sleep 0.1; exit 3")
    late = await bench.sh("sleep 60; : $TOKEN", timeout_s=0.2)

    assert ended.exit_code == 3
    assert late.reason == "timeout" and late.signal == signal.SIGTERM.name
    assert bench.alive() == []


@pytest.mark.thorough
async def test_the_last_line_after_a_flood_without_line_ends_is_kept(bench):
    ended = await bench.sh(
        "head -c 60000000 /dev/zero | tr '\\0' x; echo; echo the last line; exit 1"
    )

    assert ended.tail[-1] == "the last line"
    content = bench.output()
    assert content.endswith(b"the last line\n") and b"\0" not in content
    assert b"orch left out" in content
