"""Locks that dead git processes left are cleared, and nobody else's."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.worktree.support import RUN, Scene
from worktree.git import RefUpdate
from worktree.landing import open_result
from worktree.names import candidate_ref, tip_ref
from worktree.ref_locks import announced, clear_locks
from worktree.values import GitError, RefMoved


@pytest.fixture
def lock(scene: Scene) -> Path:
    return scene.user / ".git/packed-refs.lock"


def announcements(scene: Scene) -> list[str]:
    return [path.name for path in (scene.user / ".git/orch").glob("deletes-refs-*")]


def dead_engine_announced(scene: Scene) -> None:
    """As an engine that died while its git deleted refs."""
    state = scene.git.state_folder
    code = (
        "import os, pathlib\n"
        "from worktree.ref_locks import announced\n"
        f"with announced(pathlib.Path({str(state)!r})): os._exit(9)\n"
    )
    subprocess.run((sys.executable, "-c", code), check=False)
    assert announcements(scene)


def test_only_our_own_stale_locks_are_cleared(scene: Scene):
    open_result(scene.git, RUN, scene.base)
    ours = scene.user / f".git/{tip_ref(RUN)}.lock"
    theirs = scene.user / ".git/refs/heads/main.lock"
    ours.touch()
    theirs.touch()
    assert clear_locks(scene.git, RUN) == (ours,)
    assert theirs.exists() and not ours.exists()


def test_deleting_refs_leaves_nothing(scene: Scene):
    ref = candidate_ref(RUN, "1")
    scene.git.update_refs([RefUpdate(ref, scene.base, None)])
    with pytest.raises(RefMoved):
        scene.git.update_refs([RefUpdate(ref, None, "1" * 40)])
    assert not announcements(scene)
    scene.git.update_refs([RefUpdate(ref, None, scene.base)])
    assert not announcements(scene)


def test_a_lock_that_a_dead_engines_git_left_is_cleared(scene: Scene, lock: Path):
    dead_engine_announced(scene)
    lock.touch()
    assert clear_locks(scene.git, RUN) == (lock,)
    assert not lock.exists() and not announcements(scene)


def test_a_git_of_ours_that_was_killed_in_the_transaction_is_made_good(scene: Scene, lock: Path):
    """A real git, ended while it holds the lock, as a full machine ends it."""
    ref = candidate_ref(RUN, "1")
    scene.git.update_refs([RefUpdate(ref, scene.base, None)])
    scene.plain("pack-refs", "--all")
    env = scene.environ
    with pytest.raises(GitError), announced(scene.git.state_folder):
        child = subprocess.Popen(
            ("git", "update-ref", "--stdin"), cwd=scene.user, env=env, stdin=subprocess.PIPE
        )
        assert child.stdin
        child.stdin.write(f"start\ndelete {ref}\nprepare\n".encode())
        child.stdin.flush()
        until = time.monotonic() + 20
        while not lock.exists() and time.monotonic() < until:
            time.sleep(0.01)
        assert lock.exists()
        assert clear_locks(scene.git, "other") == (), "a git is at work"
        child.kill()
        child.wait()
        raise GitError("it was ended")
    with pytest.raises(GitError):
        scene.git.update_refs([RefUpdate(ref, None, scene.base)])
    assert lock in clear_locks(scene.git, RUN)
    scene.git.update_refs([RefUpdate(ref, None, scene.base)])


def test_a_lock_that_nobody_of_ours_can_have_left_stays(scene: Scene, lock: Path):
    lock.touch()
    assert clear_locks(scene.git, RUN) == ()
    old_ns = time.time_ns() - 5_000_000_000
    os.utime(lock, ns=(old_ns, old_ns))
    dead_engine_announced(scene)
    assert clear_locks(scene.git, RUN) == () and lock.exists(), "it was there before"


def test_while_a_git_is_at_work_in_the_repository_the_lock_stays(scene: Scene, lock: Path):
    dead_engine_announced(scene)
    lock.touch()
    env = scene.environ
    with subprocess.Popen(
        ("git", "cat-file", "--batch"), cwd=scene.user, env=env, stdin=subprocess.PIPE
    ) as theirs:
        assert clear_locks(scene.git, RUN) == () and lock.exists()
        assert theirs.stdin
        theirs.stdin.close()
        theirs.wait()
    assert clear_locks(scene.git, RUN) == (lock,)


def test_a_lock_from_before_the_machine_started_goes(scene: Scene, lock: Path):
    lock.touch()
    os.utime(lock, (1000, 1000))
    assert clear_locks(scene.git, RUN) == (lock,)
