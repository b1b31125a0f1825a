"""No path that a model gives leads out of its workspace, whatever lies in the way."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from workers.model.files import FILE_BYTES, Tree, Unusable


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "tree"
    (root / "src").mkdir(parents=True)
    (root / "src" / "a.py").write_text("inside\n")
    (root / ".git").write_text("gitdir: elsewhere\n")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("a secret\n")
    return Tree(root)


def outside(tree: Tree) -> Path:
    return tree.root.parent / "outside"


@pytest.mark.parametrize(
    "path",
    [
        "../outside/secret",
        "src/../../outside/secret",
        "/etc/passwd",
        "a\0b",
        ".git",
        "./.git",
        "src/.git/hooks/pre-commit",
        ".GIT/config",
        "git~1/config",
        "",
        ".",
        "src",
        "src/a.py/b",
    ],
)
def test_paths_that_lead_elsewhere_are_refused(tree, path):
    with pytest.raises(Unusable):
        tree.read(path)
    with pytest.raises(Unusable):
        tree.write(path, b"x")


def test_an_absolute_path_within_is_taken(tree):
    assert tree.read(str(tree.root / "src/a.py")) == b"inside\n"


@pytest.mark.parametrize("where", ["link", "src/link", "folder/secret", "folder/new"])
def test_links_are_not_followed(tree, where):
    (tree.root / "link").symlink_to(outside(tree) / "secret")
    (tree.root / "src/link").symlink_to("../../outside/secret")
    (tree.root / "folder").symlink_to(outside(tree))
    for touch in (tree.read, lambda path: tree.write(path, b"x")):
        with pytest.raises(Unusable, match="is a symbolic link to"):
            touch(where)
    assert (outside(tree) / "secret").read_text() == "a secret\n"
    assert os.listdir(outside(tree)) == ["secret"]
    with pytest.raises(Unusable, match="symbolic link"):
        tree.entries("folder")
    assert "folder" in {entry.name for entry in tree.entries(".")}
    assert ".git" not in {entry.name for entry in tree.entries(".")}


def test_a_pipe_is_not_waited_for(tree):
    os.mkfifo(tree.root / "pipe")
    began = time.monotonic()
    with pytest.raises(Unusable, match="no plain file"):
        tree.read("pipe")
    with pytest.raises(Unusable):
        tree.write("pipe", b"x")
    assert time.monotonic() - began < 2


def test_a_huge_file_is_not_read(tree):
    with open(tree.root / "huge", "wb") as file:
        file.truncate(FILE_BYTES + 1)
    with pytest.raises(Unusable, match="look into it with `search`"):
        tree.read("huge")


def test_a_folder_that_turns_into_a_link_meanwhile_leads_nowhere(tree):
    """The race: a command of the agent's swaps a folder for a link, again and again."""
    real, link = tree.root / "swap", tree.root / "link"
    real.mkdir()
    (real / "secret").write_text("inside\n")
    link.symlink_to(outside(tree))
    stop = threading.Event()

    def swap() -> None:
        aside = tree.root / "aside"
        while not stop.is_set():
            os.rename(real, aside)
            put(link)
            os.rename(real, link)
            put(aside)

    def put(source: Path) -> None:
        for _ in range(1000):
            try:
                os.rename(source, real)
                return
            except OSError:  # a write made the folder anew, inside
                shutil.rmtree(real, ignore_errors=True)

    swapping = threading.Thread(target=swap)
    swapping.start()
    seen = {"inside": 0, "refused": 0}
    try:
        for number in range(3000):
            try:
                assert tree.read("swap/secret") == b"inside\n"
                tree.write(f"swap/new-{number % 3}", b"x")
                seen["inside"] += 1
            except Unusable:
                seen["refused"] += 1
    finally:
        stop.set()
        swapping.join()
    assert os.listdir(outside(tree)) == ["secret"]
    assert seen["inside"] and seen["refused"], seen


def test_a_file_keeps_its_mode_and_is_replaced_as_a_whole(tree):
    script = tree.root / "run.sh"
    script.write_text("old")
    script.chmod(0o755)
    other = tree.root / "other"
    os.link(script, other)
    assert tree.write("run.sh", b"new") is False
    assert script.stat().st_mode & 0o777 == 0o755
    assert other.read_text() == "old"  # a hard link is parted, not written through
    assert tree.write("deep/er/new.txt", b"n") is True
    assert {path.name for path in tree.root.iterdir()} == {
        *("src", ".git", "run.sh", "other", "deep"),
    }


def test_a_missing_file_is_told_with_names_like_it(tree):
    with pytest.raises(Unusable, match=r"src/b\.py does not exist; beside it there is: a\.py"):
        tree.read("src/b.py")
