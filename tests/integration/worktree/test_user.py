"""What is read of the user's configuration and checkout."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.worktree.support import AUTHOR, Scene, fingerprint
from worktree.user import checkout_state, current_branch, read_user_settings


def test_who_the_user_is_and_what_they_ignore(scene: Scene):
    (scene.home / ".config/git").mkdir(parents=True)
    (scene.home / ".config/git/ignore").write_text(".idea\n*.swp")
    (scene.user / ".git/info").mkdir(exist_ok=True)
    (scene.user / ".git/info/exclude").write_text("private/\n")
    found = scene.settings()
    assert (found.name, found.email) == (AUTHOR.name, AUTHOR.email)
    assert found.excludes == ".idea\n*.swp\nprivate/\n"
    assert found.signing is None and found.filters == ()
    scene.plain("config", "user.email", "work@example.invalid")
    scene.plain("config", "core.excludesFile", "~/mine")
    (scene.home / "mine").write_text("*.mine\n")
    assert scene.settings().email == "work@example.invalid"
    assert scene.settings().excludes == "*.mine\nprivate/\n"


def test_the_environment_wins_as_it_does_for_git(scene: Scene):
    environ = scene.environ | {"GIT_AUTHOR_NAME": "Another", "GIT_DIR": "/nonexistent"}
    assert read_user_settings(scene.git.repository, environ).name == "Another"


def test_no_identity_is_none_and_not_a_guess(scene: Scene):
    (scene.home / ".gitconfig").unlink()
    found = scene.settings()
    assert found.name is None and found.email is None


def test_how_the_checkout_stands(scene: Scene):
    before = fingerprint(scene.user)
    state = checkout_state(scene.git.repository, scene.settings())
    assert state.branch == "refs/heads/main" and state.head == scene.base
    assert state.dirty == () and state.dirty_count == 0 and state.operation is None
    assert not (state.shallow or state.partial or state.submodules or state.lfs)
    assert fingerprint(scene.user) == before
    for number in range(5):
        scene.write(f"pkg/m{number}.py", "m\n")
    scene.plain("add", "-A")
    scene.write("untracked", "u\n")
    scene.write(".gitattributes", "*.bin filter=lfs diff=lfs\n")
    scene.plain("switch", "-q", "--detach")
    state = checkout_state(scene.git.repository, scene.settings(), limit=2)
    assert state.branch is None and len(state.dirty) == 2 and state.dirty_count == 5
    assert state.lfs


def test_a_checkout_with_no_commit_or_in_the_middle_of_something(scene: Scene):
    scene.plain("switch", "-q", "--orphan", "empty")
    state = checkout_state(scene.git.repository, scene.settings())
    assert state.branch == "refs/heads/empty" and state.head is None
    (scene.user / ".git/MERGE_HEAD").write_text(f"{scene.base}\n")
    assert checkout_state(scene.git.repository, scene.settings()).operation == "merge"


@pytest.mark.parametrize("name", ["(detached)", "refs/heads/main", "ünal/zweig"])
def test_a_branch_is_told_whatever_its_name(scene: Scene, name: str):
    scene.plain("symbolic-ref", "HEAD", f"refs/heads/{name}")
    assert checkout_state(scene.git.repository, scene.settings()).branch == f"refs/heads/{name}"
    assert current_branch(scene.git.repository) == f"refs/heads/{name}"


def test_a_head_that_is_on_no_branch_is_told_as_it_is(scene: Scene):
    scene.plain("symbolic-ref", "HEAD", "refs/other/place")
    assert checkout_state(scene.git.repository, scene.settings()).branch == "refs/other/place"


def test_every_kind_of_difference_is_told_by_its_path(scene: Scene):
    scene.plain("switch", "-q", "-c", "side")
    scene.write("pkg/one.py", "one = 'side'\n")
    scene.commit_all("side")
    scene.plain("switch", "-q", "main")
    scene.write("pkg/one.py", "one = 'main'\n")
    scene.commit_all("main")
    scene.plain("merge", "-q", "side", check=False)
    scene.write("two words\nand a line.txt", "new\n")
    scene.plain("add", "two words\nand a line.txt")
    (scene.user / "pkg/two.py").unlink()
    scene.write("README.md", "changed\n")
    dirty = checkout_state(scene.git.repository, scene.settings()).dirty
    assert sorted(dirty) == [
        *("README.md", "pkg/one.py", "pkg/two.py", "two words\nand a line.txt"),
    ]


def test_clones_that_lack_something_are_said(scene: Scene):
    scene.plain("config", "uploadpack.allowFilter", "true")
    scene.plain("clone", "-q", "--filter=blob:none", f"file://{scene.user}", "../partial")
    scene.user = scene.folder / "partial"
    scene.git = scene.open()
    assert checkout_state(scene.git.repository, scene.settings()).partial


def test_programs_that_sign_come_from_the_users_files_only(scene: Scene):
    scene.plain("config", "--global", "commit.gpgSign", "true")
    scene.plain("config", "--global", "gpg.format", "ssh")
    scene.plain("config", "--global", "user.signingKey", "~/key.pub")
    scene.plain("config", "gpg.ssh.program", "/planted/program")
    scene.plain("config", "gpg.program", "/planted/program")
    found = scene.settings().signing
    assert found is not None and found.key == "~/key.pub"
    assert not [value for _, value in found.config if "planted" in value]


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen to make a key")
def test_a_user_who_signs_gets_signed_commits(scene: Scene):
    key = scene.home / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    (scene.home / "allowed").write_text(f"{AUTHOR.email} {Path(f'{key}.pub').read_text()}")
    for name, value in {
        "commit.gpgSign": "true",
        "gpg.format": "ssh",
        "user.signingKey": str(key),
        "gpg.ssh.allowedSignersFile": str(scene.home / "allowed"),
    }.items():
        scene.plain("config", "--global", name, value)
    tree = scene.git.tree_of(scene.base)
    signing = scene.settings().signing
    commit = scene.git.commit_tree(tree, (scene.base,), "signed\n", AUTHOR, signing=signing)
    scene.plain("verify-commit", commit)
    assert scene.git.read_commit(commit).message == "signed\n"
    assert os.listdir(scene.home)
