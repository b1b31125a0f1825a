"""What each command answers about a run that was cleaned: it tells, and does nothing more."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.cli import User, ended_with, refused, wait_for

REFUSED = (
    ("resume",),
    ("resume", "--parallel", "2"),
    ("stop",),
    ("accept",),
    ("accept", "--only", "a"),
    ("accept", "--to", "elsewhere"),
    ("reject", "a"),
    ("retry", "a"),
    ("retry", "a", "--later"),
    ("take", "a"),
    ("submit", "a", "HEAD"),
    ("allow", "a", "a.txt"),
)
TELL = (
    (("status",), "cleaned: its refs are gone"),
    (("status", "--json"), '"cleaned": true'),
    (("show",), "landed"),
    (("show", "a"), "landed"),
    (("log", "a"), "round 1"),
    (("report",), "Cleaned: its refs are gone"),
    (("diff",), "a.txt"),
    (("diff", "a", "--stat"), "a.txt"),
    (("wait",), "complete"),
    (("ledger", "verify"), "agrees"),
    (("ledger", "events"), "RunCleaned"),
    (("ledger", "export"), "session_id"),
    (("clean", "{run}"), "was cleaned already"),
    (("clean",), "cleaned 0 runs"),
)


@pytest.fixture(scope="module")
def after_a_clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a user who has run a plan, accepted its result and cleaned."""
    user = User(tmp_path_factory.mktemp("cleaned") / "home")
    user.settings(worker='echo at work; printf "by a\\n" > a.txt')
    user.commit({}, "worker")
    user.plan("a")
    for words in (("run",), ("accept",), ("clean",)):
        ended_with(user.orch(*words), 0)
    return user.home


@pytest.fixture
def user(after_a_clean: Path, tmp_path: Path) -> User:
    return User(Path(shutil.copytree(after_a_clean, tmp_path / "home", symlinks=True)))


def facts(user: User) -> int:
    with closing(sqlite3.connect(user.root / ".git" / "orch" / "ledger.sqlite")) as ledger:
        (newest,) = ledger.execute("SELECT max(seq) FROM event").fetchone()
    return int(newest)


def test_whatever_would_go_on_with_it_is_refused_and_changes_nothing(user: User) -> None:
    before, things, refs = facts(user), user.things(), user.git("for-each-ref")
    for words in REFUSED:
        refused(user.orch(*words), 2, f"run {user.run_id()} was cleaned", "orch report")
    assert facts(user) == before
    assert user.things() == things and user.git("for-each-ref") == refs
    assert not user.left()


@pytest.mark.thorough
def test_whatever_only_looks_goes_on_telling(user: User) -> None:
    before = facts(user)
    for words, told in TELL:
        said = user.orch(*(word.format(run=user.run_id()) for word in words))
        ended_with(said, 0, told)
    assert facts(user) == before


def test_a_change_whose_commits_are_gone_is_said_to_be_gone(user: User) -> None:
    user.git("reset", "-q", "--hard", "HEAD^")
    user.git("reflog", "expire", "--expire=now", "--all")
    user.git("gc", "-q", "--prune=now")
    for words in (("diff",), ("diff", "a"), ("diff", "--json")):
        refused(user.orch(*words), 2, "was cleaned", "orch report")


@pytest.mark.thorough
def test_what_was_cleaned_before_it_had_finished_never_ends(user: User) -> None:
    user.settings(worker="sleep 60")
    user.commit({}, "slow")
    user.plan("b", name="slow")
    with user.typing("run", "slow") as typed:
        typed.hears("b started")
    wait_for(lambda: not user.processes())
    ended_with(user.orch("clean", user.run_id()), 0, "cleaned 1 run")
    ended_with(user.orch("status"), 0, "cleaned before it had finished")
    refused(user.orch("wait", "--timeout", "5"), 2, "was cleaned")
    refused(user.orch("resume"), 2, "was cleaned")
    assert "is not finished" not in user.orch("run", "--dry-run").err
    assert "is not finished" not in user.orch("doctor").words
