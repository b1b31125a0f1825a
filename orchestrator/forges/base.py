"""What a forge can be asked, whichever it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from orchestrator.errors import OrchError

ForgeKind = Literal["github", "gitlab"]
Trouble = Literal[
    "unauthorized",
    "forbidden",
    "rate-limit",
    "missing",
    "conflict",
    "invalid",
    "broken",
    "silent",
    "unreachable",
    "redirected",
    "not-json",
    "unexpected",
]
FAILED = 1


class ForgeError(OrchError):
    """A forge that did not do what it was asked, and which kind of trouble it was."""

    def __init__(
        self, what: str, trouble: Trouble, *, hint: str = "", unsure: bool = False
    ) -> None:
        super().__init__(what, hint=hint, exit_code=FAILED)
        self.trouble = trouble
        self.unsure = unsure
        """It may have been done all the same."""


@dataclass(frozen=True)
class Repo:
    """A repository on a forge."""

    kind: ForgeKind
    name: str
    """`owner/name`, or with groups in between."""
    api: str
    """The address of the API, without a slash at its end."""
    host: str = ""

    @property
    def owner(self) -> str:
        return self.name.split("/")[0]


@dataclass(frozen=True)
class PullRequest:
    """A pull request, or what GitLab calls a merge request."""

    number: int
    url: str
    branch: str
    body: str = ""
    draft: bool = False


@dataclass(frozen=True)
class Ticket:
    """What somebody wants, as they wrote it: data, never instructions to orch."""

    number: str
    title: str
    body: str
    url: str = ""
    is_open: bool = True


class TicketSource(Protocol):
    """Where tickets come from."""

    def fetch_ticket(self, number: str) -> Ticket:
        """The ticket of that number; OrchError where there is none."""


class Forge(TicketSource, Protocol):
    """A forge, for one repository."""

    @property
    def repo(self) -> Repo:
        """Which."""

    def find(self, branch: str) -> PullRequest | None:
        """The open pull request of a branch."""

    def open(self, *, branch: str, target: str, title: str, body: str, draft: bool) -> PullRequest:
        """Open one; ForgeError with `conflict` where there is one already."""

    def update(self, pull: PullRequest, body: str) -> None:
        """Give it another text."""

    def list_open(self) -> tuple[PullRequest, ...]:
        """The newest open ones, bounded."""

    def changed_paths(self, pull: PullRequest) -> tuple[str, ...]:
        """The files that one changes, bounded."""
