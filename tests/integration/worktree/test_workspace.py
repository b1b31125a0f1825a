"""Pooled workspaces: handed out exact, taken back dirty, however dirty."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.worktree.support import RUN, Scene, fingerprint, tree_files
from worktree.discovery import discover
from worktree.git import Git, GitError
from worktree.metadata import locked
from worktree.removal import free_bytes, remove
from worktree.workspace import Pool, Workspace, seal_kept, sweep


def expected(scene: Scene, commit: str) -> dict[str, str]:
    return {name: f"{text}\n" for name, text in scene.files_of(commit).items()}


def agent(workspace: Workspace, *args: str) -> str:
    """Git as an agent runs it: in the workspace, with nothing closed."""
    done = subprocess.run(
        ["git", "-c", "user.name=x", "-c", "user.email=x@x", *args],
        cwd=workspace.path,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return (done.stdout + done.stderr).strip()


def test_a_workspace_is_a_worktree_where_git_works(scene: Scene):
    pool = scene.pool()
    workspace = pool.take(scene.base)
    assert tree_files(workspace.path) == expected(scene, scene.base)
    assert workspace.name == f"orch-{RUN}-worker-0" and workspace.commit == scene.base
    assert agent(workspace, "status", "--porcelain", "--ignored") == ""
    assert agent(workspace, "rev-parse", "HEAD", "--abbrev-ref", "HEAD") == f"{scene.base}\nHEAD"
    assert (workspace.folder / "tmp").is_dir() and (workspace.folder / "brief").is_dir()
    assert not workspace.folder.is_relative_to(workspace.path)
    assert not workspace.index.is_relative_to(workspace.path)
    assert not workspace.index.is_relative_to(workspace.folder)


def test_what_comes_back_goes_out_clean_and_at_another_commit(scene: Scene):
    later = scene.head(scene.base, {"pkg/one.py": "one = 11\n", "pkg/two.py": None, "new/a": "a\n"})
    pool = scene.pool()
    first = pool.take(scene.base)
    (first.path / "pkg/one.py").write_text("mine\n")
    (first.path / "pkg/deep/three.py").unlink()
    (first.path / "junk").mkdir()
    (first.path / "junk/a.log").write_text("ignored too\n")
    (first.folder / "tmp/secret").write_text("s")
    pool.give_back(first)
    assert tree_files(first.path) == expected(scene, scene.base)
    second = pool.take(later)
    assert second.path == first.path and pool.size == 1
    assert tree_files(second.path) == expected(scene, later)
    assert agent(second, "status", "--porcelain", "--ignored") == ""
    assert not list((second.folder / "tmp").iterdir())
    pool.give_back(second)
    assert tree_files(pool.take(scene.base).path) == expected(scene, scene.base)


def test_one_that_is_at_the_commit_already_is_preferred(scene: Scene):
    later = scene.head(scene.base, {"x": "x\n"})
    pool = scene.pool()
    at_base, at_later = pool.take(scene.base), pool.take(later)
    pool.give_back(at_base)
    pool.give_back(at_later)
    assert pool.take(scene.base).name == at_base.name
    assert pool.take(scene.base).name == at_later.name


def test_a_workspace_whose_round_was_committed_goes_out_clean(scene: Scene):
    pool = scene.pool()
    workspace = pool.take(scene.base)
    (workspace.path / "x.py").write_text("x\n")
    scene.commit(workspace)
    (workspace.path / "x.py").write_text("after\n")
    (workspace.path / "y.py").write_text("y\n")
    pool.give_back(workspace)
    assert tree_files(pool.take(scene.base).path) == expected(scene, scene.base)


def kept_files(scene: Scene, pool: Pool) -> dict[str, str]:
    """What a hand-out holds beside the tree; the workspace goes back at once."""
    workspace = pool.take(scene.base)
    found = [path for path in workspace.path.rglob("*") if path.is_file()]
    names = {path.relative_to(workspace.path).as_posix(): path for path in found}
    others = set(names) - set(expected(scene, scene.base)) - {".git"}
    pool.give_back(workspace)
    return {name: names[name].read_text() for name in sorted(others) if names[name].exists()}


def test_what_was_sealed_survives_and_nothing_else_does(scene: Scene):
    pool = scene.pool(keep=(".venv", "build/cache/"))
    workspace = pool.take(scene.base)
    for name in (".venv/bin/python", "build/cache/a", "build/out", ".venv2/a", "sub/.venv/a"):
        (workspace.path / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace.path / name).write_text("x\n")
    assert seal_kept(scene.git, workspace, pool.keep) == (".venv", "build/cache")
    pool.give_back(workspace)
    assert kept_files(scene, pool) == {".venv/bin/python": "x\n", "build/cache/a": "x\n"}


def test_what_was_never_sealed_survives_under_no_name(scene: Scene):
    pool = scene.pool(keep=(".venv",))
    workspace = pool.take(scene.base)
    (workspace.path / ".venv").mkdir()
    (workspace.path / ".venv/leave").write_text("x\n")
    pool.give_back(workspace)
    assert kept_files(scene, pool) == {}


def _write_in_place_with_its_old_date(file: Path) -> None:
    before = file.stat()
    with file.open("r+") as text:
        text.write("evil")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    file.chmod(0o555)


LEFT_IN_KEPT = {
    "a new file": lambda kept: (kept / "new").write_text("x"),
    "a new folder": lambda kept: (kept / "new/deep").mkdir(parents=True),
    "a changed file": lambda kept: (kept / "bin/tool").write_text("evil and longer"),
    "a change in place, its date put back": lambda kept: _write_in_place_with_its_old_date(
        kept / "bin/tool"
    ),
    "another mode": lambda kept: (kept / "bin/tool").chmod(0o777),
    "a removed file": lambda kept: (kept / "bin/tool").unlink(),
    "a removed folder": lambda kept: shutil.rmtree(kept / "bin"),
    "nothing left of it": lambda kept: shutil.rmtree(kept),
    "a folder that is a link now": lambda kept: (
        (kept / "bin").rename(kept.parent / "aside"),
        (kept / "bin").symlink_to("/"),
    ),
    "all of it a link": lambda kept: (shutil.rmtree(kept), kept.symlink_to("/")),
    "a link that leads elsewhere": lambda kept: (
        (kept / "python").unlink(),
        (kept / "python").symlink_to("/bin/false"),
    ),
    "a pipe": lambda kept: os.mkfifo(kept / "pipe"),
    "a locked folder": lambda kept: (kept / "bin").chmod(0),
}


@pytest.mark.parametrize("left", sorted(LEFT_IN_KEPT))
@pytest.mark.sample(5)
def test_what_is_kept_goes_out_as_it_was_sealed(scene: Scene, left: str):
    pool = scene.pool(keep=("kept",))
    workspace = pool.take(scene.base)
    kept = workspace.path / "kept"
    (kept / "bin").mkdir(parents=True)
    (kept / "bin/tool").write_text("good")
    (kept / "bin/tool").chmod(0o555)
    (kept / "bin").chmod(0o555)
    (kept / "python").symlink_to("/bin/true")
    seal_kept(scene.git, workspace, pool.keep)

    def look() -> dict[str, object]:
        found: dict[str, object] = {}
        for path in [kept, *kept.rglob("*")]:
            status = path.lstat()
            if path.is_symlink():
                found[str(path)] = os.readlink(path)
            elif path.is_dir():
                found[str(path)] = status.st_mode
            else:
                found[str(path)] = (status.st_mode, status.st_mtime_ns, path.read_text())
        return found

    sealed = look()
    (kept / "bin").chmod(0o755)
    (kept / "bin/tool").chmod(0o755)
    LEFT_IN_KEPT[left](kept)
    pool.give_back(workspace)
    for _ in range(2):
        workspace = pool.take(scene.base)
        assert look() == sealed
        pool.give_back(workspace)


def test_a_seal_that_somebody_wrote_to_keeps_nothing(scene: Scene):
    pool = scene.pool(keep=("kept",))
    workspace = pool.take(scene.base)
    (workspace.path / "kept").mkdir()
    (workspace.path / "kept/tool").write_text("good")
    seal_kept(scene.git, workspace, pool.keep)
    (workspace.path / "kept/tool").unlink()
    (workspace.folder / "kept/kept/tool").write_text("evil")
    pool.give_back(workspace)
    assert kept_files(scene, pool) == {}


def test_a_kept_folder_of_which_a_commit_tracks_a_part_is_as_the_commit_says(scene: Scene):
    pool = scene.pool(keep=("kept",))
    workspace = pool.take(scene.base)
    (workspace.path / "kept").mkdir()
    (workspace.path / "kept/tool").write_text("good")
    seal_kept(scene.git, workspace, pool.keep)
    pool.give_back(workspace)
    scene.write("kept/tracked", "t\n")
    tracked = scene.commit_all("a part is tracked")
    workspace = pool.take(tracked)
    assert (workspace.path / "kept/tracked").read_text() == "t\n"
    assert seal_kept(scene.git, workspace, pool.keep) == ()
    pool.give_back(workspace)
    assert kept_files(scene, pool) == {}


def test_a_kept_name_that_became_a_link_is_not_kept(scene: Scene, tmp_path: Path):
    pool = scene.pool(keep=(".venv",))
    workspace = pool.take(scene.base)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("p\n")
    (workspace.path / ".venv").symlink_to(precious)
    assert seal_kept(scene.git, workspace, pool.keep) == ()
    pool.give_back(workspace)
    assert not (workspace.path / ".venv").is_symlink()
    assert (precious / "file").read_text() == "p\n"


SPOILT = {}


def _next_second() -> None:
    # Most builds of git compare whole seconds; within one, only content tells.
    time.sleep(1.05 - time.time() % 1)


def spoils(function):
    SPOILT[function.__name__] = function
    return function


@spoils
def pointer_rewritten(scene: Scene, workspace: Workspace) -> None:
    (workspace.path / ".git").write_text("gitdir: /nonexistent\n")


@spoils
def pointer_became_a_repository(scene: Scene, workspace: Workspace) -> None:
    (workspace.path / ".git").unlink()
    agent(workspace, "init", "-q")
    agent(workspace, "commit", "-q", "--allow-empty", "-m", "mine")


@spoils
def entry_rewritten(scene: Scene, workspace: Workspace) -> None:
    entry = scene.user / ".git/worktrees" / workspace.name
    (entry / "commondir").write_text("/tmp\n")
    (entry / "gitdir").write_text(f"{scene.user}/.git\n")
    (entry / "HEAD").write_text("ref: refs/heads/main\n")
    (entry / "index").unlink()
    (entry / "index").symlink_to(scene.user / ".git/index")
    (entry / "index.lock").touch()
    (entry / "config.worktree").write_text("[core]\n\tbare = true\n")
    (entry / "rebase-merge").mkdir()


@spoils
def entry_removed(scene: Scene, workspace: Workspace) -> None:
    remove(scene.user / ".git/worktrees" / workspace.name)


@spoils
def entry_became_a_link(scene: Scene, workspace: Workspace) -> None:
    entry = scene.user / ".git/worktrees" / workspace.name
    entry.rename(scene.folder / "moved")
    entry.symlink_to(scene.folder / "moved")


@spoils
def folder_deleted(scene: Scene, workspace: Workspace) -> None:
    remove(workspace.path)


@spoils
def folder_became_a_link(scene: Scene, workspace: Workspace) -> None:
    remove(workspace.path)
    workspace.path.symlink_to(scene.user)


@spoils
def bits_that_hide(scene: Scene, workspace: Workspace) -> None:
    agent(workspace, "update-index", "--skip-worktree", "pkg/one.py")
    agent(workspace, "update-index", "--assume-unchanged", "pkg/two.py")
    (workspace.path / "pkg/one.py").write_text("evil\n")
    (workspace.path / "pkg/two.py").write_text("evil\n")


@spoils
def dates_set_back(scene: Scene, workspace: Workspace) -> None:
    path = workspace.path / "pkg/one.py"
    before = path.stat()
    path.write_text("one = 6\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@spoils
def linked_from_outside(scene: Scene, workspace: Workspace) -> None:
    _next_second()
    (scene.folder / "outside").hardlink_to(workspace.path / "pkg/one.py")


@spoils
def committed_and_switched(scene: Scene, workspace: Workspace) -> None:
    agent(workspace, "switch", "-q", "-c", "mine")
    (workspace.path / "mine").write_text("mine\n")
    agent(workspace, "add", "-A")
    agent(workspace, "commit", "-q", "-m", "mine")


@spoils
def in_the_middle_of_a_merge(scene: Scene, workspace: Workspace) -> None:
    (workspace.path / "pkg/one.py").write_text("a\n")
    agent(workspace, "commit", "-qam", "a")
    agent(workspace, "checkout", "-q", "--detach", scene.base)
    (workspace.path / "pkg/one.py").write_text("b\n")
    agent(workspace, "commit", "-qam", "b")
    assert "CONFLICT" in agent(workspace, "merge", "HEAD@{2}")


@spoils
def sparse(scene: Scene, workspace: Workspace) -> None:
    agent(workspace, "sparse-checkout", "set", "tests")
    assert not (workspace.path / "pkg").exists()


@spoils
def folders_read_only(scene: Scene, workspace: Workspace) -> None:
    (workspace.path / "new/deep").mkdir(parents=True)
    (workspace.path / "new/deep/x").write_text("x")
    (workspace.path / "pkg/extra").write_text("x")
    for name in ("new/deep", "new", "pkg", "pkg/deep", "."):
        (workspace.path / name).chmod(0o555)


@spoils
def folders_closed(scene: Scene, workspace: Workspace) -> None:
    (workspace.path / "pkg/hidden").mkdir()
    (workspace.path / "pkg/hidden/x").write_text("x")
    (workspace.path / "pkg/hidden").chmod(0)
    (workspace.path / "pkg").chmod(0)


@spoils
def files_closed(scene: Scene, workspace: Workspace) -> None:
    _next_second()
    (workspace.path / "pkg/one.py").chmod(0)
    (workspace.path / "pkg/two.py").chmod(0o444)


@spoils
def repositories_within(scene: Scene, workspace: Workspace) -> None:
    for name in ("vendored", "pkg"):
        (workspace.path / name).mkdir(exist_ok=True)
        agent(workspace, "init", "-q", name)
    (workspace.path / "vendored/a").write_text("a")


@spoils
def links_in_place_of_folders(scene: Scene, workspace: Workspace) -> None:
    precious = scene.folder / "precious"
    (precious / "deep").mkdir(parents=True)
    (precious / "one.py").write_text("precious\n")
    remove(workspace.path / "pkg")
    (workspace.path / "pkg").symlink_to(precious)


@spoils
def files_and_folders_swapped(scene: Scene, workspace: Workspace) -> None:
    remove(workspace.path / "README.md")
    (workspace.path / "README.md/a").mkdir(parents=True)
    (workspace.path / "README.md/a/b").write_text("b")
    remove(workspace.path / "pkg")
    (workspace.path / "pkg").write_text("a file now")


@spoils
def pipes_and_sockets(scene: Scene, workspace: Workspace) -> None:
    os.mkfifo(workspace.path / "pkg/pipe")
    os.mkfifo(workspace.path / "pipe")
    remove(workspace.path / "pkg/one.py")
    os.mkfifo(workspace.path / "pkg/one.py")


@spoils
def endlessly_deep(scene: Scene, workspace: Workspace) -> None:
    here = os.open(workspace.path / "pkg", os.O_RDONLY)
    for _ in range(1100):
        os.mkdir("deep-deep", dir_fd=here)
        there = os.open("deep-deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = there
    os.close(here)


@spoils
def odd_names(scene: Scene, workspace: Workspace) -> None:
    for name in ("-rf", "a\nb", "sp ace", "ünï", "*", ":(top)x", '"q"', "tab\there"):
        (workspace.path / name).write_text("x")
    (workspace.path / os.fsdecode(b"latin\xe9")).write_text("x")
    (workspace.path / "*").unlink()
    (workspace.path / "* ?").mkdir()


@spoils
def attributes_and_ignores(scene: Scene, workspace: Workspace) -> None:
    (workspace.path / ".gitattributes").write_text("* text eol=crlf\n*.py filter=x\n")
    (workspace.path / ".gitignore").write_text("*\n")
    (workspace.path / "pkg/.gitignore").write_text("!*\n")
    (workspace.path / "hidden").write_text("x")


@spoils
def private_index_lost(scene: Scene, workspace: Workspace) -> None:
    workspace.index.unlink()
    (workspace.path / "pkg/one.py").write_text("evil\n")


@spoils
def private_index_corrupt(scene: Scene, workspace: Workspace) -> None:
    workspace.index.write_bytes(b"DIRC nonsense")
    (workspace.path / "extra").write_text("evil\n")


@spoils
def private_index_locked(scene: Scene, workspace: Workspace) -> None:
    Path(f"{workspace.index}.lock").touch()
    (workspace.path / "pkg/one.py").write_text("evil\n")


@pytest.mark.parametrize("spoil", SPOILT)
@pytest.mark.sample(8)
def test_whatever_was_done_to_it_the_next_hand_out_is_exact(scene: Scene, spoil: str):
    before = fingerprint(scene.user)
    pool = scene.pool()
    workspace = pool.take(scene.base)
    SPOILT[spoil](scene, workspace)
    made_by_agent = {
        path: text for path, text in fingerprint(scene.user).items() if before.get(path) != text
    }
    pool.give_back(workspace)
    again = pool.take(scene.base)
    assert again.path == workspace.path
    assert tree_files(again.path) == expected(scene, scene.base)
    assert agent(again, "status", "--porcelain", "--ignored") == ""
    assert agent(again, "rev-parse", "HEAD", "--abbrev-ref", "HEAD") == f"{scene.base}\nHEAD"
    entry = scene.user / ".git/worktrees" / again.name
    assert sorted(path.name for path in entry.iterdir()) == ["HEAD", "commondir", "gitdir", "index"]
    for folder, _, files in os.walk(again.path):
        assert os.stat(folder).st_mode & 0o700 == 0o700
        for name in files:
            found = os.stat(Path(folder, name))
            assert found.st_mode & 0o600 == 0o600 and stat.S_ISREG(found.st_mode)
            assert found.st_nlink == 1
    after = fingerprint(scene.user)
    assert after == {**before, **made_by_agent}
    assert (scene.folder / "precious").exists() is (spoil == "links_in_place_of_folders")
    pool.remove_all()
    assert not scene.pools.exists()
    assert "orch-" not in scene.plain("worktree", "list")


@pytest.fixture
def anybodys_folder(scene: Scene) -> Iterator[Path]:
    """Not below pytest's own folder: each pytest that starts closes that to everybody else.

    By then all is imported: somebody else may not read where Python is.
    """
    folder = Path(tempfile.mkdtemp(prefix="anybodys-"))
    folder.chmod(0o777)
    yield folder
    remove(folder)


@pytest.mark.parametrize(
    "spoil", ["folders_read_only", "folders_closed", "files_closed", "odd_names"]
)
@pytest.mark.skipif(os.geteuid() != 0, reason="anybody else is subject to modes in every test")
@pytest.mark.sample(2)
def test_whatever_was_done_to_it_where_modes_bind(anybodys_folder: Path, spoil: str):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            place = anybodys_folder / "mine"
            place.mkdir()
            test_whatever_was_done_to_it_the_next_hand_out_is_exact(Scene(place), spoil)
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0


def test_submodules_are_empty_folders_at_every_hand_out(scene: Scene):
    library = Scene(scene.folder / "library", {"lib": "lib\n"})
    scene.plain(
        "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library.user), "sub"
    )
    base = scene.commit_all("with a submodule")
    pool = scene.pool()
    workspace = pool.take(base)
    assert (workspace.path / "sub").is_dir() and not list((workspace.path / "sub").iterdir())
    (workspace.path / "sub/poison").write_text("x")
    agent(workspace, "init", "-q", "sub")
    pool.give_back(workspace)
    assert not list((pool.take(base).path / "sub").iterdir())


def test_sixteen_at_once_never_fail_and_never_share(scene: Scene):
    commits = [
        scene.base,
        scene.head(scene.base, {"x": "x\n"}),
        scene.head(scene.base, {"y": "y\n"}),
    ]
    pool = scene.pool()
    failures: list[BaseException] = []
    busy: set[str] = set()
    guard = threading.Lock()

    def work(number: int) -> None:
        try:
            for turn in range(5):
                commit = commits[(number + turn) % len(commits)]
                workspace = pool.take(commit)
                with guard:
                    assert workspace.name not in busy
                    busy.add(workspace.name)
                assert (workspace.path / "x").exists() is (commit == commits[1])
                assert (workspace.path / "y").exists() is (commit == commits[2])
                (workspace.path / "mine").write_text("mine")
                with guard:
                    busy.remove(workspace.name)
                pool.give_back(workspace)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failures
    assert pool.size <= 16
    pool.remove_all()
    assert not scene.pools.exists()


CROWD = """
import sys
from collections.abc import Iterator
from pathlib import Path
from worktree.discovery import discover
from worktree.git import Git
from worktree.workspace import Pool
user, root, prefix, base = sys.argv[1:]
for _ in range(4):
    pool = Pool(Git(discover(Path(user))), Path(root), prefix)
    taken = [pool.take(base) for _ in range(3)]
    assert all((w.path / "README.md").exists() for w in taken)
    for workspace in taken:
        pool.give_back(workspace)
    pool.remove_all()
"""


@pytest.mark.thorough
def test_other_processes_and_the_user_add_and_remove_worktrees_meanwhile(scene: Scene):
    crowd = [
        subprocess.Popen(
            [sys.executable, "-c", CROWD, scene.user, scene.pools, f"orch-r{n}-worker", scene.base],
            stderr=subprocess.PIPE,
        )
        for n in range(4)
    ]
    for turn in range(10):
        scene.plain("worktree", "add", "-q", "--detach", f"../mine{turn}", check=False)
    for process in crowd:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err.decode()
    left = os.listdir(scene.user / ".git/worktrees")
    assert not [name for name in left if name.startswith("orch-")]


HOLDER = """
import sys, time
from collections.abc import Iterator
from pathlib import Path
from worktree.discovery import discover
from worktree.git import Git
from worktree.metadata import locked
with locked(Git(discover(Path(sys.argv[1])))):
    print("held", flush=True)
    time.sleep(60)
"""


def test_entries_wait_for_another_processs_turn_and_not_for_ever(scene: Scene):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, scene.user], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    try:
        with pytest.raises(GitError) as caught, locked(scene.git, timeout_s=0.1):
            pass
        assert caught.value.kind == "locked" and "worktrees.lock" in str(caught.value)
        taken: list[Workspace] = []
        thread = threading.Thread(target=lambda: taken.append(scene.pool().take(scene.base)))
        thread.start()
        thread.join(0.3)
        assert not taken and not (scene.user / ".git/worktrees").exists()
    finally:
        holder.kill()
        holder.wait()
    thread.join(30)
    assert len(taken) == 1


def test_a_pool_adopts_what_a_killed_process_left(scene: Scene):
    left = scene.pool().take(scene.base)
    (left.path / "pkg/one.py").write_text("half done\n")
    pool = scene.pool()
    assert pool.size == 1
    again = pool.take(scene.base)
    assert again.name == left.name
    assert tree_files(again.path) == expected(scene, scene.base)
    assert pool.take(scene.base).name != left.name


def test_a_pool_works_on_after_its_leftovers_were_swept(scene: Scene):
    scene.pool().take(scene.base)
    pool = scene.pool()
    assert sweep(scene.git, scene.pools, prefix=f"orch-{RUN}-") == (f"orch-{RUN}-worker-0",)
    assert tree_files(pool.take(scene.base).path) == expected(scene, scene.base)


@pytest.mark.parametrize("said", [b"", b"\0" * 40, None], ids=["empty", "zeros", "nothing"])
def test_an_entry_that_the_power_left_half_written_is_ours_and_made_anew(
    scene: Scene, said: bytes | None
):
    scene.pool().take(scene.base)
    entry = scene.git.repository.common_dir / "worktrees" / f"orch-{RUN}-worker-0"
    (entry / "gitdir").unlink()
    if said is not None:
        (entry / "gitdir").write_bytes(said)
    assert tree_files(scene.pool().take(scene.base).path) == expected(scene, scene.base)
    if said is not None:
        (entry / "gitdir").write_bytes(said)
    assert sweep(scene.git, scene.pools, prefix=f"orch-{RUN}-") == (f"orch-{RUN}-worker-0",)
    assert not entry.exists()


def test_a_sweep_takes_ours_and_leaves_everything_else(scene: Scene):
    scene.plain("worktree", "add", "-q", "../orch-mine-worker-0", "-b", "a")
    scene.plain("worktree", "add", "-q", "../plain", "-b", "b")
    ours, other = scene.pool(), Pool(scene.git, scene.pools, "orch-another-worker")
    ours.take(scene.base)
    kept = other.take(scene.base)
    remove(ours.take(scene.base).path)
    (scene.pools / "notes").mkdir()
    assert sweep(scene.git, scene.pools, keep_names=("orch-another-",)) == (
        f"orch-{RUN}-worker-0",
        f"orch-{RUN}-worker-1",
    )
    assert tree_files(kept.path) == expected(scene, scene.base)
    listed = scene.plain("worktree", "list")
    assert "orch-mine-worker-0" in listed and "plain" in listed and RUN not in listed
    assert (scene.pools / "notes").exists()
    with pytest.raises(ValueError):
        sweep(scene.git, scene.pools, prefix="")


def test_a_worktree_of_the_users_with_our_name_is_left_alone(scene: Scene):
    name = f"orch-{RUN}-worker-0"
    scene.plain("worktree", "add", "-q", f"../{name}", "-b", "a")
    with pytest.raises(GitError) as caught:
        scene.pool().take(scene.base)
    assert caught.value.kind == "name-conflict"
    assert (scene.folder / name / "README.md").exists()


def test_trim_gives_back_what_is_not_needed(scene: Scene):
    pool = scene.pool()
    taken = [pool.take(scene.base) for _ in range(3)]
    for workspace in taken[:2]:
        pool.give_back(workspace)
    pool.trim(0)
    assert pool.size == 1
    assert [p.name for p in scene.pools.iterdir() if p.name.startswith("orch-")] == [taken[2].name]
    with pytest.raises(ValueError):
        pool.give_back(taken[0])


def test_an_impossible_commit_fails_and_the_pool_goes_on(scene: Scene):
    pool = scene.pool()
    with pytest.raises(GitError):
        pool.take("1" * 40)
    with pytest.raises(ValueError):
        pool.take("HEAD")
    assert tree_files(pool.take(scene.base).path) == expected(scene, scene.base)


def test_line_ends_are_as_the_tree_says_whatever_the_user_configured(tmp_path: Path):
    files = {"a.bat": "one\ntwo\n", "b.txt": "one\n", ".gitattributes": "*.bat text eol=crlf\n"}
    scene = Scene(tmp_path, files)
    scene.plain("config", "core.autocrlf", "true")
    workspace = scene.pool().take(scene.base)
    assert (workspace.path / "a.bat").read_bytes() == b"one\r\ntwo\r\n"
    assert (workspace.path / "b.txt").read_bytes() == b"one\n"
    assert type(scene.commit(workspace)).__name__ == "Unchanged"


def test_free_space_is_known_for_a_place_that_is_not_there_yet(tmp_path: Path):
    assert free_bytes(tmp_path / "a/b/c") > 0


def test_a_worktree_made_within_a_linked_worktree_of_the_users(scene: Scene):
    scene.plain("worktree", "add", "-q", "../side", "-b", "side")
    scene.git = Git(discover(scene.folder / "side", scene.environ))
    workspace = scene.pool().take(scene.base)
    assert tree_files(workspace.path) == expected(scene, scene.base)


def test_a_partial_clone_that_lacks_files_says_how_to_fetch_them(scene: Scene):
    scene.plain("config", "uploadpack.allowFilter", "true")
    how = ("--filter=blob:none", "--no-checkout")
    scene.plain("clone", "-q", *how, f"file://{scene.user}", "../partial")
    scene.user = scene.folder / "partial"
    scene.git = scene.open()
    with pytest.raises(GitError) as caught:
        scene.pool().take(scene.base)
    assert caught.value.kind == "missing-object"
    assert "git fetch --refetch" in caught.value.hint
    scene.plain("fetch", "-q", "--refetch", "--no-filter")
    assert tree_files(scene.pool().take(scene.base).path) == expected(scene, scene.base)
