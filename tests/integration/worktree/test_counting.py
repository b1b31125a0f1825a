"""A workspace that came back clean is known to be, and one that did not is cleaned."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.worktree.support import FILES, Scene
from worktree.counting import count_entries, count_files
from worktree.door import call
from worktree.git import Answer, Git
from worktree.workspace import Pool


def swap(root: Path) -> None:
    (root / "pkg/one.py").rename(root / "pkg/other.py")


def swap_folder_and_link(root: Path) -> None:
    (root / "pkg").rename(root / "away")
    (root / "pkg").symlink_to("away")


def rewrite(root: Path) -> None:
    (root / "pkg/one.py").write_text("one = 2\n")


def rewrite_with_its_dates(root: Path) -> None:
    file = root / "pkg/one.py"
    before = file.stat()
    file.write_text("one = 2\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def leave_ignored(root: Path) -> None:
    (root / "run.log").write_text("x")


def leave_folder(root: Path) -> None:
    (root / "empty/below").mkdir(parents=True)


def leave_pipe_for_file(root: Path) -> None:
    (root / "pkg/one.py").unlink()
    os.mkfifo(root / "pkg/one.py")


def leave_repository(root: Path) -> None:
    (root / "pkg/.git").mkdir()


def leave_other_case(root: Path) -> None:
    (root / ".GIT").write_text("x")


def lock(root: Path) -> None:
    (root / "pkg/deep").chmod(0)


def make_runnable(root: Path) -> None:
    (root / "pkg/one.py").chmod(0o755)


HABITS = [swap, swap_folder_and_link, rewrite, rewrite_with_its_dates, leave_ignored, leave_folder]
HABITS += [leave_pipe_for_file, leave_repository, leave_other_case, lock, make_runnable]


def tree_of(root: Path) -> dict[str, tuple[int, bytes]]:
    """All that is in a worktree but its pointer; of folders no more than that one may go in."""
    return {
        str(path.relative_to(root)): (
            path.lstat().st_mode & (0o40700 if path.is_dir() else 0o177777),
            path.read_bytes() if path.is_file() else b"",
        )
        for path in root.rglob("*")
        if path != root / ".git"
    }


@pytest.mark.parametrize("habit", HABITS)
def test_what_was_done_to_it_is_undone(tmp_path: Path, habit: Callable[[Path], None]):
    scene = Scene(tmp_path)
    pool = scene.pool()
    workspace = pool.take(scene.base)
    clean = tree_of(workspace.path)
    habit(workspace.path)
    pool.give_back(workspace)
    again = pool.take(scene.base)
    assert again.path == workspace.path
    assert tree_of(again.path) == clean


def test_one_look_of_gits_tells_that_it_is_clean(tmp_path: Path):
    scene = Scene(tmp_path)
    calls: list[str] = []

    def counted(args: tuple[str, ...], **how: Any) -> Answer:
        calls.append(args[0])
        return call(args, **how)

    pool = Pool(Git(scene.git.repository, caller=counted), scene.pools, "orch-x-worker")
    workspace = pool.take(scene.base)
    assert count_files(workspace.path, ()) == count_entries(workspace.index) == len(FILES)
    calls.clear()
    pool.give_back(workspace)
    assert calls == ["diff-files"]


def test_what_is_no_index_lists_nothing(tmp_path: Path):
    assert count_entries(tmp_path / "none") is None
    (tmp_path / "short").write_bytes(b"DIRC\0\0")
    assert count_entries(tmp_path / "short") is None
    (tmp_path / "other").write_bytes(b"x" * 40)
    assert count_entries(tmp_path / "other") is None
