"""The door: refs, objects, discovery, deadlines, and what a closed environment is worth."""

import os
import threading
import time
from pathlib import Path

import pytest

from tests.integration.worktree.support import AUTHOR, FILES, RUN, Scene
from worktree.discovery import OLDEST, discover, git_version
from worktree.door import call, overrides
from worktree.git import Git, GitError, RefMoved, RefUpdate, strip_environment
from worktree.names import check_ref, quoted, result_branch, tip_ref, workspace_name


def test_a_repository_is_found_from_a_folder_deep_within(scene: Scene):
    found = discover(scene.user / "pkg/deep", scene.environ)
    assert found.checkout == scene.user
    assert found.common_dir == found.git_dir == scene.user / ".git"
    assert found.object_format == "sha1"
    assert git_version() >= OLDEST


def test_a_linked_worktree_of_the_users_has_its_own_git_folder(scene: Scene):
    scene.plain("worktree", "add", "-q", "../side", "-b", "side")
    found = discover(scene.folder / "side", scene.environ)
    assert found.common_dir == scene.user / ".git"
    assert found.git_dir == scene.user / ".git/worktrees/side"
    scene.write("new.txt", "new\n")
    newer = scene.commit_all("newer")
    assert Git(found).resolve("HEAD") == scene.base
    assert Git(found).resolve("main") == newer


def test_where_there_is_no_repository_the_error_says_what_to_type(scene: Scene, tmp_path: Path):
    with pytest.raises(GitError) as caught:
        discover(tmp_path, scene.environ)
    assert caught.value.kind == "not-a-repository"
    assert "git init" in caught.value.hint
    with pytest.raises(GitError, match="no folder"):
        discover(tmp_path / "nowhere", scene.environ)


def test_a_bare_repository_is_refused_but_a_worktree_of_it_is_fine(scene: Scene):
    scene.plain("clone", "-q", "--bare", ".", "../bare.git")
    with pytest.raises(GitError) as caught:
        discover(scene.folder / "bare.git", scene.environ)
    assert caught.value.kind == "bare"
    assert "worktree add" in caught.value.hint
    scene.plain("worktree", "add", "-q", "../linked", "-b", "l", folder=scene.folder / "bare.git")
    assert discover(scene.folder / "linked", scene.environ).checkout == scene.folder / "linked"


def test_inside_a_git_folder_is_not_in_a_checkout(scene: Scene):
    with pytest.raises(GitError) as caught:
        discover(scene.user / ".git", scene.environ)
    assert caught.value.kind == "not-a-repository"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_a_repository_of_another_user_is_not_trusted(scene: Scene):
    os.chown(scene.user, 12345, 12345)
    os.chown(scene.user / ".git", 12345, 12345)
    with pytest.raises(GitError) as caught:
        discover(scene.user, scene.environ)
    assert caught.value.kind == "unsafe-ownership"
    assert "safe.directory" in caught.value.hint


def test_no_commit_yet_is_said(tmp_path: Path):
    scene = Scene(tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    scene.plain("init", "-q", folder=empty)
    with pytest.raises(GitError) as caught:
        Git(discover(empty, scene.environ)).resolve("HEAD")
    assert caught.value.kind == "no-such-revision"
    assert "git commit" in caught.value.hint


@pytest.mark.parametrize("revision", ["", "nope", "--all", "-h", "HEAD..main", "HEAD:pkg", "a b"])
def test_what_is_no_commit_is_refused(scene: Scene, revision: str):
    with pytest.raises(GitError) as caught:
        scene.git.resolve(revision)
    assert caught.value.kind == "no-such-revision"


def test_revisions_resolve_as_the_user_would_have_them(scene: Scene):
    scene.plain("tag", "-a", "v1", "-m", "v1")
    for revision in ("HEAD", "main", "v1", "refs/heads/main", scene.base, scene.base[:10], "@{0}"):
        assert scene.git.resolve(revision) == scene.base


def test_refs_move_together_or_not_at_all(scene: Scene):
    git, other = scene.git, scene.head(scene.base, {"x.py": "x\n"})
    a, b = "refs/orch/r/a", "refs/orch/r/b"
    git.update_refs([RefUpdate(a, scene.base, None), RefUpdate(b, scene.base, None)])
    with pytest.raises(RefMoved):
        git.update_refs([RefUpdate(a, other, scene.base), RefUpdate(b, other, other)])
    assert git.list_refs("refs/orch/r/") == {a: scene.base, b: scene.base}
    with pytest.raises(RefMoved):
        git.update_refs([RefUpdate(a, other, None)])
    git.update_refs([RefUpdate(a, other, scene.base), RefUpdate(b, None, scene.base)])
    assert git.read_ref(a) == other and git.read_ref(b) is None
    with pytest.raises(RefMoved):
        git.update_refs([RefUpdate(b, None, scene.base)])
    git.update_refs([RefUpdate(a, scene.base, "any")])
    assert git.read_ref(a) == scene.base


def test_a_ref_in_the_way_of_a_folder_is_a_conflict_of_names(scene: Scene):
    scene.plain("branch", "orch")
    with pytest.raises(GitError) as caught:
        scene.git.update_refs([RefUpdate(result_branch(RUN), scene.base, None)])
    assert caught.value.kind == "name-conflict"


def test_a_stale_lock_is_named_after_a_bounded_wait(scene: Scene):
    lock = scene.user / ".git/refs/orch/r/a.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    started = time.monotonic()
    with pytest.raises(GitError) as caught:
        scene.git.update_refs([RefUpdate("refs/orch/r/a", scene.base, None)])
    assert caught.value.kind == "locked"
    assert "a.lock" in str(caught.value)
    assert time.monotonic() - started < 20


def test_objects_are_read_as_values(scene: Scene):
    git = scene.git
    head = scene.head(scene.base, {"pkg/one.py": "one = 11\n", "pkg/two.py": None, "new": "n\n"})
    changes = {c.path: c for c in git.changed_paths(scene.base, head)}
    assert {p: c.status for p, c in changes.items()} == {
        "pkg/one.py": "M",
        "pkg/two.py": "D",
        "new": "A",
    }
    assert changes["new"].old_mode == "000000" and changes["new"].new_mode == "100644"
    assert git.is_ancestor(scene.base, head) and not git.is_ancestor(head, scene.base)
    assert git.show_file(head, "new") == b"n\n"
    assert git.show_file(head, "pkg/two.py") is None
    assert git.show_file(head, "new", limit_bytes=1) == b"n"
    read = git.read_commit(head)
    assert read.parents == (scene.base,) and read.author == AUTHOR
    assert read.trailers == {"Orch-Task": ("t",)} and read.tree == git.tree_of(head)
    assert [commit for commit, _ in git.first_parents(head)] == [head, scene.base]
    assert git.first_parents(head, until=scene.base) == ((head, read.tree),)
    patch, cut = git.diff(scene.base, head)
    assert b"+one = 11" in patch and not cut
    assert git.diff(scene.base, head, limit_bytes=10) == (patch[:10], True)
    assert b"3 files changed" in git.diff(scene.base, head, form="stat")[0]
    assert b"pkg/two.py" not in git.diff(scene.base, head, paths=("new",))[0]


def test_ids_and_refs_are_checked_before_git_sees_them(scene: Scene):
    for bad in ("HEAD", "--help", "", scene.base[:39], scene.base + "0", scene.base.upper()):
        with pytest.raises(ValueError):
            scene.git.tree_of(bad)
    for bad in (
        "main",
        "refs/heads/-x",
        "refs/a..b",
        "refs/a b",
        "refs/x.lock",
        "refs/a/",
        "refs/.a",
    ):
        with pytest.raises(ValueError):
            check_ref(bad)
    with pytest.raises(ValueError):
        tip_ref("a/../b")
    assert workspace_name(RUN, "gate", 3) == f"orch-{RUN}-gate-3"
    with pytest.raises(ValueError):
        workspace_name("../x", "gate", 1)
    assert quoted("a\x1b[31m\nb\udcff") == r"a\x1b[31m\nb\udcff"


def test_a_call_that_never_ends_is_ended_with_all_that_it_started(scene: Scene, tmp_path: Path):
    pids = tmp_path / "pids"
    command = f"!echo $$ > {pids}; sleep 300 & echo $! >> {pids}; wait"
    env = {"GIT_DIR": str(scene.user / ".git"), **overrides((("alias.hang", command),))}
    started = time.monotonic()
    with pytest.raises(GitError) as caught:
        call(("hang",), folder=tmp_path, env=env, timeout_s=0.5)
    assert caught.value.kind == "timeout"
    assert time.monotonic() - started < 10
    for pid in pids.read_text().split():
        _until_gone(int(pid))


def _until_gone(pid: int) -> None:
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state == "Z":
            return
        time.sleep(0.02)
    raise AssertionError(f"{pid} lives on")


def test_much_goes_in_and_much_comes_out(scene: Scene):
    blob = os.urandom(3_000_000)
    name = scene.git.run("hash-object", "-w", "--stdin", stdin=blob).decode().strip()
    assert scene.git.run("cat-file", "blob", name) == blob
    said = scene.git.answer("cat-file", "blob", name, limit_bytes=1000)
    assert said.out == blob[:1000] and said.truncated


def test_inherited_git_variables_have_no_effect(scene: Scene, monkeypatch, tmp_path: Path):
    other = Scene(tmp_path / "other", {"only": "here\n"})
    hostile = {
        "GIT_DIR": str(other.user / ".git"),
        "GIT_WORK_TREE": str(other.user),
        "GIT_INDEX_FILE": str(tmp_path / "index"),
        "GIT_OBJECT_DIRECTORY": str(tmp_path / "objects"),
        "GIT_NAMESPACE": "elsewhere",
        "GIT_EXEC_PATH": str(tmp_path),
        "GIT_CONFIG_PARAMETERS": "'core.hooksPath'='/tmp'",
        "GIT_TRACE": str(tmp_path / "trace"),
        "GIT_AUTHOR_DATE": "1000000000 +0000",
        "GIT_COMMITTER_DATE": "not a date",
        "GIT_DEFAULT_HASH": "sha256",
        "GIT_EXTERNAL_DIFF": "false",
        "GIT_REPLACE_REF_BASE": "refs/evil/",
        "GIT_CEILING_DIRECTORIES": str(tmp_path),
    }
    for name, value in hostile.items():
        monkeypatch.setenv(name, value)
    git = Git(discover(scene.user, scene.environ | hostile))
    assert git.repository.common_dir == scene.user / ".git"
    head = scene.head(scene.base, {"a.py": "a\n"})
    assert git.read_commit(head).at_s > 1_500_000_000
    git.update_refs([RefUpdate("refs/orch/r/a", head, None)])
    assert (scene.user / ".git/refs/orch/r/a").read_text().strip() == head
    assert not (tmp_path / "trace").exists() and not (tmp_path / "objects").exists()
    environ = dict(os.environ)
    before = strip_environment(environ)
    assert before["GIT_DIR"] == hostile["GIT_DIR"]
    assert not [name for name in environ if name.startswith("GIT_")]


@pytest.mark.thorough
def test_sixteen_threads_share_one_door(scene: Scene):
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(10):
                ref = f"refs/orch/r/{number}/{turn}"
                scene.git.update_refs([RefUpdate(ref, scene.base, None)])
                assert scene.git.read_ref(ref) == scene.base
                assert scene.git.tree_of(scene.base)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    assert len(scene.git.list_refs("refs/orch/r/")) == 160


def test_a_repository_of_longer_ids_works_alike(tmp_path: Path):
    scene = Scene(tmp_path)
    long = tmp_path / "long"
    long.mkdir()
    scene.plain("init", "-q", "-b", "main", "--object-format=sha256", folder=long)
    (long / "a").write_text("a\n")
    scene.plain("add", "-A", folder=long)
    scene.plain("commit", "-q", "-m", "base", folder=long)
    scene.user, scene.git = long, Git(discover(long, scene.environ))
    scene.base = scene.git.resolve("HEAD")
    assert len(scene.base) == 64
    head = scene.head(scene.base, {"b": "b\n"})
    assert scene.files_of(head) == {"a": "a", "b": "b"}


def test_a_shallow_clone_works_and_is_said(scene: Scene):
    for number in range(3):
        scene.write("n", f"{number}\n")
        scene.commit_all(f"{number}")
    scene.plain("clone", "-q", "--depth=1", f"file://{scene.user}", "../shallow")
    scene.user = scene.folder / "shallow"
    scene.git = scene.open()
    base = scene.git.resolve("HEAD")
    head = scene.head(base, {"b": "b\n"})
    assert scene.git.is_ancestor(base, head)
    assert len(scene.git.first_parents(head)) == 2


def test_a_damaged_object_is_not_taken_for_a_missing_one(scene: Scene):
    """A disk that fails must look like nothing but that."""
    blob = scene.plain("rev-parse", f"{scene.base}:{next(iter(FILES))}")
    assert scene.git.exists(scene.base) and not scene.git.exists("1" * 40)
    assert scene.git.show_file(scene.base, "nowhere/at/all") is None
    assert scene.git.show_file(scene.base, "pkg") is None
    path = scene.user / ".git/objects" / blob[:2] / blob[2:]
    path.chmod(0o600)
    path.write_bytes(b"")
    fresh = scene.open()
    assert fresh.exists(scene.base)
    with pytest.raises(GitError):
        fresh.show_file(scene.base, next(iter(FILES)))
