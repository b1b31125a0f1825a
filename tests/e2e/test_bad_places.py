"""Where a run may not start, and odd places where it may: nothing of the user's is changed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.cli import User, declined, ended_with, no_defect, refused

ACTING = (("run",), ("plan",), ("gate",))
LOOKING = (("status",), ("wait",))


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path / "home")


def works(user: User, *args: str, **how) -> None:
    """A run of two tasks here ends well, and the user's things are as they were."""
    user.plan("a", ("b", ["a"]))
    before = user.things()
    ended_with(user.orch("run", *args, **how), 0)
    assert user.things() == before
    assert user.result()["b.txt"] == "by b"
    assert not user.left()


# --- no place for a run -----------------------------------------------------------------------


def test_outside_a_repository_every_command_says_so(user: User, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for command in (("run",), ("gate",), ("status",)):
        said = user.orch(*command, folder=elsewhere)
        refused(said, 2, str(elsewhere), "not in a git repository", "git init")
    assert not list(elsewhere.iterdir()), "nothing is made"
    assert not user.state.exists()


def test_a_bare_repository_is_refused_and_a_checkout_is_advised(user: User, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    user.git("clone", "-q", "--bare", str(user.root), str(bare))
    before = sorted(bare.rglob("*"))
    for command in ACTING[:2]:
        refused(user.orch(*command, folder=bare), 2, "bare", "git worktree add")
    assert sorted(bare.rglob("*")) == before


def test_inside_the_git_folder_is_no_place(user: User) -> None:
    refused(user.orch("run", folder=user.root / ".git"), 2, "git folder", "your project's folder")


@pytest.mark.thorough
def test_without_a_commit_there_is_nothing_to_start_from(tmp_path: Path) -> None:
    user = User(tmp_path, commits=False)
    user.plan("a")
    for command in ACTING:
        refused(user.orch(*command), 2, "first commit")
    assert not (user.root / ".git" / "orch" / "ledger.sqlite").exists()


def test_a_broken_head_is_said(user: User) -> None:
    user.plan("a")
    (user.root / ".git" / "refs" / "heads" / "main").write_text("0" * 39 + "1\n")
    said = user.orch("run")
    refused(said, 2)


def test_the_folder_that_the_user_is_in_was_deleted(user: User, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    said = user.orch("status", folder=gone, before=gone.rmdir)
    refused(said, 2, "folder")


def test_a_branch_of_the_users_called_orch_is_in_the_way(user: User) -> None:
    user.plan("a")
    user.git("branch", "orch")
    before = user.things()
    refused(user.orch("run"), 2, "'orch'", "git branch -m orch")
    assert user.things() == before
    refused(user.orch("status"), 2, "no run")
    user.git("branch", "-m", "orch", "orch-work")
    ended_with(user.orch("run"), 0)


def test_nobody_to_commit_as(user: User) -> None:
    user.plan("a")
    user.git("config", "--unset", "user.name")
    user.git("config", "--unset", "user.email")
    refused(user.orch("run"), 2, "who you are", "git config --global user.name")
    assert not user.left()


# --- odd, and allowed -------------------------------------------------------------------------


def test_a_detached_head_runs_and_accept_says_what_it_needs(user: User) -> None:
    user.git("checkout", "-q", "--detach")
    works(user)
    before = user.things()
    said = user.orch("accept")
    refused(said, 2, "--to")
    assert user.things() == before
    ended_with(user.orch("accept", "--to", "main"), 0)
    assert user.git("show", "main:b.txt") == "by b"
    assert not (user.root / "b.txt").exists(), "the checkout is not on main"


@pytest.mark.thorough
def test_a_dirty_checkout_is_allowed_and_said(user: User) -> None:
    user.write({"readme": "changed, not committed\n", "new.txt": "untracked\n"})
    user.git("add", "readme")
    user.write({"readme": "changed again\n"})
    user.plan("a")
    before = user.things()
    said = user.orch("run")
    ended_with(
        said, 0, "1 changed file", "starts from the commit", user.git("rev-parse", "HEAD")[:7]
    )
    assert user.result()["readme"] == "hello" and "new.txt" not in user.result()
    declined(user.orch("accept"), "readme", "orch accept --to")
    assert user.things() == before


@pytest.mark.thorough
def test_in_the_middle_of_a_merge_a_run_goes_and_accept_does_not(user: User) -> None:
    user.git("checkout", "-q", "-b", "other")
    user.commit({"readme": "theirs\n"})
    user.git("checkout", "-q", "main")
    user.commit({"readme": "ours\n"})
    subprocess.run(["git", "merge", "-q", "other"], cwd=user.root, env=user.environ, check=False)
    assert (user.root / ".git" / "MERGE_HEAD").exists()
    user.plan("a")
    before = user.things()
    ended_with(user.orch("run"), 0)
    assert user.things() == before
    declined(user.orch("accept"), "in the middle of a merge", "--abort", "--to")
    assert user.things() == before


@pytest.mark.thorough
def test_from_a_folder_below(user: User) -> None:
    below = user.root / "some" / "where"
    below.mkdir(parents=True)
    works(user, folder=below)
    ended_with(user.orch("run", "../../.agent/plans/work.toml", "--dry-run", folder=below), 0)


def test_from_a_linked_worktree_of_the_users(user: User, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    user.git("worktree", "add", "-q", "-b", "feature", str(linked))
    user.git("-C", str(linked), "commit", "-q", "--allow-empty", "-m", "on the feature")
    user.plan("a")
    (user.root / ".agent" / "plans").rename(linked / ".agent" / "plans")
    before = user.things()
    ended_with(user.orch("run", folder=linked), 0)
    assert user.things() == before
    assert user.status()["target"] == "feature"
    ended_with(user.orch("accept", folder=linked), 0)
    assert (linked / "a.txt").read_text() == "by a\n"
    assert not (user.root / "a.txt").exists()
    assert [line.split()[0] for line in user.git("worktree", "list").splitlines()] == [
        str(user.root),
        str(linked),
    ]


@pytest.mark.thorough
def test_from_a_worktree_of_a_bare_repository(user: User, tmp_path: Path) -> None:
    bare, linked = tmp_path / "bare.git", tmp_path / "linked"
    user.git("clone", "-q", "--bare", str(user.root), str(bare))
    user.git("worktree", "add", "-q", str(linked), "main", folder=bare)
    user.plan("a")
    (user.root / ".agent" / "plans").rename(linked / ".agent" / "plans")
    who = {**user.environ, "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.invalid"}
    ended_with(user.orch("run", folder=linked, environ=who), 0)
    ended_with(user.orch("accept", folder=linked, environ=who), 0)
    assert (linked / "a.txt").read_text() == "by a\n"


@pytest.mark.parametrize("name", ["-dash", "spaces, 'quotes' – Ünïcödé 工程;$HOME %s"])
@pytest.mark.sample(1)
def test_a_path_with_odd_letters(tmp_path: Path, name: str) -> None:
    works(User(tmp_path / "a home", name=name))


def test_a_path_with_a_line_end_works_or_is_refused_in_words(tmp_path: Path) -> None:
    user = User(tmp_path, name="two\nlines")
    user.plan("a")
    said = user.orch("run")
    no_defect(said)
    if said.exit_code:
        refused(said, 2, "path")


@pytest.mark.thorough
def test_a_linked_state_folder_and_a_linked_checkout(tmp_path: Path) -> None:
    user = User(tmp_path / "real")
    link, state = tmp_path / "link", tmp_path / "elsewhere"
    link.symlink_to(user.root)
    state.mkdir()
    user.state.symlink_to(state)
    works(user, folder=link)


# --- clones that lack something ---------------------------------------------------------------


def clone(user: User, folder: Path, *how: str) -> User:
    """A clone of the user's repository, by that way of cloning."""
    for number in range(3):
        user.commit({"readme": f"{number}\n"}, f"change {number}")
    user.git("config", "uploadpack.allowFilter", "true")
    user.git("clone", "-q", *how, f"file://{user.root}", str(folder / "project"))
    cloned = User(folder, environ=user.environ | {"HOME": str(folder)})
    cloned.environ["ORCH_STATE_DIR"] = str(cloned.state)
    cloned.identify()
    return cloned


@pytest.mark.thorough
def test_a_shallow_clone(user: User, tmp_path: Path) -> None:
    cloned = clone(user, tmp_path / "shallow", "--depth=1")
    assert (cloned.root / ".git" / "shallow").exists()
    works(cloned)
    ended_with(cloned.orch("accept"), 0)
    ended_with(cloned.orch("doctor"), 0, "shallow", "git fetch --unshallow")


@pytest.mark.thorough
def test_a_partial_clone(user: User, tmp_path: Path) -> None:
    """What its checkout holds is there; nothing else is fetched while a run goes on."""
    cloned = clone(user, tmp_path / "partial", "--filter=tree:0")
    works(cloned)
    ended_with(cloned.orch("accept"), 0)
    ended_with(cloned.orch("doctor"), 0, "partial", "git fetch --refetch")


@pytest.mark.thorough
def test_a_partial_clone_that_lacks_what_the_base_needs(user: User, tmp_path: Path) -> None:
    """A base whose files were never fetched: said, with what to type; nothing is left."""
    user.commit({"gone.txt": "only in the past\n"}, "with more")
    user.git("rm", "-q", "gone.txt")
    user.git("commit", "-q", "-m", "without")
    cloned = clone(user, tmp_path / "partial", "--filter=blob:none")
    cloned.plan("a", base="HEAD~4")
    before = cloned.things()
    said = cloned.orch("run")
    no_defect(said)
    assert said.exit_code != 0, said
    assert "git fetch --refetch" in said.words, said.words
    assert cloned.things() == before and not cloned.left()


@pytest.mark.thorough
def test_a_sparse_checkout_is_whole_for_workers(user: User) -> None:
    user.commit({"in/one": "1\n", "out/two": "2\n"})
    user.git("sparse-checkout", "set", "in")
    assert not (user.root / "out").exists()
    user.settings(gates={"suite": "test -e out/two"})
    user.git("add", "--sparse", "-A")
    user.git("commit", "-q", "-m", "gate")
    works(user)


# --- folders of orch's own --------------------------------------------------------------------


@pytest.mark.thorough
def test_no_home(user: User) -> None:
    """Git and orch do without: the repository knows who commits, the state folder is named."""
    user.plan("a")
    bare = {"PATH": user.environ["PATH"], "ORCH_STATE_DIR": str(user.state)}
    ended_with(user.orch("run", environ=bare), 0)
    nothing = {"PATH": user.environ["PATH"]}
    no_defect(user.orch("status", environ=nothing))


@pytest.mark.thorough
def test_a_home_that_is_not_there_or_may_not_be_written(user: User) -> None:
    """/proc may be written by nobody, root neither."""
    user.plan("a")
    before = user.things()
    environ = {"PATH": user.environ["PATH"], "HOME": "/proc/nobody"}
    said = user.orch("run", environ=environ)
    refused(said, 2, "/proc/nobody", "ORCH_STATE_DIR")
    assert user.things() == before and not user.left()


def test_a_state_folder_that_is_a_file(user: User) -> None:
    user.plan("a")
    user.state.write_text("not a folder\n")
    before = user.things()
    said = user.orch("run")
    refused(said, 2, str(user.state), "ORCH_STATE_DIR")
    assert user.things() == before
    assert user.state.read_text() == "not a folder\n"


def test_a_state_folder_inside_the_repository(user: User) -> None:
    """Tools would find the project around a workspace, and the checkout would change."""
    user.plan("a")
    before = user.things()
    environ = user.environ | {"ORCH_STATE_DIR": str(user.root / ".state")}
    said = user.orch("run", environ=environ)
    refused(said, 2, "ORCH_STATE_DIR", "in the repository")
    assert user.things() == before and not (user.root / ".state").exists()


@pytest.mark.thorough
def test_a_relative_state_folder_is_one_place_from_everywhere(user: User) -> None:
    user.plan("a")
    below = user.root / "below"
    below.mkdir()
    environ = user.environ | {"ORCH_STATE_DIR": "state-here"}
    said = user.orch("run", environ=environ, folder=below)
    refused(said, 2, "ORCH_STATE_DIR", "whole path")


def test_a_folder_of_the_ledgers_that_is_a_file(user: User) -> None:
    user.plan("a")
    (user.root / ".git" / "orch").write_text("in the way\n")
    said = user.orch("run")
    refused(said, 2, str(user.root / ".git" / "orch"))
    for command in LOOKING:
        refused(user.orch(*command), 2)
    assert (user.root / ".git" / "orch").read_text() == "in the way\n"
