"""A shadow of the git folder: what is in it, and that nothing of the user's configuration is."""

import subprocess
from pathlib import Path

from tests.support.project import ENVIRON, Project
from worktree.shadow import make_shadow, object_folders
from worktree.workspace import Pool


def shadow_of(project: Project, folder: Path) -> tuple[Path, tuple[Path, ...]]:
    git = project.workplace().git
    pool = Pool(git, folder / "state" / "ws", "orch-r-worker")
    workspace = pool.take(project.git("rev-parse", "HEAD"))
    shadow = make_shadow(git, workspace, str(git.repository.common_dir / "objects-at"))
    # Where no sandbox mounts them, the objects are found by a link.
    (git.repository.common_dir / "objects-at").mkdir()
    for number, objects in enumerate(shadow.objects):
        (git.repository.common_dir / f"objects-at/{number}").symlink_to(objects)
    return shadow.folder, shadow.objects


def ask(folder: Path, *args: str) -> str:
    done = subprocess.run(
        ("git", f"--git-dir={folder}", *args),
        env=ENVIRON,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_has_the_refs_but_orchs_own_and_the_objects(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.git("tag", "-a", "v1", "-m", "one")
    project.git("branch", "topic")
    head = project.git("rev-parse", "HEAD")
    for ref in ("refs/orch/r/tip", "refs/heads/orch/r/result", "refs/orch-discarded/r/tip"):
        project.git("update-ref", ref, head)
    shadow, _ = shadow_of(project, tmp_path)
    refs = ask(shadow, "for-each-ref", "--format=%(refname)").splitlines()
    assert refs == ["refs/heads/main", "refs/heads/topic", "refs/tags/v1"]
    assert ask(shadow, "rev-parse", "HEAD") == head
    assert ask(shadow, "log", "--format=%s") == "first"
    assert ask(shadow, "describe") == "v1"
    assert "missing" not in ask(shadow, "fsck")


def test_it_has_nothing_of_the_users_configuration(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.git("remote", "add", "origin", "https://user:canary-token@example.invalid/x.git")
    project.git("config", "http.extraHeader", "Authorization: canary-header")
    (project.root / ".git/hooks/pre-commit").write_text("#!/bin/sh\necho canary-hook\n")
    shadow, _ = shadow_of(project, tmp_path)
    everything = b"".join(path.read_bytes() for path in shadow.rglob("*") if path.is_file())
    assert b"canary" not in everything
    assert ask(shadow, "remote") == ""


def test_it_has_what_a_clone_borrows_from(tmp_path: Path) -> None:
    lender = Project(tmp_path / "lender")
    borrower = Project(tmp_path / "borrower")
    git = borrower.workplace().git
    lent = lender.root / ".git/objects"
    (borrower.root / ".git/objects/info/alternates").write_text(f"{lent}\n")
    assert object_folders(git.repository.common_dir / "objects")[1:] == (lent,)
    tree = lender.commit({"only-there": "x"}, "only there")
    shadow, objects = shadow_of(borrower, tmp_path / "borrower")
    assert len(objects) == 2
    assert ask(shadow, "show", f"{tree}:only-there") == "x"


def test_it_is_made_anew_each_time(tmp_path: Path) -> None:
    project = Project(tmp_path)
    git = project.workplace().git
    pool = Pool(git, tmp_path / "state" / "ws", "orch-r-worker")
    workspace = pool.take(project.git("rev-parse", "HEAD"))
    first = make_shadow(git, workspace, "/objects")
    (first.folder / "hooks").mkdir()
    (first.folder / "hooks/post-checkout").write_text("planted")
    again = make_shadow(git, workspace, "/objects")
    assert not (again.folder / "hooks").exists()
