"""What is read without git is what git reads, or git is asked."""

import os
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.integration.worktree.support import Scene
from worktree.loose import FOLDERS, LIMIT_BYTES, MISSING, Loose, Object
from worktree.values import parse_raw

NAMES = ("", "pkg", "pkg/one.py", "pkg/deep/three.py", "größe/ü.txt", " odd:name ", "line\nend")
NOWHERE = ("none", "pkg/none", "pkg/one.py/below", "none/pkg", "pkg//one.py", "/pkg", "./pkg")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    made = Scene(tmp_path)
    for name in NAMES[4:]:
        made.write(name, f"in {name}\n")
    (made.user / "link").symlink_to("pkg")
    made.base = made.commit_all("odd names")
    return made


def loose_file(scene: Scene, object_id: str) -> Path:
    return scene.user / ".git/objects" / object_id[:2] / object_id[2:]


def by_git(scene: Scene, name: str) -> Object:
    """The object as git has it."""
    kind = scene.plain("cat-file", "-t", name)
    size = int(scene.plain("cat-file", "-s", name))
    content = scene.git.run("cat-file", kind, name)
    assert len(content) == size
    return Object(kind, size, content)


@pytest.mark.parametrize("path", [*NAMES, "link"])
@pytest.mark.parametrize("root", ["commit", "tree"])
def test_it_is_what_git_reads(scene: Scene, path: str, root: str):
    of = scene.base if root == "commit" else scene.git.tree_of(scene.base)
    expected = by_git(scene, f"{of}:{path}")
    loose = Loose(scene.git.repository)
    assert loose.read(f"{of}:{path}") == loose.read(f"{of}:{path}") == expected
    object_id = scene.plain("rev-parse", f"{of}:{path}")
    assert loose.read(object_id) == expected
    assert loose.size(object_id) == Object(expected.kind, expected.size_bytes)


@pytest.mark.parametrize("path", NOWHERE)
def test_what_a_tree_does_not_hold_is_missing(scene: Scene, path: str):
    assert Loose(scene.git.repository).read(f"{scene.base}:{path}") == MISSING


def test_nothing_of_what_is_packed_is_known_here(scene: Scene):
    file = scene.plain("rev-parse", f"{scene.base}:pkg/one.py")
    scene.plain("gc", "-q")
    loose = Loose(scene.git.repository)
    assert loose.read(scene.base) is loose.read(f"{scene.base}:pkg/one.py") is None
    assert loose.read(file) is loose.size(file) is loose.read("1" * 40) is None


def test_a_packed_folder_below_a_loose_one_is_gits_to_read(scene: Scene):
    scene.plain("gc", "-q")
    scene.write("new.txt", "new\n")
    head = scene.commit_all("more")
    loose = Loose(scene.git.repository)
    found = loose.read(f"{head}:new.txt")
    assert found and found.content == b"new\n"
    assert loose.read(f"{head}:pkg/one.py") is None
    assert loose.read(f"{head}:none") == MISSING


def test_what_is_large_is_gits_to_read(scene: Scene):
    at_most = LIMIT_BYTES - len(f"blob {LIMIT_BYTES}\0")
    for size, known in ((at_most, True), (at_most + 1, False), (5 * LIMIT_BYTES, False)):
        # Nothing that zlib makes smaller, so what it says first comes late.
        (scene.user / "large").write_bytes(os.urandom(size // 2).hex().encode().ljust(size, b"x"))
        name = scene.plain("hash-object", "-w", "large")
        loose = Loose(scene.git.repository)
        assert (loose.read(name) is not None) == known
        assert loose.size(name) == Object("blob", size)


@pytest.mark.parametrize(
    "content",
    [
        zlib.compress(b"blob 6\0other\n"),
        zlib.compress(b"blob 7\0one = 1\n"),
        zlib.compress(b"blob 8\0one = 1\n") + b"more",
        zlib.compress(b"one = 1\n"),
        zlib.compress(b"blob 8\0one = 1\n")[:-8],
        b"no zlib",
        b"",
    ],
)
def test_an_object_that_is_not_what_its_name_says_is_not_read(scene: Scene, content: bytes):
    name = scene.plain("rev-parse", f"{scene.base}:pkg/one.py")
    file = loose_file(scene, name)
    file.chmod(0o644)
    file.write_bytes(content)
    found = Loose(scene.git.repository).read(name)
    assert found is None or found == Object("blob", 8, b"one = 1\n")


def test_a_link_to_another_repository_is_gits_to_look_for(scene: Scene):
    scene.plain("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    scene.plain("commit", "-q", "-m", "linked")
    head = scene.plain("rev-parse", "HEAD")
    assert Loose(scene.git.repository).read(f"{head}:sub") is None


def test_ids_of_sha256_are_read_too(tmp_path: Path):
    scene = Scene(tmp_path, {"a": "one\n"})
    scene.plain("init", "-q", "--object-format=sha256", "-b", "main", "../long")
    scene.user = scene.user.with_name("long")
    scene.write("b/c", "two\n")
    head = scene.commit_all("base")
    assert len(head) == 64
    loose = Loose(scene.open().repository)
    assert loose.read(f"{head}:b/c") == Object("blob", 4, b"two\n")


# --- differences ----------------------------------------------------------------------------------

Tree = dict[str, tuple[str, int]]
"""Mode and number of the content by path."""
PATHS = ("a", "a.b", "a/b", "a/b/c", "a/é", "a-b", "b", "b/a", "ab", "line\nend", "a/b.c")
MODES = ("100644", "100755", "120000", "160000")


def without_clashes(tree: Tree) -> Tree:
    """No file where others have a folder."""
    return {
        path: what
        for path, what in tree.items()
        if not any(other.startswith(f"{path}/") for other in tree)
    }


TREES = st.dictionaries(
    st.sampled_from(PATHS), st.tuples(st.sampled_from(MODES), st.integers(0, 2)), max_size=8
).map(without_clashes)


def store_tree(scene: Scene, tree: Tree) -> str:
    """The tree's id; its files' contents are names that need not be there."""
    index = scene.folder / "index"
    index.unlink(missing_ok=True)
    lines = [f"{mode} {str(what) * 40}\t{path}\0" for path, (mode, what) in tree.items()]
    stdin = "".join(lines).replace("0" * 40, "9" * 40).encode()
    scene.git.run("update-index", "-z", "--add", "--index-info", stdin=stdin, index=index)
    return scene.git.run("write-tree", "--missing-ok", index=index).decode().strip()


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(old=TREES, new=TREES)
@example({"a": ("100644", 1)}, {"a/b": ("100644", 1), "a.b": ("100755", 1)})
@example({"a/b/c": ("100644", 1), "a.b": ("100644", 1)}, {"a": ("120000", 1)})
@example({"a": ("100644", 1)}, {"a": ("100755", 1)})
@example({"a": ("160000", 1)}, {"a": ("120000", 1)})
@example({}, {})
def test_a_difference_is_the_one_that_git_tells(scene: Scene, old: Tree, new: Tree):
    trees = store_tree(scene, old), store_tree(scene, new)
    words = ("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev")
    assert Loose(scene.git.repository).diff(*trees) == parse_raw(scene.git.run(*words, *trees))


def test_the_difference_of_packed_trees_is_gits_to_tell(scene: Scene):
    scene.plain("gc", "-q")
    scene.write("pkg/one.py", "one = 2\n")
    head = scene.commit_all("more")
    loose = Loose(scene.git.repository)
    assert loose.diff(scene.base, head) is None
    (change,) = scene.git.changed_paths(scene.base, head)
    assert (change.status, change.path) == ("M", "pkg/one.py")
    scene.write("pkg/two.py", "two = 3\n")
    newer = scene.commit_all("and more")
    found = Loose(scene.git.repository).diff(head, newer)
    assert found and found == scene.git.changed_paths(head, newer)
    assert [one.path for one in found] == ["pkg/two.py"]


def test_the_difference_of_very_many_folders_is_gits_to_tell(scene: Scene):
    tree = store_tree(scene, {f"f{n}/a": ("100644", 1) for n in range(FOLDERS)})
    none = store_tree(scene, {})
    assert Loose(scene.git.repository).diff(none, tree) is None
    assert len(scene.git.changed_paths(none, tree)) == FOLDERS


@pytest.mark.parametrize("mode", ["100664", "40755"])
def test_modes_of_long_ago_are_gits_to_understand(scene: Scene, mode: str):
    blob = scene.plain("rev-parse", f"{scene.base}:pkg/one.py")
    raw = f"{mode} odd\0".encode() + bytes.fromhex(blob)
    words = ("hash-object", "-t", "tree", "-w", "--literally", "--stdin")
    odd = scene.git.run(*words, stdin=raw).decode().strip()
    assert Loose(scene.git.repository).diff(store_tree(scene, {}), odd) is None
