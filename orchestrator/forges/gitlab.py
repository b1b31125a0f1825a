"""GitLab, by its REST API: what others call a pull request is a merge request here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.forges.base import PullRequest, Repo, Ticket
from orchestrator.forges.http import Caller
from orchestrator.forges.reading import MOST_LISTED, MOST_PATHS, read, read_list, web_address

_DRAFT = re.compile(
    r"\s*(?:(?:draft|wip)\s*:|\[(?:draft|wip)\]|\((?:draft|wip)\))\s*", re.IGNORECASE
)
"""How a title begins that makes a draft."""
_COMMAND = re.compile(r"(?m)^([ \t]*)/")
"""How a line begins that GitLab obeys."""


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Merge(_Read):
    iid: int = Field(ge=1)
    web_url: str = ""
    source_branch: str
    description: str | None = None
    draft: bool = False
    source_project_id: int | None = None
    target_project_id: int | None = None

    @property
    def is_from_here(self) -> bool:
        return self.source_project_id == self.target_project_id


class _Issue(_Read):
    iid: int
    title: str
    description: str | None = None
    web_url: str = ""
    state: str = "opened"


class _Change(_Read):
    old_path: str
    new_path: str


@dataclass(frozen=True)
class GitLab:
    """One project on GitLab; a Forge."""

    repo: Repo
    caller: Caller

    def find(self, branch: str) -> PullRequest | None:
        """See Forge."""
        params = {"source_branch": branch, "state": "opened", "per_page": 100}
        found = read_list(_Merge, self.caller, self._at("merge_requests"), params)
        # Anybody may open one from a fork whose branch has the same name: that is not ours.
        ours = (one for one in found if one.source_branch == branch and one.is_from_here)
        return next(map(_pull, ours), None)

    def open(self, *, branch: str, target: str, title: str, body: str, draft: bool) -> PullRequest:
        """See Forge."""
        while (found := _DRAFT.match(title)) is not None and found.end():
            title = title[found.end() :]
        wanted = {
            "source_branch": branch,
            "target_branch": target,
            "title": f"Draft: {title}" if draft else title or branch,
            "description": obeyed_by_none(body),
        }
        said = self.caller.call("POST", self._at("merge_requests"), body=wanted)
        return _pull(read(_Merge, self.caller, said))

    def update(self, pull: PullRequest, body: str) -> None:
        """See Forge."""
        at = self._at(f"merge_requests/{pull.number}")
        self.caller.call("PUT", at, body={"description": obeyed_by_none(body)})

    def list_open(self) -> tuple[PullRequest, ...]:
        """See Forge."""
        params = {"state": "opened", "order_by": "updated_at", "per_page": MOST_LISTED}
        return tuple(map(_pull, read_list(_Merge, self.caller, self._at("merge_requests"), params)))

    def changed_paths(self, pull: PullRequest) -> tuple[str, ...]:
        """See Forge."""
        at = self._at(f"merge_requests/{pull.number}/diffs")
        changes = read_list(_Change, self.caller, at, {"per_page": MOST_PATHS})
        return tuple(dict.fromkeys(p for one in changes for p in (one.new_path, one.old_path)))

    def fetch_ticket(self, number: str) -> Ticket:
        """See TicketSource."""
        said = self.caller.call("GET", self._at(f"issues/{quote(number, safe='')}"))
        issue = read(_Issue, self.caller, said)
        return Ticket(
            number,
            issue.title,
            issue.description or "",
            web_address(issue.web_url),
            issue.state == "opened",
        )

    def _at(self, what: str) -> str:
        return f"/projects/{quote(self.repo.name, safe='')}/{what}"


def obeyed_by_none(body: str) -> str:
    """A text in which no line is a command to GitLab (`/merge`, `/assign @somebody`)."""
    return _COMMAND.sub("\\1\u200b/", body)


def _pull(one: _Merge) -> PullRequest:
    return PullRequest(
        one.iid, web_address(one.web_url), one.source_branch, one.description or "", one.draft
    )
