"""GitHub, by its REST API."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.forges.base import ForgeError, PullRequest, Repo, Ticket
from orchestrator.forges.http import Caller
from orchestrator.forges.reading import MOST_LISTED, MOST_PATHS, read, read_list, web_address

HEADERS = {"accept": "application/vnd.github+json", "x-github-api-version": "2022-11-28"}


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _User(_Read):
    login: str


class _Head(_Read):
    ref: str
    user: _User | None = None
    """Whose the repository is; absent where that is gone."""


class _Pull(_Read):
    number: int = Field(ge=1)
    html_url: str = ""
    head: _Head
    body: str | None = None
    draft: bool = False


class _Issue(_Read):
    number: int
    title: str
    body: str | None = None
    html_url: str = ""
    state: str = "open"
    pull_request: dict[str, object] | None = None


class _File(_Read):
    filename: str
    previous_filename: str | None = None


@dataclass(frozen=True)
class GitHub:
    """One repository on GitHub; a Forge."""

    repo: Repo
    caller: Caller
    head_owner: str
    """Whose the repository is that branches are pushed to: another's, for a fork."""

    def find(self, branch: str) -> PullRequest | None:
        """See Forge."""
        params = {"head": f"{self.head_owner}:{branch}", "state": "open", "per_page": 10}
        found = read_list(_Pull, self.caller, self._at("pulls"), params)
        # The forge passes over a filter that it does not understand, and anybody may open one from
        # a fork whose branch has the same name.
        ours = (one for one in found if one.head.ref == branch and self._is_from_us(one.head))
        return next(map(_pull, ours), None)

    def _is_from_us(self, head: _Head) -> bool:
        return head.user is not None and head.user.login.lower() == self.head_owner.lower()

    def open(self, *, branch: str, target: str, title: str, body: str, draft: bool) -> PullRequest:
        """See Forge."""
        head = branch if self.head_owner == self.repo.owner else f"{self.head_owner}:{branch}"
        wanted = {"title": title, "head": head, "base": target, "body": body, "draft": draft}
        try:
            said = self.caller.call("POST", self._at("pulls"), body=wanted)
        except ForgeError as error:
            if error.trouble == "invalid" and "already exists" in error.message:
                raise ForgeError(error.message, "conflict", hint=error.hint) from error
            if error.trouble == "invalid" and draft and "draft" in error.message.lower():
                # Not every plan of the forge's has drafts: it is opened all the same.
                return self.open(branch=branch, target=target, title=title, body=body, draft=False)
            raise
        return _pull(read(_Pull, self.caller, said))

    def update(self, pull: PullRequest, body: str) -> None:
        """See Forge."""
        self.caller.call("PATCH", self._at(f"pulls/{pull.number}"), body={"body": body})

    def list_open(self) -> tuple[PullRequest, ...]:
        """See Forge."""
        params = {"state": "open", "sort": "updated", "direction": "desc", "per_page": MOST_LISTED}
        return tuple(map(_pull, read_list(_Pull, self.caller, self._at("pulls"), params)))

    def changed_paths(self, pull: PullRequest) -> tuple[str, ...]:
        """See Forge."""
        at = self._at(f"pulls/{pull.number}/files")
        files = read_list(_File, self.caller, at, {"per_page": MOST_PATHS})
        names = (name for one in files for name in (one.filename, one.previous_filename) if name)
        return tuple(dict.fromkeys(names))

    def fetch_ticket(self, number: str) -> Ticket:
        """See TicketSource."""
        said = self.caller.call("GET", self._at(f"issues/{quote(number, safe='')}"))
        issue = read(_Issue, self.caller, said)
        if issue.pull_request is not None:
            raise ForgeError(
                f"{number} is a pull request, not an issue",
                "missing",
                hint="orch plan --issue NUMBER",
            )
        return Ticket(
            number,
            issue.title,
            issue.body or "",
            web_address(issue.html_url),
            issue.state == "open",
        )

    def _at(self, what: str) -> str:
        return f"/repos/{quote(self.repo.name)}/{what}"


def _pull(one: _Pull) -> PullRequest:
    return PullRequest(
        one.number, web_address(one.html_url), one.head.ref, one.body or "", one.draft
    )
