"""What a repository, or a worker's change, may hold: odd names, filters, pointers, bits, links."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.cli import User, ended_with, no_defect

ODD_NAMES = (
    "with space.txt",
    "-rf",
    "--help",
    "Ünïcödé–工程.txt",
    "quote'\"s.txt",
    "back\\slash",
    "star*?[x].txt",
    ":(top)magic",
    "$HOME`id`.txt",
    "deep/-x/ y /z",
)
UNREADABLE_NAMES = (b"two\nlines", b"tab\there", b"\xff\xfe not utf-8", b"\x1b[31mred")


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path / "home")


def free_plan(user: User, *ids: str) -> None:
    """A plan whose tasks may change anything."""
    text = 'goal = "Odd things"\n'
    text += "".join(f'\n[[task]]\nid = "{one}"\nprompt = "do it"\n' for one in ids)
    user.write({".agent/plans/free.toml": text})


def runs(user: User, exit_code: int = 0) -> str:
    """A run here ends so, with the user's things as they were; the run."""
    before = user.things()
    ended_with(user.orch("run"), exit_code)
    assert user.things() == before
    assert not user.left()
    return user.run_id()


# --- names ------------------------------------------------------------------------------------


def test_files_with_odd_names_are_there_changed_and_accepted(user: User) -> None:
    """Also names that no worker may make new: the user has them already."""
    for name in ODD_NAMES:
        user.write({name: "before\n"})
    for raw in UNREADABLE_NAMES:
        Path(os.fsdecode(os.fsencode(user.root) + b"/" + raw)).write_text("before\n")
    user.settings(
        worker="find . -type f ! -path './.*' -exec sh -c 'echo after >> \"$1\"' sh {} \\;"
    )
    user.commit({}, "odd names")
    free_plan(user, "all")
    run = runs(user)
    ended_with(user.orch("diff"), 0)
    ended_with(user.orch("show", "all"), 0)
    ended_with(user.orch("accept"), 0)
    listed = user.git_bytes("ls-tree", "-r", "-z", "--name-only", f"refs/orch/{run}/tip")
    names = {*map(os.fsencode, ODD_NAMES), *UNREADABLE_NAMES}
    assert names <= set(listed.split(b"\0"))
    for name in names:
        path = Path(os.fsdecode(os.fsencode(user.root) + b"/" + name))
        assert path.read_text() == "before\nafter\n", name
    assert user.git("status", "--porcelain") == ""


def test_new_names_that_nobody_can_type_are_refused_and_fed_back(user: User) -> None:
    worker = 'if [ -n "$ORCH_FEEDBACK_FILE" ]; then rm -- -rf; echo ok > fine; else echo > -rf; fi'
    user.settings(worker=worker)
    user.commit({}, "worker")
    free_plan(user, "dash")
    runs(user)
    assert "fine" in user.result() and "-rf" not in user.result()
    assert "-rf" in user.orch("show", "dash").words


@pytest.mark.thorough
def test_a_plan_for_each_item_with_odd_names(user: User) -> None:
    for name in ODD_NAMES:
        user.write({f"odd/{name}": "before\n"})
    user.commit({}, "odd names")
    said = user.orch("plan", "Odd", "--for-each", "git ls-files -z odd | tr '\\0' '\\n'")
    ended_with(said, 0)
    ended_with(user.orch("run", "--dry-run"), 0)


def test_an_item_that_leaves_the_repository_is_refused(user: User) -> None:
    said = user.orch("plan", "Odd", "--for-each", "echo ../secret; echo /etc/passwd")
    no_defect(said)
    assert said.exit_code == 2 and "../secret" in said.err, said


# --- changes that git can make and people forget -----------------------------------------------


@pytest.mark.parametrize(
    ("worker", "mode"),
    [("chmod +x readme", "100755"), ("rm readme; ln -s other readme", "120000")],
    ids=["executable-bit", "link"],
)
@pytest.mark.sample(1)
def test_the_only_change_is_a_mode(user: User, worker: str, mode: str) -> None:
    user.settings(worker=worker)
    user.commit({"other": "x\n"}, "worker")
    free_plan(user, "one")
    run = runs(user)
    assert user.git("ls-tree", f"refs/orch/{run}/tip", "readme").startswith(mode)
    ended_with(user.orch("accept"), 0)
    path = user.root / "readme"
    assert path.is_symlink() if mode == "120000" else os.access(path, os.X_OK)


@pytest.mark.thorough
def test_a_worker_that_deletes_every_file(user: User) -> None:
    """An empty tree is a tree; but orch's own settings are protected."""
    user.settings(worker="rm -rf ./* ./.agent")
    user.commit({}, "worker")
    free_plan(user, "all")
    run = runs(user, 5)
    assert user.status()["counts"] == {"held": 1}
    assert user.git("rev-parse", f"refs/orch/{run}/tip") == user.git("rev-parse", "main")


def test_a_worker_that_commits_switches_and_stashes_by_itself(user: User) -> None:
    user.settings(
        worker="echo one > one; git add one; git -c user.name=x -c user.email=x commit -qm own;"
        " git checkout -q -b elsewhere 2>/dev/null; echo two > two; git stash -q -u 2>/dev/null;"
        " echo three > three"
    )
    user.commit({}, "worker")
    free_plan(user, "git")
    before = user.things()
    said = user.orch("run")
    ended_with(said, 0)
    after = user.things()
    # Without a sandbox a worker can write the repository's refs; nothing else of it changed.
    del before["refs"], after["refs"]
    assert after == before
    assert {"one", "three"} <= set(user.result())


# --- filters, pointers, submodules -------------------------------------------------------------


@pytest.mark.thorough
def test_a_required_filter_does_not_stop_a_run(user: User) -> None:
    """The filter runs in the user's checkout and nowhere else."""
    trace = user.home / "trace"
    program = f"sh -c 'echo ran >> {trace}; tr a-z A-Z'"
    user.git("config", "filter.shout.clean", program)
    user.git("config", "filter.shout.smudge", "tr A-Z a-z")
    user.git("config", "filter.shout.required", "true")
    user.commit({".gitattributes": "*.loud filter=shout\n", "a.loud": "hello\n"}, "filtered")
    assert user.git("show", "HEAD:a.loud") == "HELLO"
    user.settings(worker='test "$(cat a.loud)" = HELLO && echo WORLD >> a.loud')
    user.commit({}, "worker")
    free_plan(user, "one")
    runs(user)
    assert user.result()["a.loud"] == "HELLO\nWORLD"
    ended_with(user.orch("accept"), 0)
    assert (user.root / "a.loud").read_text() == "hello\nworld\n"
    assert user.git("status", "--porcelain") == ""


def test_a_required_filter_whose_program_is_missing(user: User) -> None:
    """Another machine's filter: a run goes on, and accept refuses with nothing lost or lands."""
    user.commit({".gitattributes": "*.x filter=gone\n", "a.x": "x\n"}, "filtered")
    for part in ("clean", "smudge"):
        user.git("config", f"filter.gone.{part}", "no-such-program-at-all")
    user.git("config", "filter.gone.required", "true")
    user.plan("a")
    runs(user)
    before = user.things()
    said = user.orch("accept")
    no_defect(said)
    if said.exit_code:
        assert user.things() == before and "hint:" in said.err, said


POINTER = (
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
)


@pytest.mark.thorough
def test_lfs_pointers_stay_pointers_without_lfs(user: User) -> None:
    user.commit({".gitattributes": "*.bin filter=lfs diff=lfs -text\n", "a.bin": POINTER}, "lfs")
    user.settings(worker="cp a.bin b.bin")
    user.commit({}, "worker")
    free_plan(user, "copy")
    runs(user)
    assert user.result()["a.bin"] == user.result()["b.bin"] == POINTER.strip()
    ended_with(user.orch("doctor"), 0, "LFS", "pointers", "copy_gates")


@pytest.mark.thorough
def test_submodules_are_empty_folders_and_stay_as_they_are(user: User, tmp_path: Path) -> None:
    other = User(tmp_path / "other")
    allow = ("-c", "protocol.file.allow=always")
    user.git(*allow, "submodule", "add", "-q", str(other.root), "library")
    user.git("commit", "-q", "-m", "library")
    assert (user.root / "library" / "readme").exists()
    user.plan("a")
    runs(user)
    ended_with(user.orch("accept"), 0)
    assert (user.root / "library" / "readme").exists()
    assert user.git("status", "--porcelain") == ""
    user.settings(worker="rm -rf library; echo x > library")
    ended_with(user.orch("trust", "--yes"), 0)
    user.commit({}, "worker")
    free_plan(user, "spoil")
    said = user.orch("run")
    ended_with(said, 5, "submodule")


@pytest.mark.thorough
def test_line_ends_of_windows_stay(user: User) -> None:
    user.git("config", "core.autocrlf", "true")
    user.settings(worker='printf "one\\r\\ntwo\\r\\n" > new.txt; printf "more\\r\\n" >> crlf.txt')
    subprocess.run(["sh", "-c", 'printf "a\\r\\n" > crlf.txt'], cwd=user.root, check=True)
    user.git("-c", "core.autocrlf=false", "add", "-A")
    user.git("-c", "core.autocrlf=false", "commit", "-q", "-m", "crlf")
    free_plan(user, "one")
    run = runs(user)
    assert user.git_bytes("show", f"refs/orch/{run}/tip:crlf.txt") == b"a\r\nmore\r\n"


@pytest.mark.thorough
def test_a_repository_of_sha256_objects(tmp_path: Path) -> None:
    user = User(tmp_path, environ={"GIT_DEFAULT_HASH": "sha256"})
    assert len(user.git("rev-parse", "HEAD")) == 64
    user.plan("a")
    runs(user)
    ended_with(user.orch("accept"), 0)
    ended_with(user.orch("ledger", "verify"), 0)
