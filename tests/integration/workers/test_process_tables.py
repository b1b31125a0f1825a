"""Both ways to see processes see the same, and a process is never taken for a later one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest

from workers.alive import Process, Table, is_tag_of_run, is_within, send, tag_of, tagging
from workers.alive_portable import PortableTable


def tables() -> list[Table]:
    if sys.platform != "linux":
        return [PortableTable()]
    from workers.alive_linux import LinuxTable

    without_lists = LinuxTable()
    without_lists._lists_children = False  # as on a kernel without CONFIG_PROC_CHILDREN
    return [LinuxTable(), without_lists, PortableTable()]


@pytest.fixture(params=tables(), ids=["linux", "linux without lists", "portable"][-len(tables()) :])
def table(request):
    return request.param


@pytest.fixture
def family():
    """A child in a session of its own with two children, and a mark with an odd name nearby."""
    script = "import subprocess as s, sys; a = [s.Popen(['sleep', '600']) for _ in range(2)];"
    child = subprocess.Popen(
        [sys.executable, "-c", script + "print('up', flush=True); a[0].wait()"],
        env={"XORCH_MARK": "wrong", "ORCH_MARK": "tables/ä/1/x", "Z": "z"},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    child.stdout.readline()
    below = psutil.Process(child.pid).children()
    yield child
    for found in below:
        found.kill()
    child.kill()
    child.communicate()


def test_a_family_is_seen(table, family):
    seen = table.see(family.pid)

    assert seen.process.pid == family.pid and seen.parent == os.getpid() and not seen.zombie
    assert seen.session == family.pid
    assert family.pid in table.children(os.getpid()) & set(table.mine())
    assert len(table.children(family.pid)) == 2
    assert table.below([family.pid]) == table.children(family.pid) <= table.below([os.getpid()])
    assert table.mark(family.pid) == "tables/ä/1/x"
    assert table.tag(family.pid) is None


ADOPTER = """
import subprocess, sys, threading, time
from workers.alive import become_subreaper, system_table
assert become_subreaper()
# Whoever started it: a thread that is gone again.
words = ["sh", "-c", "(setsid sleep 600 > /dev/null 2>&1 &); exit 0"]
starter = threading.Thread(target=lambda: subprocess.run(words, check=True))
starter.start()
starter.join()
deadline = time.monotonic() + 30
words = lambda pid: open(f"/proc/{pid}/cmdline").read().replace("\\0", " ")
found = []
while not found and time.monotonic() < deadline:
    time.sleep(0.01)
    # At first it is still about to become that.
    found = [pid for pid in system_table().adopted() if words(pid) == "sleep 600 "]
for pid in found:
    print("found")
    subprocess.run(["kill", "-KILL", str(pid)], check=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has subreapers")
def test_orphans_come_to_the_first_thread_of_who_takes_them_in():
    said = subprocess.run(
        [sys.executable, "-c", ADOPTER], capture_output=True, text=True, check=True, timeout=60
    )
    assert said.stdout == "found\n"


def test_the_dead_are_seen_to_be_dead(table):
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert table.see(child.pid).zombie
    child.wait()

    assert table.see(child.pid) is None
    assert table.children(child.pid) == set()
    with pytest.raises(ProcessLookupError):
        table.mark(child.pid)


def test_a_later_process_with_the_same_pid_is_not_signalled(table, family):
    now = table.see(family.pid).process

    send(table, Process(now.pid, now.start + 1), signal.SIGKILL)
    assert family.poll() is None
    send(table, now, signal.SIGKILL)
    assert family.wait(10) == -signal.SIGKILL
    send(table, now, signal.SIGKILL)  # and one that is gone is no error


@pytest.mark.skipif(sys.platform != "linux", reason="tags are limits that only Linux has")
def test_a_tag_outlives_a_wiped_environment_and_is_not_kept_by_us():
    import resource

    before = resource.getrlimit(10)
    with tagging(tag_of("run/a/1/x", 1)):
        child = subprocess.Popen(["setsid", "env", "-i", "/bin/sleep", "600"])
    try:
        assert resource.getrlimit(10) == before
        tag = tables()[0].tag(child.pid)
        assert tag == tag_of("run/a/1/x", 1) != tag_of("run/a/1/x", 2)
        assert is_tag_of_run(tag, "run") and not is_tag_of_run(tag, "running")
    finally:
        child.kill()
        child.wait()


def test_a_mark_is_within_whole_components_only():
    assert is_within("run/a/1/x", "run/a/1") and is_within("run/a/1/x", "run/a/1/")
    assert is_within("run", "run")
    assert not is_within("run/a/10/x", "run/a/1") and not is_within("running/a", "run")
