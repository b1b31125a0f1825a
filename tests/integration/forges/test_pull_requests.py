"""One pull request for a run: opened, found again, brought up to date, whatever the forge says."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from ledger.connectors import ForgeSettings
from orchestrator.errors import OrchError
from orchestrator.forges.pull_request import NotOpened, Opened, open_pull_request
from tests.integration.forges.conftest import QUICK, Away
from tests.support.forges import (
    GITLAB_TOKEN,
    TOKEN,
    GitHubDouble,
    GitLabDouble,
    Pull,
    Trouble,
    served_forge,
)
from tests.support.project import kinds


def open_it(away: Away, settings: ForgeSettings | None = None) -> Opened:
    with away.project.store() as store:
        return open_pull_request(
            away.project.workplace(),
            store,
            away.run,
            settings=settings or away.settings,
            patience=QUICK,
        )


def test_a_pull_request_is_opened_with_the_report_as_its_text(
    on_github: Away, github: GitHubDouble
) -> None:
    made = open_it(on_github)
    assert made.is_new and made.pull is not None and made.pull.number == 1
    (sent,) = github.called("POST")
    assert sent.path == "/repos/ada/tea/pulls"
    assert sent.headers["authorization"] == f"Bearer {TOKEN}"
    assert sent.headers["accept"] == "application/vnd.github+json"
    assert sent.headers["content-type"] == "application/json"
    assert set(sent.body) == {"title", "head", "base", "body", "draft"}
    assert (sent.body["head"], sent.body["base"]) == (on_github.branch, "main")
    assert sent.body["title"] == "A goal" and sent.body["draft"] is False
    assert "# A goal" in sent.body["body"] and on_github.run in sent.body["body"]
    (looked,) = github.called("GET")
    assert looked.query == {"head": f"ada:{on_github.branch}", "state": "open", "per_page": "10"}
    assert kinds(on_github.project.facts(on_github.run))[-4:] == [
        *("PushIntended", "Pushed", "PullRequestIntended", "PullRequestOpened")
    ]
    assert on_github.there()[on_github.branch] == on_github.state().result


def test_the_same_again_brings_it_up_to_date_and_keeps_what_a_person_wrote(
    on_github: Away, github: GitHubDouble
) -> None:
    open_it(on_github)
    github.pulls[0].body = f"Please read b first.\n\n{github.pulls[0].body}"
    made = open_it(on_github)
    assert not made.is_new and len(github.pulls) == 1
    (sent,) = github.called("PATCH")
    assert sent.path == "/repos/ada/tea/pulls/1" and set(sent.body) == {"body"}
    assert sent.body["body"].startswith("Please read b first.\n\n<!-- orch: report of ")
    assert kinds(on_github.project.facts(on_github.run))[-1] == "PullRequestUpdated"


def test_one_that_a_crash_swallowed_is_found_and_no_second_is_opened(
    on_github: Away, github: GitHubDouble
) -> None:
    """The request went out, the answer did not come: it is looked for before anything else."""
    github.troubles = [Trouble(0, on="POST", does=True, silent=True)]
    made = open_it(on_github)
    assert len(github.pulls) == 1 and len(github.called("POST")) == 1
    assert made.pull is not None and made.pull.number == 1
    opened = on_github.state().pull_requests[on_github.branch]
    assert opened.found and opened.number == 1


def test_one_that_somebody_opened_meanwhile_is_taken(on_github: Away, github: GitHubDouble) -> None:
    """Between the look and the request: the forge says that there is one already."""
    github.pulls.append(Pull(1, on_github.branch, "main", "theirs", "Their words.", False))
    github.troubles = [Trouble(200, "[]", on="GET")]
    made = open_it(on_github)
    assert made.pull is not None and made.pull.number == 1 and len(github.pulls) == 1
    assert github.pulls[0].title == "theirs"
    assert github.pulls[0].body.startswith("Their words.")


def test_it_is_a_draft_while_something_waits_for_a_person(
    on_github: Away, github: GitHubDouble
) -> None:
    from orchestrator.persons import reject

    with on_github.project.store() as store:
        reject(store, on_github.run, ("b",))  # the run is not over any more
    github.troubles = [
        Trouble(422, {"message": "Draft pull requests are not supported"}, on="POST")
    ]
    made = open_it(on_github)
    assert [one.body["draft"] for one in github.called("POST")] == [True, False]
    assert made.notes and "no drafts" in made.notes[0]


def test_a_token_that_the_forge_repeats_is_not_told(on_github: Away, github: GitHubDouble) -> None:
    odd = "a-token-of-no-known-kind-9f8e7d6c"
    on_github.project.environ["TEA_TOKEN"] = odd
    github.troubles = [Trouble(403, {"message": f"your token is {odd}"})]
    with pytest.raises(NotOpened, match="redacted TEA_TOKEN") as caught:
        open_it(on_github)
    assert odd not in str(caught.value)


SAFE = "is pushed to origin, but its pull request is not there"


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (Trouble(401, {"message": "Bad credentials"}), ("does not know the token", "TEA_TOKEN")),
        (
            Trouble(403, {"message": "Resource not accessible"}),
            ("Resource not accessible", "right"),
        ),
        (Trouble(404, {"message": "Not Found"}), ("404", "ada/tea")),
        (Trouble(409, {"message": "busy"}), ("409", "busy")),
        (Trouble(422, {"message": "base is invalid"}), ("422", "base is invalid")),
        (
            Trouble(301, "", {"location": "https://evil.example.com/x"}),
            ("redirects", "not followed"),
        ),
        (Trouble(200, "<html>not json"), ("something else than JSON",)),
        (Trouble(200, '{"not": "a list"}'), ("something else than was asked",)),
        (Trouble(200, "[" * 100_000), ("something else than JSON",)),
        (Trouble(418, {"message": f"your token is {TOKEN}"}), ("418", "[redacted")),
    ],
    ids=lambda value: str(getattr(value, "status", "")) or None,
)
@pytest.mark.sample(4)
def test_what_the_forge_says_is_told_and_the_branch_is_safe(
    on_github: Away, github: GitHubDouble, trouble: Trouble, words: tuple[str, ...]
) -> None:
    github.troubles = [trouble]
    with pytest.raises(NotOpened) as caught:
        open_it(on_github)
    said = str(caught.value)
    assert SAFE in said and all(word in said for word in words), said
    assert TOKEN not in said and caught.value.hint
    assert on_github.there()[on_github.branch] == on_github.state().result
    assert len(github.asked) == 1  # none of these is tried again


def test_a_limit_on_calls_is_told_with_its_end_and_a_short_one_is_waited_for(
    on_github: Away, github: GitHubDouble
) -> None:
    reset = str(int(time.time()) + 3000)
    limit = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": reset}
    github.troubles = [Trouble(403, {"message": "API rate limit exceeded"}, limit)]
    with pytest.raises(NotOpened, match=r"no more calls until \d{4}-") as caught:
        open_it(on_github)
    assert SAFE in str(caught.value) and len(github.asked) == 1
    github.troubles = [Trouble(429, "", {"retry-after": "0"}), Trouble(429, "slow down", on="POST")]
    assert open_it(on_github).is_new and len(github.pulls) == 1


def test_what_is_broken_for_a_moment_is_tried_again_where_nothing_can_be_done_twice(
    on_github: Away, github: GitHubDouble
) -> None:
    github.troubles = [Trouble(502, "bad gateway"), Trouble(500, on="GET")]
    assert open_it(on_github).is_new
    assert len(github.called("GET")) == 3
    # Opening is never repeated on a 500: it is looked for, and is not there.
    on_github.project.git("push", "--quiet", "origin", "main")
    github.pulls.clear()
    github.asked.clear()
    github.troubles = [Trouble(500, on="POST")]
    with pytest.raises(NotOpened, match="500"):
        open_it(on_github)
    assert len(github.called("POST")) == 1 and len(github.called("GET")) == 2


def test_a_server_that_stays_broken_or_silent_is_given_up(
    on_github: Away, github: GitHubDouble
) -> None:
    github.troubles = [Trouble(503)] * 3
    with pytest.raises(NotOpened, match="503"):
        open_it(on_github)
    github.troubles = [Trouble(0, silent=True)] * 3
    with pytest.raises(NotOpened, match="nothing for too long, or broke off"):
        open_it(on_github)
    assert len(github.asked) == 6


def test_a_forge_that_cannot_be_reached_is_said(on_github: Away) -> None:
    away = on_github
    gone = away.settings.model_copy(update={"url": "http://127.0.0.1:9"})
    with pytest.raises(NotOpened, match="cannot be reached"):
        open_it(away, gone)
    assert away.there()[away.branch]


def test_without_a_token_the_branch_is_pushed_and_it_is_said(on_github: Away) -> None:
    del on_github.project.environ["TEA_TOKEN"]
    with pytest.raises(NotOpened, match="TEA_TOKEN is not set"):
        open_it(on_github)
    assert on_github.there()[on_github.branch]


def test_a_run_without_a_target_asks_for_one_before_anything_is_pushed(on_github: Away) -> None:
    project = on_github.project
    project.git("checkout", "--quiet", "--detach")
    from tests.support.project import task

    run = project.run(task("c")).run
    with project.store() as store, pytest.raises(OrchError, match="no branch of yours"):
        open_pull_request(project.workplace(), store, run, settings=on_github.settings)
    assert set(on_github.there()) == {"main"}


# --- GitLab -----------------------------------------------------------------------------------


@pytest.fixture
def gitlab() -> Iterator[GitLabDouble]:
    with served_forge(GitLabDouble()) as forge:
        assert isinstance(forge, GitLabDouble)
        yield forge


def test_gitlab_is_told_the_same_in_its_own_words(away: Away, gitlab: GitLabDouble) -> None:
    away.project.environ["GITLAB_FOR_TEA"] = GITLAB_TOKEN
    settings = ForgeSettings(
        kind="gitlab", url=gitlab.url, repository="group/sub/tea", token="GITLAB_FOR_TEA"
    )
    made = open_it(away, settings)
    assert made.is_new and made.pull is not None
    (sent,) = gitlab.called("POST")
    assert sent.path == "/projects/group%2Fsub%2Ftea/merge_requests"
    assert sent.headers["authorization"] == f"Bearer {GITLAB_TOKEN}"
    assert sent.body["source_branch"] == away.branch and sent.body["target_branch"] == "main"
    assert sent.body["title"] == "A goal"
    open_it(away, settings)
    (put,) = gitlab.called("PUT")
    assert put.path.endswith("/merge_requests/1") and set(put.body) == {"description"}
    assert len(gitlab.pulls) == 1
    # Somebody else's comes in between: 409, and it is found.
    gitlab.troubles = [Trouble(200, "[]", on="GET")]
    assert not open_it(away, settings).is_new and len(gitlab.pulls) == 1


def test_no_token_is_in_the_ledger_the_report_or_the_pull_request(
    on_github: Away, github: GitHubDouble
) -> None:
    open_it(on_github)
    for fact in on_github.project.facts(on_github.run):
        assert TOKEN not in fact.model_dump_json()
    assert TOKEN not in github.pulls[0].body + github.pulls[0].title


def test_one_from_a_fork_with_the_same_branch_is_not_taken_for_ours(
    on_github: Away, github: GitHubDouble
) -> None:
    """Or everybody who may fork could have orch's report stand above a change of their own."""
    evil = Pull(1, on_github.branch, "main", "Evil", "theirs", False, fork="eve")
    github.pulls.append(evil)
    # As where the forge passes over the filter: all are listed.
    github.troubles = [Trouble(200, json.dumps([github._pull(evil)]), on="GET")]
    made = open_it(on_github)
    assert made.is_new and made.pull is not None and made.pull.number == 2
    assert evil.body == "theirs"


def test_on_gitlab_neither(away: Away, gitlab: GitLabDouble) -> None:
    away.project.environ["GITLAB_FOR_TEA"] = GITLAB_TOKEN
    settings = ForgeSettings(
        kind="gitlab", url=gitlab.url, repository="group/sub/tea", token="GITLAB_FOR_TEA"
    )
    gitlab.pulls.append(Pull(1, away.branch, "main", "Evil", "theirs", False, fork="eve"))
    made = open_it(away, settings)
    assert made.is_new and made.pull is not None and made.pull.number == 2
    assert gitlab.pulls[0].body == "theirs"
