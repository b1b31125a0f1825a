"""A person who works on in the repository while a run goes on, and two runs at once."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.cli import Typed, User, declined, ended_with, no_defect, wait_for

WAITS = (
    'touch "{home}/here-$ORCH_TASK-$ORCH_ATTEMPT";'
    ' n=0; until test -e "{home}/go" || test $((n += 1)) -gt 900; do sleep 0.05; done;'
    ' printf "by %s\\n" "$ORCH_TASK" > "$ORCH_TASK.txt"'
)


@pytest.fixture
def user(tmp_path: Path) -> User:
    """A user whose workers say that they are there and wait for the file `go`."""
    user = User(tmp_path / "home")
    user.settings(worker=WAITS.format(home=user.home))
    user.commit({}, "worker")
    user.plan("a", ("b", ["a"]))
    return user


@contextmanager
def under_way(user: User, *args: str) -> Iterator[Typed]:
    """A run whose first worker is at work."""
    with user.typing("run", *args) as typed:
        typed.hears("a started")
        wait_for(lambda: (user.home / "here-a-1").exists())
        yield typed


def lands(user: User, typed: Typed, exit_code: int = 0) -> None:
    (user.home / "go").touch()
    said = typed.said(40)
    ended_with(said, exit_code)
    if exit_code == 0:
        assert user.result()["b.txt"] == "by b"
    assert not user.left()


# --- in the checkout --------------------------------------------------------------------------


def test_commits_to_the_target_meanwhile_are_judged_together_at_accept(user: User) -> None:
    with under_way(user) as typed:
        user.commit({"mine.txt": "mine\n"}, "meanwhile")
        lands(user, typed)
    assert "mine.txt" not in user.result(), "the run goes on from its base"
    ended_with(user.orch("accept"), 0)
    assert (user.root / "mine.txt").exists() and (user.root / "b.txt").exists()
    assert user.git("status", "--porcelain") == ""


@pytest.mark.thorough
def test_a_conflict_with_what_was_committed_meanwhile_loses_nothing(user: User) -> None:
    with under_way(user) as typed:
        user.commit({"b.txt": "mine\n"}, "meanwhile")
        lands(user, typed)
    before = user.things()
    said = user.orch("accept")
    ended_with(said, 1, "not accepted", "b.txt", "hint:")
    assert user.things() == before
    ended_with(user.orch("accept", "--without", "b"), 0)
    assert (user.root / "b.txt").read_text() == "mine\n" and (user.root / "a.txt").exists()


def test_a_person_who_rewrites_switches_and_deletes_branches(user: User) -> None:
    """The base is kept by the run's own refs; the target may even be gone at the end."""
    with under_way(user) as typed:
        user.git("commit", "-q", "--amend", "-m", "rewritten")
        user.git("checkout", "-q", "--orphan", "fresh")
        user.git("commit", "-q", "-m", "another beginning")
        user.git("branch", "-D", "main")
        user.git("reflog", "expire", "--expire=now", "--all")
        user.git("gc", "-q", "--prune=now")
        lands(user, typed)
    ended_with(user.orch("accept", "--to", "salvaged"), 0)
    assert user.git("show", "salvaged:b.txt") == "by b"


@pytest.mark.thorough
def test_a_target_that_the_user_deleted_is_not_made_again_unasked(user: User) -> None:
    with under_way(user) as typed:
        user.git("checkout", "-q", "-b", "elsewhere")
        user.git("branch", "-D", "main")
        lands(user, typed)
    before = user.things()
    said = user.orch("accept")
    assert user.things() == before, said
    declined(said, "main", "--to")


@pytest.mark.thorough
def test_collecting_garbage_and_pruning_worktrees_meanwhile(user: User) -> None:
    with under_way(user) as typed:
        user.git("gc", "-q", "--prune=now")
        user.git("worktree", "prune")
        user.git("pack-refs", "--all")
        user.git("repack", "-q", "-a", "-d")
        lands(user, typed)


@pytest.mark.thorough
def test_a_git_of_the_users_that_holds_the_index_stops_only_accept(user: User) -> None:
    lock = user.root / ".git" / "index.lock"
    with under_way(user) as typed:
        lock.write_text("")
        (user.home / "go").touch()
        ended_with(typed.said(40), 0)
    before = user.things()
    said = user.orch("accept")
    no_defect(said)
    assert said.exit_code in (2, 5) and "index.lock" in said.words and "hint:" in said.err, said
    assert user.things() == before and lock.exists()
    lock.unlink()
    ended_with(user.orch("accept"), 0)


@pytest.mark.thorough
def test_a_git_of_the_users_that_holds_all_refs_for_a_moment_is_waited_for(user: User) -> None:
    lock = user.root / ".git" / "packed-refs.lock"
    with under_way(user) as typed:
        lock.write_text("")
        (user.home / "go").touch()
        typed.hears("a ready to land")
        lock.unlink()
        ended_with(typed.said(40), 0)
    assert not user.left()


# --- in what is orch's ------------------------------------------------------------------------


def test_a_workspace_deleted_in_the_middle(user: User) -> None:
    with under_way(user) as typed:
        for workspace in user.state.glob("*/*/orch-*"):
            shutil.rmtree(workspace, ignore_errors=True)  # it may be in use this very moment
        lands(user, typed)


@pytest.mark.thorough
def test_the_whole_state_folder_deleted_in_the_middle(user: User) -> None:
    with under_way(user) as typed:
        shutil.rmtree(user.state, ignore_errors=True)
        lands(user, typed)


@pytest.mark.thorough
def test_a_workspace_removed_with_git_in_the_middle(user: User) -> None:
    with under_way(user) as typed:
        for line in user.git("worktree", "list", "--porcelain").splitlines():
            if line.startswith("worktree ") and "orch-" in line:
                remove = ("git", "worktree", "remove", "--force", line.removeprefix("worktree "))
                # It may be in use this very moment: then git says so, and the person goes on.
                subprocess.run(remove, cwd=user.root, env=user.environ, check=False)
        lands(user, typed)


def test_the_result_branch_deleted_moved_or_checked_out_meanwhile(user: User) -> None:
    with under_way(user) as typed:
        run = user.run_id()
        user.git("branch", "-f", f"orch/{run}/result", "main")
        user.git("branch", "-D", f"orch/{run}/result")
        lands(user, typed)
    assert user.git("show", f"orch/{run}/result:b.txt") == "by b"


@pytest.mark.thorough
def test_the_runs_own_refs_deleted_in_the_middle_is_said_and_not_guessed(user: User) -> None:
    with under_way(user) as typed:
        for ref in user.git("for-each-ref", "--format=%(refname)", "refs/orch").splitlines():
            user.git("update-ref", "-d", ref)
        (user.home / "go").touch()
        said = typed.said(40)
    no_defect(said)
    assert said.exit_code == 0 or "hint:" in said.err, said
    ended_with(user.orch("resume"), 0)
    ended_with(user.orch("ledger", "verify"), 0)
    assert user.result()["b.txt"] == "by b"


def test_the_ledger_moved_away_in_the_middle_ends_the_run_in_words(user: User) -> None:
    """What is recorded where nobody looks is not recorded: nothing may land on it."""
    before = user.things()
    with under_way(user) as typed:
        (user.root / ".git" / "orch").rename(user.root / ".git" / "orch.damaged")
        (user.home / "go").touch()
        said = typed.said(40)
    assert user.things() == before
    no_defect(said)
    assert said.exit_code not in (0, 3), said
    assert "ledger" in said.err and "hint:" in said.err, said


def test_cleaning_while_it_runs_leaves_it_alone(user: User) -> None:
    with under_way(user) as typed:
        said = user.orch("clean", "--discard")
        no_defect(said)
        assert "orch stop" in said.words, said
        lands(user, typed)


# --- two runs at once -------------------------------------------------------------------------


@pytest.mark.thorough
def test_two_runs_from_two_terminals_are_both_right(user: User, tmp_path: Path) -> None:
    user.plan("c", ("d", ["c"]), name="other")
    before = user.things()
    with user.typing("run", "work") as one, user.typing("run", "other") as two:
        wait_for(lambda: (user.home / "here-a-1").exists() and (user.home / "here-c-1").exists())
        (user.home / "go").touch()
        ended_with(one.said(40), 0)
        ended_with(two.said(40), 0)
    assert user.things() == before
    assert not user.left()
    runs = sorted({line.split("/")[3] for line in refs(user)})
    assert len(runs) == 2
    for run, mine in zip(runs, ({"c.txt", "d.txt"}, {"a.txt", "b.txt"}), strict=True):
        assert mine <= set(user.result(run)), run
        ended_with(user.orch("ledger", "verify", run), 0)
    for run in runs:
        ended_with(user.orch("accept", run), 0)
    assert {"a.txt", "b.txt", "c.txt", "d.txt"} <= {path.name for path in user.root.iterdir()}


@pytest.mark.thorough
def test_the_same_plan_twice_at_the_same_moment(user: User) -> None:
    (user.home / "go").touch()
    with user.typing("run") as one, user.typing("run") as two, user.typing("run") as three:
        for typed in (one, two, three):
            ended_with(typed.said(60), 0)
    assert len({line.split("/")[3] for line in refs(user)}) == 3
    assert not user.left()


@pytest.mark.thorough
def test_stopping_one_of_two_leaves_the_other(user: User) -> None:
    user.plan("c", name="other")
    with user.typing("run", "work") as one:
        wait_for(lambda: (user.home / "here-a-1").exists())
        first = user.run_id()
        with user.typing("run", "other") as two:
            wait_for(lambda: (user.home / "here-c-1").exists())
            ended_with(user.orch("stop", first), 0)
            ended_with(one.said(20), 130)
            ended_with(user.orch("clean", first, "--discard"), 0)
            (user.home / "go").touch()
            ended_with(two.said(40), 0)
    assert "c.txt" in user.result() and not user.left()


def refs(user: User) -> list[str]:
    return user.git("for-each-ref", "--format=%(refname)", "refs/heads/orch").splitlines()
