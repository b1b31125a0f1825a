"""A workspace's content becomes a commit, and what may not be committed is said."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.worktree.support import RUN, Scene
from worktree.commit import Committed, NotCommitted, Unchanged
from worktree.git import GitError
from worktree.names import attempt_ref
from worktree.removal import remove
from worktree.workspace import Workspace


def refused(made: object) -> dict[str, str]:
    assert isinstance(made, NotCommitted), made
    return {one.path: one.why for one in made.refused}


def agent(workspace: Workspace, *args: str) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    who = ("-c", "user.name=x", "-c", "user.email=x@x")
    subprocess.run(["git", *who, *args], cwd=workspace.path, env=env, check=True, timeout=60)


def test_what_changed_becomes_one_commit_with_a_ref(scene: Scene):
    workspace = scene.pool().take(scene.base)
    (workspace.path / "pkg/one.py").write_text("one = 11\n")
    (workspace.path / "pkg/two.py").unlink()
    (workspace.path / "new/deep").mkdir(parents=True)
    (workspace.path / "new/deep/file.py").write_text("new\n")
    made = scene.commit(workspace)
    assert isinstance(made, Committed)
    assert {c.path: c.status for c in made.changes} == {
        "pkg/one.py": "M",
        "pkg/two.py": "D",
        "new/deep/file.py": "A",
    }
    assert scene.git.read_ref(attempt_ref(RUN, "t", 1)) == made.commit
    read = scene.git.read_commit(made.commit)
    assert read.parents == (scene.base,) and read.tree == made.tree
    assert read.message == "t\n\nOrch-Task: t\n"
    scene.plain("fsck", "--strict")
    scene.plain("gc", "-q", "--prune=now")
    assert scene.git.show_file(made.commit, "new/deep/file.py") == b"new\n"


def test_no_change_makes_no_commit_and_no_ref(scene: Scene):
    workspace = scene.pool().take(scene.base)
    os.utime(workspace.path / "pkg/one.py")
    text = (workspace.path / "pkg/two.py").read_text()
    (workspace.path / "pkg/two.py").write_text(text)
    assert isinstance(scene.commit(workspace), Unchanged)
    assert scene.git.read_ref(attempt_ref(RUN, "t", 1)) is None


def test_rounds_go_on_in_the_same_workspace_each_against_the_base(scene: Scene):
    workspace = scene.pool().take(scene.base)
    (workspace.path / "a.py").write_text("a\n")
    first = scene.commit(workspace)
    (workspace.path / "b.py").write_text("b\n")
    second = scene.commit(workspace)
    assert isinstance(first, Committed) and isinstance(second, Committed)
    assert scene.git.read_commit(second.commit).parents == (scene.base,)
    assert {c.path for c in second.changes} == {"a.py", "b.py"}
    assert scene.git.read_ref(attempt_ref(RUN, "t", 1)) == second.commit
    (workspace.path / "a.py").unlink()
    (workspace.path / "b.py").unlink()
    assert isinstance(scene.commit(workspace), Unchanged)


def test_an_executable_bit_or_a_link_can_be_the_only_change(scene: Scene):
    pool = scene.pool()
    workspace = pool.take(scene.base)
    (workspace.path / "pkg/one.py").chmod(0o755)
    made = scene.commit(workspace)
    assert isinstance(made, Committed)
    assert [(c.status, c.old_mode, c.new_mode) for c in made.changes] == [("M", "100644", "100755")]
    workspace = pool.take(scene.base)
    (workspace.path / "link").symlink_to("pkg/one.py")
    made = scene.commit(workspace, task="link")
    assert isinstance(made, Committed)
    assert [(c.path, c.new_mode) for c in made.changes] == [("link", "120000")]
    workspace = pool.take(scene.base)
    (workspace.path / "pkg/one.py").unlink()
    (workspace.path / "pkg/one.py").symlink_to("two.py")
    made = scene.commit(workspace, task="type")
    assert isinstance(made, Committed) and made.changes[0].status == "T"


def test_files_become_folders_and_folders_become_files(scene: Scene):
    workspace = scene.pool().take(scene.base)
    (workspace.path / "README.md").unlink()
    (workspace.path / "README.md").mkdir()
    (workspace.path / "README.md/part").write_text("part\n")
    for name in ("pkg/deep/three.py",):
        (workspace.path / name).unlink()
    (workspace.path / "pkg/deep").rmdir()
    (workspace.path / "pkg/deep").write_text("a file\n")
    made = scene.commit(workspace)
    assert isinstance(made, Committed)
    files = scene.files_of(made.commit)
    assert files["README.md/part"] == "part" and files["pkg/deep"] == "a file"
    assert "README.md" not in files and "pkg/deep/three.py" not in files


def test_a_tracked_folder_can_become_a_link_within_the_tree(scene: Scene):
    workspace = scene.pool().take(scene.base)
    (workspace.path / "pkg/deep").rename(workspace.path / "moved")
    (workspace.path / "pkg/deep").symlink_to("../moved")
    made = scene.commit(workspace)
    assert isinstance(made, Committed)
    files = scene.files_of(made.commit)
    assert files["pkg/deep"] == "../moved" and files["moved/three.py"] == "three = 3"


def test_names_with_spaces_and_letters_of_all_kinds_are_committed(scene: Scene):
    workspace = scene.pool().take(scene.base)
    names = [
        "a b.py",
        "ünïcode.py",
        "日本/語.py",
        "*.py",
        ":(top)x",
        '"quoted"',
        "$(x)",
        "a'b",
        "#c",
        " lead",
    ]
    for name in names:
        path = workspace.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x\n")
    made = scene.commit(workspace)
    assert isinstance(made, Committed)
    assert {c.path for c in made.changes} == set(names)
    (workspace.path / "*.py").write_text("only this one\n")
    again = scene.commit(workspace, parent=made.commit)
    assert isinstance(again, Committed) and [c.path for c in again.changes] == ["*.py"]


@pytest.mark.parametrize(
    ("name", "why", "shown"),
    [
        ("new\nline.py", "control characters", r"new\nline.py"),
        ("esc\x1b[31m", "control characters", r"esc\x1b[31m"),
        ("pkg/tab\t", "control characters", r"pkg/tab\t"),
        ("bidi\u202etxt", "control characters", r"bidi\u202etxt"),
        ("-rf", "dash", "-rf"),
        ("--help/x", "dash", "--help/x"),
        ("latin\udce9", "UTF-8", r"latin\udce9"),
        ("sub/.GIT/config", ".git", "sub/.GIT/config"),
        ("git~1", ".git", "git~1"),
        (".git./x", ".git", ".git./x"),
        (".git /x", ".git", ".git /x"),
        (".g\u200cit/config", ".git", r".g\u200cit/config"),
        (".git::$INDEX_ALLOCATION/x", ".git", ".git::$INDEX_ALLOCATION/x"),
    ],
)
@pytest.mark.sample(6)
def test_a_hostile_name_is_refused_by_name_and_leaves_no_ref(
    scene: Scene, name: str, why: str, shown: str
):
    workspace = scene.pool().take(scene.base)
    path = workspace.path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x\n")
    (workspace.path / "fine.py").write_text("fine\n")
    found = refused(scene.commit(workspace))
    assert list(found) == [shown] and why in found[shown]
    assert scene.git.read_ref(attempt_ref(RUN, "t", 1)) is None
    path.unlink()
    made = scene.commit(workspace)
    assert isinstance(made, Committed) and [c.path for c in made.changes] == ["fine.py"]


@pytest.mark.parametrize(
    ("place", "target", "fine"),
    [
        ("a", "pkg/one.py", True),
        ("pkg/a", "../README.md", True),
        ("pkg/deep/a", "../../tests", True),
        ("a", "missing", True),
        ("a", "./pkg/./one.py", True),
        ("a", "/etc/passwd", False),
        ("a", "..", False),
        ("pkg/a", "../../x", False),
        ("a", "pkg/../../x", False),
        ("pkg/a", "deep/../../../x", False),
        ("a", "pkg/deep/../one.py", False),
        ("a", ".git/config", False),
        ("pkg/a", "../.GIT", False),
        ("a", "C:/x", False),
        ("a", "..\\x", False),
    ],
)
@pytest.mark.sample(7)
def test_a_link_must_stay_in_the_tree(scene: Scene, place: str, target: str, fine: bool):
    workspace = scene.pool().take(scene.base)
    (workspace.path / place).symlink_to(target)
    made = scene.commit(workspace)
    if fine:
        assert isinstance(made, Committed)
    else:
        assert list(refused(made)) == [place]


def test_a_chain_of_links_cannot_lead_out_either(scene: Scene):
    # d leads to the top; from there `..` twice would be outside, though it reads as inside.
    workspace = scene.pool().take(scene.base)
    (workspace.path / "pkg/deep/d").symlink_to("../../tests")
    (workspace.path / "pkg/deep/e").symlink_to("d/../../x")
    assert list(refused(scene.commit(workspace))) == ["pkg/deep/e"]


def test_names_that_differ_in_case_only_are_refused_where_they_are_new(scene: Scene):
    workspace = scene.pool().take(scene.base)
    for name in ("readme.MD", "PKG/x.py", "new/A", "new/a", "fine/b"):
        (workspace.path / name).parent.mkdir(exist_ok=True)
        (workspace.path / name).write_text("x\n")
    found = refused(scene.commit(workspace))
    assert set(found) == {"readme.MD", "PKG", "new/a"}
    assert "README.md" in found["readme.MD"] and "pkg" not in found["readme.MD"]


def test_unicode_forms_of_one_name_collide(scene: Scene):
    workspace = scene.pool().take(scene.base)
    (workspace.path / "caf\u00e9").write_text("x")
    (workspace.path / "cafe\u0301").write_text("x")
    assert len(refused(scene.commit(workspace))) == 1


def test_what_the_base_has_already_is_not_refused(tmp_path: Path):
    odd = {
        "Case": "x\n",
        "case": "x\n",
        "-dash": "x\n",
        "new\nline": "x\n",
        "d/A": "x\n",
        "d/a": "x\n",
    }
    scene = Scene(tmp_path, odd)
    workspace = scene.pool().take(scene.base)
    for name in odd:
        (workspace.path / name).write_text("changed\n")
    (workspace.path / "d/fine").write_text("fine\n")
    made = scene.commit(workspace)
    assert isinstance(made, Committed)
    assert {c.path for c in made.changes} == {*odd, "d/fine"}


def test_a_giant_is_refused_before_it_is_stored(scene: Scene):
    workspace = scene.pool().take(scene.base)
    with (workspace.path / "giant.bin").open("wb") as file:
        file.truncate(3 << 30)
    found = refused(scene.commit(workspace, size_limit_bytes=1 << 20))
    assert "3221225472 bytes" in found["giant.bin"]
    stored = sum(p.stat().st_size for p in (scene.user / ".git/objects").rglob("*") if p.is_file())
    assert stored < 1 << 20


def test_a_flood_of_files_is_refused(scene: Scene):
    workspace = scene.pool().take(scene.base)
    for number in range(40):
        (workspace.path / f"f{number}").write_text("x")
    assert "40 paths" in refused(scene.commit(workspace, entry_limit=39))["."]
    assert isinstance(scene.commit(workspace, entry_limit=40), Committed)


def test_a_worktree_whose_pointer_leads_nowhere_here_is_refused_whole(scene: Scene):
    """As one that an agent makes in its sandbox, where the repository has another place."""
    workspace = scene.pool().take(scene.base)
    for name in ("copy/README.md", "copy/deep/below/x", "fine/x"):
        (workspace.path / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace.path / name).write_text("x")
    (workspace.path / "copy/.git").write_text("gitdir: /nowhere/here\n")
    found = refused(scene.commit(workspace))
    assert list(found) == ["copy/"] and "remove its .git" in found["copy/"]


def test_a_repository_within_is_refused_and_says_what_to_do(scene: Scene):
    workspace = scene.pool().take(scene.base)
    agent(workspace, "init", "-q", "vendored")
    (workspace.path / "vendored/a").write_text("a\n")
    agent(workspace, "-C", "vendored", "add", "-A")
    agent(workspace, "-C", "vendored", "commit", "-q", "-m", "a")
    found = refused(scene.commit(workspace))
    assert list(found) == ["vendored/"] and "remove its .git" in found["vendored/"]


def test_submodules_can_neither_come_nor_move_nor_go(scene: Scene):
    library = Scene(scene.folder / "library", {"lib": "lib\n"})
    always = ("-c", "protocol.file.allow=always")
    scene.plain(*always, "submodule", "add", "-q", str(library.user), "sub")
    base = scene.commit_all("with a submodule")
    pool = scene.pool()
    workspace = pool.take(base)
    (workspace.path / "x.py").write_text("x\n")
    assert isinstance(scene.commit(workspace), Committed)
    agent(workspace, "init", "-q", "sub")
    agent(workspace, "-C", "sub", "commit", "-q", "--allow-empty", "-m", "moved")
    assert "sub" in refused(scene.commit(workspace))
    pool.give_back(workspace)
    workspace = pool.take(base)
    (workspace.path / "sub").rmdir()
    assert "submodule" in refused(scene.commit(workspace))["sub"]


def test_ignored_files_and_junk_stay_out_but_tracked_ones_count(scene: Scene):
    scene.write("kept.log", "tracked though ignored\n")
    scene.plain("add", "-f", "kept.log")
    base = scene.commit_all("kept.log")
    workspace = scene.pool().take(base)
    junk = [
        "x.log",
        "build/out",
        "a.idea",
        "__pycache__/x.pyc",
        ".coverage",
        "pkg/.DS_Store",
        ".pytest_cache/v",
    ]
    for name in [*junk, "real.py"]:
        (workspace.path / name).parent.mkdir(exist_ok=True)
        (workspace.path / name).write_text("x\n")
    (workspace.path / "kept.log").write_text("changed\n")
    made = scene.commit(workspace)
    assert isinstance(made, Committed)
    assert {c.path for c in made.changes} == {"real.py", "kept.log"}


def test_the_repositorys_own_ignore_files_win_over_the_junk_list(scene: Scene):
    workspace = scene.pool().take(scene.base)
    (workspace.path / ".gitignore").write_text("!*.pyc\n")
    (workspace.path / "fixture.pyc").write_text("x")
    made = scene.commit(workspace)
    assert isinstance(made, Committed)
    assert {c.path for c in made.changes} == {".gitignore", "fixture.pyc"}


def test_what_the_agent_did_with_git_does_not_matter(scene: Scene):
    workspace = scene.pool().take(scene.base)
    (workspace.path / "staged.py").write_text("staged\n")
    (workspace.path / "pkg/one.py").write_text("one = 11\n")
    agent(workspace, "update-index", "--skip-worktree", "pkg/one.py")
    agent(workspace, "switch", "-q", "-c", "mine")
    agent(workspace, "add", "staged.py")
    agent(workspace, "commit", "-q", "-m", "mine")
    agent(workspace, "rm", "-q", "--cached", "pkg/two.py")
    made = scene.commit(workspace)
    assert isinstance(made, Committed)
    assert {c.path: c.status for c in made.changes} == {"pkg/one.py": "M", "staged.py": "A"}
    assert scene.git.read_commit(made.commit).parents == (scene.base,)


def test_a_file_that_git_cannot_read_is_the_agents_to_mend(scene: Scene):
    workspace = scene.pool().take(scene.base)
    (workspace.path / ".gitattributes").write_text("*.py working-tree-encoding=UTF-16\n")
    (workspace.path / "x.py").write_text("not sixteen bits\n")
    found = refused(scene.commit(workspace))
    assert "cannot be read" in found["."]
    (workspace.path / ".gitattributes").unlink()
    assert isinstance(scene.commit(workspace), Committed)


def test_pipes_and_empty_folders_are_not_content(scene: Scene):
    workspace = scene.pool().take(scene.base)
    os.mkfifo(workspace.path / "pipe")
    (workspace.path / "empty").mkdir()
    assert isinstance(scene.commit(workspace), Unchanged)


def test_a_full_disk_is_an_error_and_nothing_is_lost(scene: Scene):
    # A limit on the size of files looks to git as a full disk does.
    workspace = scene.pool().take(scene.base)
    (workspace.path / "big").write_bytes(os.urandom(400_000))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(GitError) as caught:
            scene.commit(workspace)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.kind == "no-space" and "orch resume" in caught.value.hint
    assert scene.git.read_ref(attempt_ref(RUN, "t", 1)) is None
    # The lock that the killed git left is in our own index, so it is ours to remove.
    assert isinstance(scene.commit(workspace), Committed)


def bare(place: Path, *names: str) -> None:
    for name in names:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text("ref: refs/heads/x\n")


@pytest.mark.parametrize(
    ("plant", "why"),
    [
        (lambda top: bare(top / "r", "HEAD", "objects/x", "refs/x", "config"), "of its own"),
        (lambda top: bare(top / "r", "head", "Objects/x", "REFS/x"), "of its own"),
        (lambda top: bare(top / "r", "HEAD", "commondir"), "of its own"),
        (lambda top: (top / ".gitmodules").write_text("[submodule]\n"), "submodules come from"),
        (lambda top: (top / "GITMOD~1").write_text("[submodule]\n"), "submodules come from"),
        (lambda top: (top / "x").symlink_to("a\033[31m"), "control characters"),
        (lambda top: (top / "x").symlink_to(os.fsdecode(b"a\xff")), "not UTF-8"),
        (lambda top: bare(top, ("d" * 200 + "/") * 5 + "x"), "bytes; at most"),
        (lambda top: bare(top, "one", "o\u200cne"), "it is the same as"),
        (lambda top: bare(top, "two", "two. "), "it is the same as"),
        (lambda top: (top / ".gitattributes").write_text("x" * 3000), "a line of it"),
        (lambda top: bare(top, ".git\\x"), "git takes no file of that name"),
        (lambda top: (top / "pkg/.gitmodules").symlink_to("one.py"), "git takes no file"),
    ],
    ids=range(13),
)
@pytest.mark.sample(6)
def test_what_could_harm_elsewhere_is_refused_in_words(
    scene: Scene, plant: Callable[[Path], None], why: str
):
    workspace = scene.pool().take(scene.base)
    plant(workspace.path)
    (workspace.path / "fine.py").write_text("fine\n")
    found = scene.commit(workspace)
    assert isinstance(found, NotCommitted) and why in found.refused[0].why, found


@pytest.mark.thorough
def test_a_folder_that_cannot_be_looked_into_is_said(scene: Scene):
    """What is in it would be left out without a word; so deep no path reaches it."""
    workspace = scene.pool().take(scene.base)
    script = "import os\nfor _ in range(2500): os.mkdir('d'); os.chdir('d')\nopen('x', 'w')"
    subprocess.run((sys.executable, "-c", script), cwd=workspace.path, check=True)
    found = scene.commit(workspace)
    remove(workspace.path / "d")  # nobody else could
    assert isinstance(found, NotCommitted) and "looked into" in found.refused[0].why, found
