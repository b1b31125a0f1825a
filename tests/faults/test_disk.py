"""A full disk: for the workspaces, for the repository, for the ledger, and for one file.

The small disks are file systems in memory, mounted where only the commands of one test see them.
That needs root, or user namespaces; a limit on the size of files, which everybody may set, stands
in for the rest.
"""

from __future__ import annotations

import os
import resource
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.cli import ORCH, Said, User, ended_with, no_defect, refused

OWN_MOUNTS = (
    ("unshare", "--mount") if os.geteuid() == 0 else ("unshare", "--map-root-user", "--mount")
)
MEGABYTE = 1 << 20


def mounts_possible() -> bool:
    if shutil.which("unshare") is None:
        return False
    words = (*OWN_MOUNTS, "mount", "-t", "tmpfs", "tmpfs", "/mnt")
    return subprocess.run(words, capture_output=True, timeout=20, check=False).returncode == 0


needs_mounts = pytest.mark.skipif(
    not mounts_possible(), reason="a disk of a test's own needs root or user namespaces (Linux)"
)


def on_small_disk(user: User, place: Path, size_bytes: int, script: str) -> str:
    """Run a shell script where that folder is a small disk with what the folder holds; its output.

    In the script: `orch` and `said NAME COMMAND...`, which keeps what a command said and how it
    ended; `grow` makes the disk large. The disk's content is copied back at the end.
    """
    place.mkdir(parents=True, exist_ok=True)
    kept = user.home / "disk"
    whole = f"""
    set -e
    mkdir -p {q(kept)}; cp -a {q(place)}/. {q(kept)}/
    mount -t tmpfs -o size={size_bytes},mode=700 tmpfs {q(place)}
    cp -a {q(kept)}/. {q(place)}/
    cd {q(user.root)}
    orch() {{ {q(ORCH)} "$@"; }}
    grow() {{ mount -o remount,size=256m {q(place)}; }}
    said() {{ name=$1; shift; set +e
        "$@" > {q(user.home)}/$name.out 2> {q(user.home)}/$name.err
        echo $? > {q(user.home)}/$name.code; set -e; }}
    {script}
    cd /
    rm -rf {q(kept)}; mkdir {q(kept)}; cp -a {q(place)}/. {q(kept)}/
    """
    done = subprocess.run(
        (*OWN_MOUNTS, "sh", "-c", whole), env=user.environ, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.rmtree(place)
    kept.rename(place)
    return done.stdout


def q(path: Path) -> str:
    return shlex.quote(str(path))


def heard(user: User, name: str) -> Said:
    """What was said in the script under that name."""
    code, out, err = ((user.home / f"{name}.{part}").read_text() for part in ("code", "out", "err"))
    return Said(int(code), out, err)


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path / "home")


def whole(user: User) -> None:
    """The repository is sound, and nothing of orch's is left in it."""
    user.git("fsck", "--strict")
    assert not user.left()


# --- the workspaces' disk ----------------------------------------------------------------------


@needs_mounts
@pytest.mark.thorough
def test_no_room_for_a_workspace_ends_the_run_and_resume_goes_on(user: User) -> None:
    """Git only says `unable to write file`; the disk says why."""
    (user.root / "large.bin").write_bytes(os.urandom(3 * MEGABYTE))
    user.commit({}, "large")
    user.plan("known")
    ended_with(user.orch("run"), 0)  # the base needs no workspace any more
    user.plan("a", ("b", ["a"]))
    before = user.things()
    script = "said run orch run; said status orch status; grow; said resume orch resume"
    on_small_disk(user, user.state, 2 * MEGABYTE, script)
    said = heard(user, "run")
    ended_with(said, 4, "orch resume")
    ended_with(heard(user, "status"), 0, "orch resume")
    ended_with(heard(user, "resume"), 0)
    assert user.result()["b.txt"] == "by b"
    assert user.things() == before
    whole(user)


@needs_mounts
def test_a_worker_that_fills_the_disk_harms_only_its_own_task(user: User) -> None:
    user.settings(
        worker='test "$ORCH_TASK" != glutton || { cat /dev/zero > zeros; exit 1; };'
        ' echo > "$ORCH_TASK.txt"',
        run="attempts = 1\nparallel = 1",
    )
    user.commit({}, "worker")
    user.plan("glutton", "a", ("b", ["a"]))
    on_small_disk(user, user.state, 20 * MEGABYTE, "said run orch run")
    said = heard(user, "run")
    no_defect(said)
    assert said.exit_code in (1, 5) and "glutton" in said.words, said
    assert {"a.txt", "b.txt"} <= set(user.result())
    whole(user)


@needs_mounts
def test_below_the_floor_nothing_starts_and_nothing_is_lost(user: User) -> None:
    user.settings()
    text = (
        (user.root / ".agent/orch.toml").read_text().replace("min_free_gb = 0", "min_free_gb = 0.1")
    )
    user.write({".agent/orch.toml": text})
    user.commit({}, "floor")
    user.plan("a")
    script = "said run orch run; grow; said resume orch resume"
    on_small_disk(user, user.state, 50 * MEGABYTE, script)
    ended_with(heard(user, "run"), 4, "free", "orch resume")
    ended_with(heard(user, "resume"), 0)
    assert "a.txt" in user.result()
    whole(user)


# --- the repository's disk ---------------------------------------------------------------------

FILL = "dd if=/dev/zero of=.git/filler bs=4k 2>/dev/null || true; sync"


@needs_mounts
def test_a_repository_on_a_full_disk_is_refused_and_goes_on_with_room(user: User) -> None:
    user.plan("a")
    ended_with(user.orch("run"), 0)
    before = user.things()
    script = (
        f"{FILL}; said run orch run; said accept orch accept; rm .git/filler; said after orch run"
    )
    on_small_disk(user, user.root, 16 * MEGABYTE, script)
    refused(heard(user, "run"), 4, "full", "orch clean")
    refused(heard(user, "accept"), 4, "full")
    ended_with(heard(user, "after"), 0)
    assert user.things() == before
    whole(user)


LOOKS = {
    "status": "a",
    "status --json": "landed",
    "status --watch": "a",
    "show": "a",
    "show a": "a",
    "log a": "",
    "diff a": "by a",
    "report": "a",
    "wait": "a",
    "plan": "a",
    "ledger events": "RunStarted",
    "ledger export": "session_id",
    "ledger verify": "agrees",
}


@needs_mounts
@pytest.mark.thorough
def test_on_a_full_disk_one_can_still_look(user: User) -> None:
    user.plan("a")
    ended_with(user.orch("run"), 0)
    looks = "; ".join(f"said '{words}' orch {words}" for words in LOOKS)
    on_small_disk(user, user.root, 16 * MEGABYTE, f"{FILL}; {looks}; said doctor orch doctor")
    for words, word in LOOKS.items():
        ended_with(heard(user, words), 0, word)
    ended_with(heard(user, "doctor"), 2, "nothing can be committed or recorded", "df -h")


@needs_mounts
@pytest.mark.thorough
def test_a_repository_that_gets_full_while_a_run_goes_on(user: User) -> None:
    """Objects, refs and the ledger have no room; with room again the run ends as it would have."""
    user.settings(
        worker=f'test "$ORCH_ATTEMPT" != 1 || test -e "{user.home}/filled" ||'
        f' {{ touch "{user.home}/filled"; dd if=/dev/zero of="{user.root}/.git/filler" bs=4k;'
        ' head -c 3000000 /dev/urandom > "$ORCH_TASK.txt"; exit 0; } 2>/dev/null;'
        ' printf "by %s\\n" "$ORCH_TASK" > "$ORCH_TASK.txt"'
    )
    user.commit({}, "worker")
    user.plan("a", ("b", ["a"]))
    before = user.things()
    script = """
    said run orch run; said status orch status
    rm .git/filler; said resume orch resume"""
    on_small_disk(user, user.root, 16 * MEGABYTE, script)
    said = heard(user, "run")
    no_defect(said)
    assert said.exit_code == 4 and "full" in said.words, said
    ended_with(heard(user, "status"), 0, "orch resume")
    ended_with(heard(user, "resume"), 0)
    assert user.result()["b.txt"] == "by b"
    assert user.things() == before
    whole(user)


# --- one file, for everybody -------------------------------------------------------------------


@contextmanager
def file_size_limit(size_bytes: int) -> Iterator[Callable[[], None]]:
    """What sets the limit in a child: no file of it may grow beyond that."""
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, resource.RLIM_INFINITY))


@pytest.mark.thorough
def test_a_limit_on_files_that_the_ledger_meets(user: User) -> None:
    user.plan("a")
    before = user.things()
    with file_size_limit(20_000) as limited:
        said = user.orch("run", before=limited)
    refused(said, 4, "full (or a size limit was reached)")
    assert user.things() == before and not user.left()
    ended_with(user.orch("run"), 0)
    whole(user)


@pytest.mark.thorough
def test_a_limit_on_files_that_a_workers_change_meets(user: User) -> None:
    """One object is too large, whatever room there is: not the run ends, but its task is held."""
    user.settings(worker='head -c 1000000 /dev/urandom > "$ORCH_TASK.txt"')
    user.commit({}, "worker")
    user.plan("a")
    before = user.things()
    with file_size_limit(600_000) as limited:
        said = user.orch("run", before=limited)
    ended_with(said, 5, "a limit on the size of files was reached", "orch retry a")
    assert user.things() == before and not user.left()
    ended_with(user.orch("retry", "a"), 0)
    assert "a.txt" in user.git("ls-tree", "--name-only", f"refs/orch/{user.run_id()}/tip")


def test_a_limit_on_files_leaves_no_half_written_object(user: User) -> None:
    user.settings(worker='head -c 1000000 /dev/urandom > "$ORCH_TASK.txt"')
    user.commit({}, "worker")
    user.plan("a")
    with file_size_limit(600_000) as limited:
        user.orch("run", before=limited)
    assert not user.left()
