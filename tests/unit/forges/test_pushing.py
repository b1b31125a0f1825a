"""Under which name a result is pushed, and under which never."""

from __future__ import annotations

import pytest

from orchestrator.policy.pushing import MOST_NAMES, branch_name, protection, user_slug, way_of

NAME, NEW, OLD, OTHER = "orch/ada/r", "n" * 40, "o" * 40, "x" * 40


def forward(at: str) -> bool:
    return at == OLD


def test_the_name_says_whose_and_of_which_run() -> None:
    assert branch_name(user_slug("Ada Lovelace"), "r") == "orch/ada-lovelace/r"
    assert user_slug("", None, "ada@example.com") == "ada-example-com"
    assert user_slug("日本", "ada") == "ada" and user_slug("..", "--") == "somebody"
    assert user_slug("a" * 100) == "a" * 40


@pytest.mark.parametrize("name", ["main", "master", "release/1.0", "releases/2", "HEAD", "develop"])
def test_usual_names_are_protected(name: str) -> None:
    assert protection(name, ()) is not None


def test_the_target_and_the_remotes_main_branch_and_the_teams_list_are_protected() -> None:
    assert protection("stable", (), "stable", None) == "stable"
    assert protection("v1", ("v*",)) == "v*"
    assert protection(NAME, ("v*",), "main", None) is None


def test_a_new_name_where_there_is_none() -> None:
    way = way_of(NAME, NEW, {}, (), forward)
    assert way is not None and (way.branch, way.how) == (NAME, "new")


def test_what_is_there_stays() -> None:
    way = way_of(NAME, NEW, {NAME: NEW}, (), forward)
    assert way is not None and way.how == "there"


def test_our_own_branch_moves_forward_only() -> None:
    way = way_of(NAME, NEW, {NAME: OLD}, (NAME,), forward)
    assert way is not None and way.how == "forward"
    for there, ours in (({NAME: OTHER}, (NAME,)), ({NAME: OLD}, ())):
        way = way_of(NAME, NEW, there, ours, forward)
        assert way is not None and (way.branch, way.how) == (f"{NAME}-2", "new")


def test_names_run_out() -> None:
    there = {NAME: OTHER} | {f"{NAME}-{n}": OTHER for n in range(2, MOST_NAMES + 1)}
    assert way_of(NAME, NEW, there, (), forward) is None
