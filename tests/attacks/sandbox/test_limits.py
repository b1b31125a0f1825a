"""What uses too much is ended, with what it started, and the machine lives: with real bombs.

However broken the code is, they come to 150 processes and a gigabyte and no further: a group around
all of it holds root's, and the kernel's own limit those of others (`test_ordinary_user`).
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from ledger.model import CommandWorker, Gate
from tests.support.project import Project, task
from tests.support.sandboxed import Cell, needs_sandbox
from workers import groups, warden
from workers.groups import Home, group_homes, make_groups, sweep_groups

pytestmark = needs_sandbox

PROCESSES, MEMORY_GB = 64, 0.2
FORK_BOMBS = {
    "forks for ever": """python3 -c "
import os
while True:
    try: os.fork()
    except OSError: pass" """,
    "forks and hides": """python3 -c "
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(400):
    try:
        if os.fork() == 0: os.setsid(); time.sleep(30)
    except OSError: time.sleep(0.01)
time.sleep(30)" """,
    "threads": """python3 -c "
import threading, time
while True:
    try: threading.Thread(target=time.sleep, args=(30,)).start()
    except RuntimeError: time.sleep(0.01)" """,
}
MEMORY_BOMBS = {
    "one that grows": """python3 -c "
import time
held = []
for _ in range(200): held.append(bytearray(5_000_000))
time.sleep(30)" """,
    "many small ones": """for n in 1 2 3 4 5 6 7 8; do python3 -c "
import time
held = bytearray(45_000_000); time.sleep(30)" & done; wait""",
    "files in memory": "head -c 300000000 /dev/zero > /dev/shm/x; sleep 30",
    "files in several folders": "for d in /tmp /var/tmp ~; do head -c 90000000 /dev/zero > $d/x;"
    " done; sleep 30",
}
HARMLESS = {
    "many threads, few at a time": "for n in $(seq 200); do true & wait; done",
    "shared pages": """python3 -c "
import os, time
held = bytearray(60_000_000)
for _ in range(8):
    if os.fork() == 0: time.sleep(1.0); os._exit(0)
for _ in range(8): os.wait()" """,
    "much read and written": "head -c 250000000 /dev/zero > big && cat big > /dev/null && rm big",
}


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cell]:
    made = Cell(tmp_path_factory.mktemp("c"), processes=PROCESSES, memory_gb=MEMORY_GB)
    yield made
    made.close()


@pytest.fixture(params=["the kernel counts", "orch counts"])
def counted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Both ways to hold a child to its limits, as far as this machine and user have them."""
    homes = group_homes()
    by_kernel = request.param == "the kernel counts"
    if by_kernel and {count for home in homes for count in home.counts} != {"memory", "pids"}:
        pytest.skip("no control groups can be made here")
    home = next((home for home in homes if "pids" in home.counts), None)
    if home is None and os.geteuid() == 0:
        pytest.skip("nothing would hold root's bombs if orch did not")
    with _held(home, 150) if home is not None else nullcontext():
        if not by_kernel:
            monkeypatch.setattr(groups, "group_homes", lambda: ())
        yield request.param


@contextmanager
def _held(home: Home, processes: int) -> Iterator[None]:
    """This process and what it starts in a group of its own, also where the code is broken."""
    name = f"around.{os.getpid()}"
    (home.folder / name).mkdir()
    try:
        (home.folder / name / "pids.max").write_text(str(processes))
        (home.folder / name / "cgroup.procs").write_text(str(os.getpid()))
        groups._where.cache_clear()
        yield
    finally:
        (home.folder / "cgroup.procs").write_text(str(os.getpid()))
        groups._where.cache_clear()
        until = time.monotonic() + 5
        while time.monotonic() < until:
            try:
                (home.folder / name).rmdir()
                break
            except OSError:
                time.sleep(0.05)


@pytest.mark.parametrize("what", FORK_BOMBS)
@pytest.mark.sample(2)
def test_a_fork_bomb_is_ended(cell: Cell, counted: str, what: str) -> None:
    code, _, ended = cell.run(FORK_BOMBS[what], timeout_s=60)
    assert (ended.reason, code) == ("limit", None)
    assert ended.why == "it had more than 64 processes"
    assert ended.survivors == () and ended.duration_s < 30
    assert cell.run("echo on")[1] == "on\n"


@pytest.mark.parametrize("what", MEMORY_BOMBS)
@pytest.mark.sample(3)
def test_a_memory_bomb_is_ended(cell: Cell, counted: str, what: str) -> None:
    code, _, ended = cell.run(MEMORY_BOMBS[what], timeout_s=60)
    assert (ended.reason, code) == ("limit", None)
    assert ended.why == "it used more than 0.2 GB of memory"
    assert ended.survivors == () and ended.duration_s < 30
    assert cell.run("echo on")[1] == "on\n"


@pytest.mark.parametrize("what", HARMLESS)
@pytest.mark.sample(3)
def test_what_stays_within_is_left_alone(cell: Cell, counted: str, what: str) -> None:
    code, said, ended = cell.run(HARMLESS[what])
    assert code == 0, (said, ended)


def test_a_part_that_was_ended_makes_no_success(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe's exit code is that of its last part, and it may be over before anybody looks."""
    if not group_homes():
        pytest.skip("where orch counts it is as quick as it looks")
    monkeypatch.setattr(warden, "LOOK_S", 3600.0)
    bomb = MEMORY_BOMBS["one that grows"].strip()
    _, _, ended = cell.run(f"{bomb} | cat; exit 0", timeout_s=60)
    assert (ended.reason, ended.exit_code) == ("limit", None)


RAISES = (
    "for f in $(find /sys/fs/cgroup -name 'pids.max' -o -name 'memory*max' -o -name"
    " 'memory*limit_in_bytes'); do echo 99999999999 > $f && exit 0; done; exit 1",
    "for f in $(find /sys/fs/cgroup -name cgroup.procs); do echo $$ > $f && exit 0; done; exit 1",
    "mkdir $(find /sys/fs/cgroup -type d) 2>/dev/null; mkdir /sys/fs/cgroup/pids/mine",
    "ulimit -f unlimited",
    "mkdir /tmp/g && mount -t cgroup2 none /tmp/g",
)


@pytest.mark.parametrize("command", RAISES)
def test_it_cannot_raise_its_limits(cell: Cell, command: str) -> None:
    code, said, _ = cell.run(command)
    assert code != 0, said


def test_nothing_of_its_groups_is_left(cell: Cell) -> None:
    cell.run("true")
    cell.run("sleep 30", timeout_s=0.3)
    assert _groups(f"orch.{cell.run_mark}.") == []


@pytest.mark.skipif(not group_homes(), reason="no control groups can be made here")
def test_groups_of_a_dead_engine_are_swept_and_no_others() -> None:
    made = [make_groups(f"sweep-{n}@x", memory_bytes=10**9, processes=50) for n in (1, 10)]
    try:
        sweep_groups("sweep-1@x", everywhere=True)
        assert _groups("orch.sweep-1@x.") == []
        assert _groups("orch.sweep-10@x.") != []
        sweep_groups("sweep-10@x", everywhere=False)
        assert _groups("orch.sweep-") == []
    finally:
        for one in made:
            assert one is not None and one.remove()


@pytest.mark.skipif(not group_homes(), reason="no control groups can be made here")
def test_a_group_that_cannot_be_made_is_no_verdict(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tuple(Home(home.folder / "gone", home.version, home.counts) for home in group_homes())
    monkeypatch.setattr(groups, "group_homes", lambda: gone)
    _, said, ended = cell.run("echo never")
    assert (ended.reason, said) == ("not-started", "")


def test_a_bomb_in_a_tree_is_the_trees_fault_and_one_on_the_base_is_nobodys(
    tmp_path: Path,
) -> None:
    project = Project(tmp_path, {"run.sh": ". ./part\n", "part": "exit 0\n"})
    project.sandbox = "bubblewrap"
    bomb = MEMORY_BOMBS["one that grows"].strip()
    plants = f"cat > part <<'E'\n{bomb}\nE\n"
    project.more_settings = {
        "worker": "w",
        "workers": {"w": CommandWorker(kind="command", command=plants)},
        "sandbox": project.settings().sandbox.model_copy(update={"memory_gb": MEMORY_GB}),
    }
    project.gates = (Gate(name="tests", command="sh run.sh", timeout_s=60),)
    state = project.run(task("one", paths=()), attempts=1, rounds=1)
    assert state.tasks["one"].status == "failed"
    verdicts = [getattr(fact, "verdict", None) for fact in project.facts(state.run)]
    why = {verdict.why for verdict in verdicts if verdict and verdict.outcome == "failed"}
    assert why == {"it used more than 0.2 GB of memory; on the base it did not"}

    project.commit({"part": bomb}, "a bomb of the user's own")
    state = project.run(task("two", paths=()), attempts=1, rounds=1)
    assert state.baseline_verdicts["tests"].outcome == "could-not-run"
    assert state.baseline_verdicts["tests"].why == "it used more than 0.2 GB of memory"


def test_a_worker_that_uses_too_much_has_failed(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.sandbox = "bubblewrap"
    bomb = MEMORY_BOMBS["one that grows"].strip()
    project.more_settings = {
        "worker": "w",
        "workers": {"w": CommandWorker(kind="command", command=f"echo x > new; {bomb}")},
        "sandbox": project.settings().sandbox.model_copy(update={"memory_gb": MEMORY_GB}),
    }
    state = project.run(task("one", paths=()), attempts=1)
    last = state.tasks["one"].last
    assert last and last.finished and last.finished.outcome == "failed"
    assert last.finished.why == "it used more than 0.2 GB of memory"


def _groups(prefix: str) -> list[Path]:
    places = [home.folder for home in group_homes()]
    return [path for place in places for path in place.glob(f"{prefix}*")]
