"""What a sandbox lets a worker and a gate do, and what it does not, with the real bubblewrap."""

import hashlib
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.scenarios import FULL
from tests.support.sandboxed import Cell, needs_sandbox

pytestmark = needs_sandbox

FETCH = "python3 -c \"import socket; socket.create_connection(('{}', {}), 3)\""


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cell]:
    cell = Cell(tmp_path_factory.mktemp("worker"))
    yield cell
    cell.close()


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cell]:
    cell = Cell(tmp_path_factory.mktemp("gate"), "gate")
    yield cell
    cell.close()


WANTED = (
    "echo two >> a.txt && rm src/b.py && git checkout -q -- . && test -e src/b.py",
    "mkdir -p new/deep && echo x > new/deep/file && chmod +x new/deep/file && rm -r new",
    'echo x > "$TMPDIR/x" && rm "$TMPDIR/x"',
    "echo x > /tmp/x && rm /tmp/x && echo y > /var/tmp/y && echo z > ~/z && echo s > /dev/shm/s",
    "git status && git log --oneline && git diff && git show HEAD:a.txt && git ls-files",
    "git rev-parse --show-toplevel && git branch --list && git describe --always",
    f"'{sys.executable}' -c 'import sqlite3, ssl, multiprocessing; print(1)'",
    f'\'{sys.executable}\' -m venv --without-pip "$TMPDIR/v" && rm -r "$TMPDIR/v"',
    'test "$(id -un)" = agent && test ~ = /home/agent',
    "python3 -c \"import socket, threading; s = socket.create_server(('127.0.0.1', 0));"
    ' socket.create_connection(s.getsockname())"',
    "(sleep 0.05; echo late) & wait",
    "sh -c 'kill -TERM $$'; test $? -eq 143",
    "cat /proc/self/status > /dev/null && ls /usr/bin > /dev/null && test -r /etc/passwd",
    "set -e; python3 - <<'E'\nimport multiprocessing as m\nm.Semaphore(1)\nE",
)


@pytest.mark.parametrize("command", WANTED)
@pytest.mark.sample(6)
def test_a_worker_may(worker: Cell, command: str) -> None:
    code, said, ended = worker.run(command)
    assert code == 0, (said, ended)


@pytest.mark.parametrize("command", WANTED[1:])
@pytest.mark.sample(6)
def test_a_gate_may(gate: Cell, command: str) -> None:
    code, said, ended = gate.run(command)
    assert code == 0, (said, ended)


WITH_GIT = (
    "git add -A && git -c user.name=a -c user.email=a@b commit -qm x --allow-empty &&"
    " git reset -q --hard HEAD^",
    "git switch -qc topic && git switch -q --detach && git branch -D topic",
    "echo x >> a.txt && git -c user.name=a -c user.email=a@b stash && git stash drop",
    "git config user.name somebody && git config core.hooksPath /tmp/hooks && git gc -q",
    "git -c user.name=a -c user.email=a@b tag -am x v1 && git tag -d v1 && git worktree list",
)


@pytest.mark.parametrize("command", WITH_GIT)
def test_a_workers_git_works_into_a_throw_away(worker: Cell, command: str) -> None:
    before = _fingerprint(worker.project.root)
    code, said, _ = worker.run(command)
    assert code == 0, said
    assert _fingerprint(worker.project.root) == before


@pytest.mark.parametrize("command", WITH_GIT)
def test_a_gates_git_cannot_write(gate: Cell, command: str) -> None:
    code, _, _ = gate.run(command)
    assert code != 0


FORBIDDEN = {
    "read the user's checkout": "cat '{root}/a.txt'",
    "write the user's checkout": "test -e '{root}/a.txt' && echo x > '{root}/a.txt'",
    "list the user's home": "ls '{home}'",
    "read another workspace's folder": "ls '{folder}'/kept",
    "rewrite its pointer": "echo 'gitdir: /tmp/x' > '{pointer}'",
    "remove its pointer": "rm -f '{pointer}'",
    "replace its pointer": "echo x > p && mv -f p '{pointer}'",
    "read the ledger": "ls '{common}/orch'",
    "read the repository's configuration": "grep -q Person '{common}/config'",
    "write an object of the repository": "echo x > /run/orch/objects/0/planted",
    "remove the repository's objects": "rm -rf {objects} && ! ls {objects}",
    "write the system": "echo x > /etc/planted",
    "write below the root": "mkdir /planted",
    "read the shadow passwords": "grep -q . /etc/shadow",
    "mount": "mount -t tmpfs none /tmp",
    "make a user namespace": "unshare -U true",
    "become root": "su -c true || sudo -n true",
    "trace the engine": "cat /proc/{engine}/environ | grep -q .",
    "signal the engine": "kill -0 {engine}",
    "see the engine's processes": "ls /proc | grep -qx {engine}",
    "reach this machine by its own address": FETCH.format("{address}", "{port}"),
    "reach a service of this machine": FETCH.format("127.0.0.1", "{port}"),
    "raise a limit": "ulimit -f unlimited",
    "make a device": "mknod dev c 1 3",
    # As Docker's, D-Bus's and an SSH agent's are.
    "reach a socket on disk": 'python3 -c "import socket;'
    " socket.socket(socket.AF_UNIX).connect('{socket}')\"",
    "change the clock": "date -s 2000-01-01",
    # Without one it loads no module, reads no kernel memory, restarts nothing.
    "hold a capability": "grep -qE 'Cap(Eff|Prm|Inh|Amb):.*[1-9a-f]' /proc/self/status",
    "see disks": "ls /dev | grep -qE '^(sd|vd|xvd|nvme|mmcblk|loop|mem|kmsg)'",
    "set what the kernel runs": "cd /proc/sys/kernel && cat core_pattern > /tmp/c &&"
    " cat /tmp/c > core_pattern",
    "read keys of the kernel": "cat /proc/keys",
    "write to /sys": "echo 1 > /sys/kernel/mm/ksm/run",
}
"""Commands that must fail, by what they would do."""


@pytest.mark.parametrize("what", FORBIDDEN)
@pytest.mark.parametrize("kind", ["worker", "gate"])
@pytest.mark.sample(24)
def test_neither_may(request: pytest.FixtureRequest, kind: str, what: str) -> None:
    cell: Cell = request.getfixturevalue(kind)
    folder = Path(tempfile.mkdtemp(prefix="sock-"))  # a short path: sockets take no long one
    with (
        socket.create_server(("", 0)) as service,
        socket.socket(socket.AF_UNIX) as on_disk,
    ):
        on_disk.bind(str(folder / "agent"))
        on_disk.listen()
        port = service.getsockname()[1]
        refuse(cell, FORBIDDEN[what], port=port, socket=folder / "agent", address=own_address())
    shutil.rmtree(folder)


def own_address() -> str:
    """An address of this machine's, not its first one where it has others."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect(("192.0.2.1", 9))  # nothing is sent
        except OSError:
            return "127.0.0.2"
        return str(asked.getsockname()[0])


def refuse(cell: Cell, words: str, **places: object) -> None:
    """The command fails there, and changes nothing of the user's."""
    command = words.format(
        **places,
        root=cell.project.root,
        common=cell.common,
        home=cell.home,
        folder=cell.workspace.folder,
        pointer=cell.workspace.path / ".git",
        engine=os.getpid(),
        objects="/run/orch/objects/0/*",
    )
    before = _fingerprint(cell.project.root)
    code, said, ended = cell.run(command)
    assert code not in (0, None), (command, said, ended)
    assert _fingerprint(cell.project.root) == before


def test_no_setting_of_the_kernel_may_be_written(worker: Cell) -> None:
    # Root's sandboxes own what root owns: only read-only mounts stand between.
    places = "/proc /sys /etc /usr /opt" if FULL else "/proc /sys /etc"
    _, said, _ = worker.run(
        f"find {places} -path '/proc/[0-9]*' -prune -o -type f -writable -print"
        ' 2>/dev/null | while read -r file; do if ( : >> "$file" ); then echo "$file"; fi; done'
    )
    assert [line for line in said.splitlines() if line.startswith("/") and " " not in line] == []


def test_nothing_of_a_command_lives_when_it_has_ended(worker: Cell) -> None:
    code, _, ended = worker.run(
        "setsid sh -c 'trap \"\" TERM; sleep 97' & (setsid sleep 97 &) ; echo started"
    )
    assert code == 0 and not ended.survivors
    assert not [p for p in Path("/proc").glob("[0-9]*/cmdline") if _says(p, b"sleep\x0097")]


def test_a_command_that_is_ended_hears_of_it(worker: Cell) -> None:
    _, said, ended = worker.run(
        "trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done", timeout_s=2.0
    )
    assert ended.reason == "timeout"
    assert "bye" in said


def test_the_environment_of_the_engine_is_nowhere(worker: Cell) -> None:
    os.environ["ORCH_TEST_CANARY"] = "canary-of-the-engine"
    try:
        _, said, _ = worker.run("cat /proc/*/environ | tr '\\0' '\\n'; env")
    finally:
        del os.environ["ORCH_TEST_CANARY"]
    assert "canary-of-the-engine" not in said and str(worker.home) not in said


def test_a_sandbox_that_cannot_be_made_is_no_verdict(worker: Cell) -> None:
    gone = worker.home / "gone"
    code, _, ended = worker.run("echo never", writable=(*worker.confinement.writable, gone))
    assert ended.reason == "not-started" and code is None
    assert "sandbox" in ended.why and "gone" in ended.why


def test_a_file_can_only_be_so_large(tmp_path: Path) -> None:
    cell = Cell(tmp_path, file_gb=0.001)
    code, _, _ = cell.run("head -c 5000000 /dev/zero > big")
    assert code != 0
    assert (cell.workspace.path / "big").stat().st_size <= 1.1e6
    cell.close()


def _says(path: Path, words: bytes) -> bool:
    try:
        return words in path.read_bytes()
    except OSError:
        return False


def _fingerprint(root: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        digest.update(os.fsencode(path))
        if path.is_symlink():
            digest.update(os.fsencode(os.readlink(path)))
        elif path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def test_what_the_settings_let_through_of_the_home_is_found_in_the_childs_own(
    tmp_path: Path,
) -> None:
    cell = Cell(tmp_path, read=["~/.netrc", "~/models"], write=["~/.cache/tool"])
    (cell.home / ".netrc").write_text("machine x")
    (cell.home / "secret").write_text("no")
    (cell.home / ".cache/tool").mkdir(parents=True)
    (cell.home / "models").mkdir()
    code, said, _ = cell.run(
        f"cat ~/.netrc '{cell.home}/.netrc' && echo kept > ~/.cache/tool/x && ls -A ~"
        f" && ! touch ~/models/x && ! test -e '{cell.home}/secret'"
    )
    assert code == 0 and said.count("machine x") == 2, said
    assert (cell.home / ".cache/tool/x").read_text() == "kept\n"
    cell.close()
