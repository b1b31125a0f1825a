"""Looking at a forge: open pull requests that overlap, tickets, and whose token it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ledger import events as e
from ledger.connectors import ForgeSettings
from ledger.model import Plan, Settings
from orchestrator.forges.address import repo_of
from orchestrator.forges.meant import forge_meant
from orchestrator.forges.opening import open_forge
from orchestrator.forges.overlap import find_overlaps
from orchestrator.forges.tickets import fetch_goal
from orchestrator.forges.tokens import find_token
from orchestrator.journal import Journal
from tests.integration.forges.conftest import Away
from tests.support.forges import (
    GITLAB_TOKEN,
    GitHubDouble,
    GitLabDouble,
    Pull,
    Trouble,
    served_forge,
)
from tests.support.project import task
from worktree.address import parse_address

PLAN = Plan(
    goal="g",
    tasks=(
        task("core", paths=("src/core/**",)),
        task("docs", paths=("docs/**",)),
        task("c", paths=()),
    ),
)
OPEN = (
    Pull(1, "orch/ada/r1", "main", "t", "", False, ("src/core/a.py", "README")),
    Pull(2, "feature", "main", "t", "", False, ("docs/a.md",)),
    Pull(3, "orch/ada/r2", "main", "t", "", False, ("src/other.py",)),
)


def test_a_plan_is_warned_of_what_an_open_pull_request_of_orchs_touches(
    on_github: Away, github: GitHubDouble
) -> None:
    github.pulls += OPEN
    settings = Settings(forge=on_github.settings)
    found = find_overlaps(on_github.project.workplace(), settings.forge, PLAN, "p.toml")
    (problem,) = found.problems
    assert "task core: pull request 1 (orch/ada/r1) changes src/core/a.py too" in problem.what
    assert problem.level == "warning" and not found.passed_over
    # What is nobody's of orch's is not even asked about.
    assert [one.path for one in github.asked if one.path.endswith("/files")] == [
        "/repos/ada/tea/pulls/1/files",
        "/repos/ada/tea/pulls/3/files",
    ]


def test_where_a_pull_request_was_opened_the_remotes_forge_is_looked_at_without_settings(
    away: Away,
) -> None:
    workplace = away.project.workplace()
    assert forge_meant(workplace, Settings()) is None
    with away.project.store() as store:
        opened = e.PullRequestOpened(
            repository="ada/tea", branch=away.branch, target="main", number=1, url="https://x"
        )
        journal = Journal.load(store, away.run)
        tip = journal.state.result
        tree = away.project.workplace().git.tree_of(tip)
        pushed = e.Pushed(
            remote="origin", url="x", branch=away.branch, commit=tip, tree=tree, heads=()
        )
        journal.append(pushed, opened)
    assert forge_meant(workplace, Settings()) == ForgeSettings()
    assert forge_meant(workplace, Settings(forge=away.settings)) == away.settings


def test_a_forge_that_cannot_be_asked_keeps_no_plan_from_being_looked_at(
    on_github: Away, github: GitHubDouble
) -> None:
    workplace = on_github.project.workplace()
    for trouble, words in (
        (Trouble(500, "x"), "500"),
        (Trouble(401, "x"), "TEA_TOKEN"),
        (Trouble(200, "nonsense"), "else than JSON"),
        (Trouble(0, silent=True), "nothing for too long"),
    ):
        github.asked.clear()
        github.troubles = [trouble]
        found = find_overlaps(workplace, on_github.settings, PLAN, "p")
        assert found.problems == () and words in found.passed_over
        assert len(github.asked) == 1  # once is enough for a warning
    gone = on_github.settings.model_copy(update={"url": "http://127.0.0.1:9"})
    assert "reached" in find_overlaps(workplace, gone, PLAN, "p").passed_over
    github.asked.clear()
    no_token = on_github.settings.model_copy(update={"token": "NOT_SET"})
    assert find_overlaps(workplace, no_token, PLAN, "p").passed_over == ""
    assert find_overlaps(workplace, None, PLAN, "p").problems == () and not github.asked


def test_gitlab_is_looked_at_the_same_way(away: Away) -> None:
    with served_forge(GitLabDouble()) as gitlab:
        away.project.environ["MINE"] = GITLAB_TOKEN
        gitlab.pulls += [replace(one) for one in OPEN]
        gitlab.issues["5"] = {"iid": 5, "title": "Tea", "description": "Hot.", "state": "closed"}
        settings = ForgeSettings(
            kind="gitlab", url=gitlab.url, repository="group/sub/tea", token="MINE"
        )
        workplace = away.project.workplace()
        found = find_overlaps(workplace, settings, PLAN, "p")
        assert len(found.problems) == 1 and "core" in found.problems[0].what
        goal, ticket = fetch_goal(open_forge(workplace, settings), "5")
    assert goal.startswith("Tea (issue 5)\n\n") and "Hot." in goal and not ticket.is_open


def test_the_forges_own_cli_is_asked_where_no_variable_is_set(tmp_path: Path) -> None:
    gh = tmp_path / "gh"
    gh.write_text(
        '#!/bin/sh\n[ "$*" = "auth token --hostname github.com" ] && echo from-the-cli-77\n'
    )
    gh.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    repo = repo_of(ForgeSettings(), parse_address("git@github.com:ada/tea.git"))
    found = find_token(ForgeSettings(), repo, environ)
    assert found is not None and (found.value, found.source) == ("from-the-cli-77", "gh")
    gh.write_text("#!/bin/sh\necho 'not logged in' >&2\nexit 1\n")
    assert find_token(ForgeSettings(), repo, environ) is None
    assert find_token(ForgeSettings(token="OTHER"), repo, environ) is None
