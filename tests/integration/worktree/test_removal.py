"""Many workspaces are removed at once, and nothing but them."""

import os
from pathlib import Path

import pytest

from tests.integration.worktree.support import Scene
from worktree.removal import remove_trees
from worktree.values import GitError


def deep(folder: Path, levels: int) -> None:
    here = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("deep-deep", dir_fd=here)
        there = os.open("deep-deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = there
    os.close(here)


def test_whole_folders_go_side_by_side_and_links_are_not_followed(tmp_path: Path):
    precious = tmp_path / "precious"
    (precious / "sub").mkdir(parents=True)
    (precious / "sub/file").write_text("p")
    trees = [tmp_path / f"tree{number}" for number in range(6)]
    for tree in trees[:5]:
        for number in range(60):
            path = tree / f"a{number % 5}/b{number % 3}/f{number}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")
        (tree / "link").symlink_to(precious)
        (tree / "a0/link").symlink_to(precious / "sub/file")
        os.mkfifo(tree / "a0/pipe")
    deep(trees[0], 1100)
    (trees[1] / "a1").chmod(0)
    trees[4].rename(tmp_path / "moved")
    trees[4].symlink_to(precious)
    remove_trees(trees)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["moved", "precious"]
    assert (precious / "sub/file").read_text() == "p"


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="nothing that root cannot remove")
def test_one_that_cannot_be_removed_keeps_no_other(tmp_path: Path):
    trees = [tmp_path / name for name in ("a", "b", "c")]
    for tree in trees:
        (tree / "sub").mkdir(parents=True)
        (tree / "sub/file").write_text("x")
    stuck = Path("/proc/self/task")
    with pytest.raises((GitError, OSError)):
        remove_trees([trees[0], stuck, *trees[1:]])
    assert not any(tree.exists() for tree in trees)


def test_a_pool_keeps_no_more_than_will_be_wanted(scene: Scene):
    pool = scene.pool()
    taken = [pool.take(scene.base) for _ in range(4)]
    pool.give_back(taken[0])
    pool.wanted = 2
    pool.give_back(taken[1])
    assert pool.size == 2 and not pool.idle
    pool.give_back(taken[2])
    pool.give_back(taken[3])
    assert pool.size == 2
    entries = [path.name for path in (scene.user / ".git/worktrees").iterdir()]
    trees = [path.name for path in scene.pools.iterdir() if path.name.startswith("orch-")]
    assert sorted(entries) == sorted(trees) and len(trees) == 2
    pool.remove_all()
    assert not scene.pools.exists()


def test_what_a_killed_process_was_dropping_goes_too(scene: Scene):
    pool = scene.pool()
    pool.take(scene.base)
    left = scene.user / ".git/orch/entry-123"
    left.mkdir()
    (left / "HEAD").write_text("x")
    pool.remove_all()
    assert not left.exists()
