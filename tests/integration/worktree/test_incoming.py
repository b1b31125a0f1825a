"""Objects come into the store whole or not at all, and nothing that is not ours is touched."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.worktree.support import Scene
from worktree.git import GitError
from worktree.workspace import sweep

UNDER_A_LIMIT = """
import os, resource, sys
from pathlib import Path
from worktree.discovery import discover
from worktree.git import Git, GitError
git = Git(discover(Path(sys.argv[1])))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    git.run("hash-object", "-w", "--stdin", stdin=os.urandom(1_000_000))
except GitError as error:
    print(error.kind)
"""

AT_WORK = """
import sys
from pathlib import Path
from worktree.discovery import discover
from worktree.git import Git
git = Git(discover(Path(sys.argv[1])))
for number in range(5):
    git.run("hash-object", "-w", "--stdin", stdin=b"%d" % number)
print(len(list(Path(sys.argv[1]).glob(".git/objects/orch-incoming-*"))))
"""

HOLDER = """
import sys, time
from pathlib import Path
from worktree.discovery import discover
from worktree.git import Git
git = Git(discover(Path(sys.argv[1])))
with git.incoming.folder() as folder:
    place = Path(folder.environment["GIT_OBJECT_DIRECTORY"]) / "ab"
    place.mkdir()
    (place / "tmp_obj_123456").write_text("half")
    print("held", flush=True)
    time.sleep(60)
"""


def store_of(scene: Scene) -> dict[str, int]:
    """Everything in a store, with its mode."""
    store = scene.git.repository.common_dir / "objects"
    paths = {str(path.relative_to(store)): path for path in store.rglob("*")}
    # A folder that is kept for the next time is empty.
    kept = [path for path in paths.values() if path.name.startswith("orch-incoming-")]
    assert not any(list(path.iterdir()) for path in kept)
    return {name: path.lstat().st_mode for name, path in paths.items() if path not in kept}


def write(scene: Scene, text: bytes) -> str:
    return scene.git.run("hash-object", "-w", "--stdin", stdin=text).decode().strip()


def test_a_git_that_died_in_the_middle_leaves_nothing(scene: Scene):
    before = store_of(scene)
    words = (sys.executable, "-c", UNDER_A_LIMIT, scene.user)
    said = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout == "no-space\n"
    assert store_of(scene) == before


def test_a_git_that_misses_its_deadline_leaves_nothing(scene: Scene):
    before = store_of(scene)
    with pytest.raises(GitError) as caught:
        scene.git.run("hash-object", "-w", "--stdin", stdin=os.urandom(3_000_000), timeout_s=0.01)
    assert caught.value.kind == "timeout"
    assert store_of(scene) == before


def test_what_a_killed_process_left_goes_and_what_a_living_one_uses_stays(scene: Scene):
    words = (sys.executable, "-c", HOLDER, scene.user)
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        (held,) = scene.user.glob(".git/objects/orch-incoming-*")
        write(scene, b"first\n")
        sweep(scene.git, scene.pools)
        assert (held / "ab/tmp_obj_123456").exists()
        holder.send_signal(signal.SIGKILL)
    sweep(scene.git, scene.pools)
    assert not held.exists()


def test_the_first_to_write_clears_up_too(scene: Scene):
    left = scene.user / ".git/objects/orch-incoming-1-dead"
    (left / "ab").mkdir(parents=True)
    (left / "ab/tmp_obj_1").write_text("half")
    write(scene, b"x\n")
    assert not left.exists()


def test_what_others_have_half_written_is_left_alone(scene: Scene):
    places = (".git/objects/ab/tmp_obj_123456", ".git/objects/pack/tmp_pack_123456")
    for place in places:
        (scene.user / place).parent.mkdir(exist_ok=True)
        (scene.user / place).write_text("half")
    outside = scene.folder / "outside"
    outside.mkdir()
    (scene.user / ".git/objects/orch-incoming-1-link").symlink_to(outside)
    (outside / "precious").write_text("p")
    write(scene, b"x\n")
    with pytest.raises(GitError):
        scene.git.run("commit-tree", "1" * 40)
    sweep(scene.git, scene.pools)
    assert all((scene.user / place).exists() for place in places)
    assert (outside / "precious").exists()


@pytest.mark.parametrize("shared", ["", "group", "0660"])
def test_objects_look_as_if_git_had_written_them_there(scene: Scene, shared: str):
    if shared:
        scene.plain("config", "core.sharedRepository", shared)
        scene.git = scene.open()
    before = set(store_of(scene))
    for number in range(20):
        write(scene, f"{number}\n".encode())
    new = {path: mode for path, mode in store_of(scene).items() if path not in before}
    scene.plain("init", "-q", f"--shared={shared or 'umask'}", "../other")
    scene.user = scene.folder / "other"
    scene.git = scene.open()
    for number in range(20):
        (scene.user / "file").write_text(f"{number}\n")
        scene.plain("hash-object", "-w", "file")
    theirs = store_of(scene)
    assert len(new) > 20
    assert {path: stat.filemode(mode) for path, mode in new.items()} == {
        path: stat.filemode(theirs[path]) for path in new
    }


def test_a_store_whose_name_git_would_read_as_two(tmp_path: Path):
    scene = Scene(tmp_path / 'a:b "c" \\d')
    head = scene.head(scene.base, {"new": "n\n"})
    assert scene.files_of(head)["new"] == "n"


def test_what_is_borrowed_is_seen_by_who_writes(scene: Scene):
    scene.plain("clone", "-q", "--shared", str(scene.user), "../borrower")
    lender, scene.user = scene.user, scene.folder / "borrower"
    (scene.user / ".git/objects/info/alternates").write_text("../../../user/.git/objects\n")
    scene.git = scene.open()
    head = scene.head(scene.base, {"new": "n\n"})
    assert scene.files_of(head)["pkg/one.py"] == "one = 1"
    names = [path.name for path in (scene.user / ".git/objects").rglob("*") if path.is_file()]
    assert not any(name in names for name in os.listdir(lender / ".git/objects/pack"))
    assert len(names) <= 5  # the commit, two trees, one file, alternates


def test_a_process_that_ends_leaves_no_folder(scene: Scene):
    words = (sys.executable, "-c", AT_WORK, scene.user)
    said = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    assert int(said.stdout) == 1
    assert not list(scene.user.glob(".git/objects/orch-*"))
