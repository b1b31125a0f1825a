"""What left for a remote: pushed branches, and pull requests of them."""

from __future__ import annotations

from typing import Literal

from ledger.facts.base import Fact, HeadRef
from ledger.model import Sha

# --- forges -----------------------------------------------------------------------------------


class PushIntended(Fact):
    """A judged commit is about to be pushed as a branch of orch's."""

    kind: Literal["PushIntended"] = "PushIntended"
    remote: str
    branch: str
    """Its name on the remote."""
    commit: Sha
    tree: Sha
    heads: tuple[HeadRef, ...]
    """What the commit holds of the run."""


class Pushed(Fact):
    """The remote has the commit as that branch."""

    kind: Literal["Pushed"] = "Pushed"
    remote: str
    url: str
    """Where the remote is, without user and password."""
    branch: str
    commit: Sha
    tree: Sha
    heads: tuple[HeadRef, ...]
    """What the commit holds of the run."""


class PullRequestIntended(Fact):
    """A pull request for a pushed branch is about to be opened."""

    kind: Literal["PullRequestIntended"] = "PullRequestIntended"
    repository: str
    branch: str
    target: str


class PullRequestOpened(Fact):
    """The forge has a pull request for the branch."""

    kind: Literal["PullRequestOpened"] = "PullRequestOpened"
    repository: str
    branch: str
    target: str
    number: int
    url: str
    draft: bool = False
    found: bool = False
    """It was there already: somebody opened it, or an orch that died before it could say so."""


class PullRequestUpdated(Fact):
    """The pull request of the branch says what the report says now."""

    kind: Literal["PullRequestUpdated"] = "PullRequestUpdated"
    branch: str
    number: int
    url: str
