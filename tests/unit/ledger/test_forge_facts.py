"""What left for a remote, folded: only what has landed, and only what was pushed before."""

from __future__ import annotations

import pytest

from ledger import events as e
from ledger.events import HeadRef
from ledger.snapshot import restore_snapshot, take_snapshot
from ledger.state import IllegalEvent, evolve
from tests.support.builders import Story

SHA = "c" * 40


def pushed(branch: str = "orch/ada/r", *heads: HeadRef) -> e.Pushed:
    return e.Pushed(remote="origin", url="u", branch=branch, commit=SHA, tree=SHA, heads=heads)


def opened(number: int = 7, branch: str = "orch/ada/r") -> e.PullRequestOpened:
    return e.PullRequestOpened(
        repository="a/t", branch=branch, target="main", number=number, url="u"
    )


def test_a_head_that_has_not_landed_is_not_pushed() -> None:
    story = Story.of({"a": []}).baseline().starts("a")
    story.ends("a")
    with pytest.raises(IllegalEvent, match="has not landed"):
        evolve(story.state, pushed("orch/ada/r", HeadRef(task="a", attempt=1)), 1.0)


def test_a_pull_request_is_of_a_pushed_branch_and_is_updated_by_its_number() -> None:
    state = Story.of({"a": []}).baseline().state
    for fact in (opened(), e.PullRequestUpdated(branch="orch/ada/r", number=7, url="u")):
        with pytest.raises(IllegalEvent):
            evolve(state, fact, 1.0)
    for fact in (pushed(), opened(), e.PullRequestUpdated(branch="orch/ada/r", number=7, url="u")):
        evolve(state, fact, 1.0)
    with pytest.raises(IllegalEvent, match="no pull request 8"):
        evolve(state, e.PullRequestUpdated(branch="orch/ada/r", number=8, url="u"), 1.0)
    evolve(state, pushed("orch/ada/r-2"), 1.0)
    evolve(state, pushed(), 1.0)
    assert list(state.pushed) == ["orch/ada/r-2", "orch/ada/r"], "the newest comes last"
    restored = restore_snapshot(take_snapshot(state))
    assert restored is not None
    assert (restored.pushed, restored.pull_requests) == (state.pushed, state.pull_requests)
