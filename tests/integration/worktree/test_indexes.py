"""Which tree an index holds is remembered only for the very file that it was said of."""

import os
from pathlib import Path

from tests.integration.worktree.support import Scene
from worktree.indexes import IndexTrees


def asked(trees: IndexTrees, index: Path) -> bool:
    """Whether git would be asked."""
    questions: list[int] = []

    def ask() -> str:
        questions.append(1)
        return "asked"

    trees.of(index, ask)
    return bool(questions)


def test_it_is_asked_once_and_again_after_any_change(tmp_path: Path):
    trees, index = IndexTrees(), tmp_path / "index"
    index.write_bytes(b"one")
    assert asked(trees, index) and not asked(trees, index)
    index.write_bytes(b"two")
    assert asked(trees, index)
    index.unlink()
    assert asked(trees, index) and asked(trees, index)
    index.write_bytes(b"two")
    assert asked(trees, index)


def test_a_file_in_its_place_is_another_index_though_it_looks_the_same(tmp_path: Path):
    trees, index = IndexTrees(), tmp_path / "index"
    index.write_bytes(b"one")
    trees.note(index, "known")
    before = index.stat()
    other = tmp_path / "other"
    other.write_bytes(b"two")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(index)
    assert asked(trees, index)


def test_a_workspace_whose_index_somebody_else_wrote_is_handed_out_as_it_should_be(scene: Scene):
    pool = scene.pool()
    taken = pool.take(scene.base)
    # As one who got out of the sandbox might: the index says that a file is gone.
    where = {"tree": taken.path, "index": taken.index}
    scene.git.run("update-index", "--force-remove", "--", "pkg/one.py", **where)
    pool.give_back(taken)
    again = pool.take(scene.base)
    assert (again.path / "pkg/one.py").read_text() == "one = 1\n"
    assert scene.git.run("write-tree", index=again.index).decode().strip() == scene.git.tree_of(
        scene.base
    )
