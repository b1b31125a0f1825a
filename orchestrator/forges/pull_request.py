"""A pull request of what was pushed: opened once, brought up to date after that.

1. It is found by its branch, on the forge, each time: so a run that went on after a crash, or on
   another machine, does not open a second one.
2. The intent is recorded before it is opened, the fact after it. Where the line broke in between,
   and where the forge says that there is one already, it is looked for again.
3. Its text is the run's report, between two marks; what a person wrote around them stays, and so
   does the title.
4. It is a draft while something waits for a person.
5. Whatever goes wrong, the branch is pushed, and that is said.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field

from ledger import events as e
from ledger.connectors import ForgeSettings
from ledger.lock import EngineLock
from ledger.state import RunState
from ledger.store import Store
from orchestrator.errors import OrchError
from orchestrator.forges.base import Forge, ForgeError, PullRequest
from orchestrator.forges.http import Patience
from orchestrator.forges.opening import open_forge
from orchestrator.forges.push import (
    PushedResult,
    load_of_result,
    open_journal,
    push_load,
)
from orchestrator.forges.text import body_of, merged, title_of_run
from orchestrator.journal import Journal
from orchestrator.workplace import Workplace


@dataclass(frozen=True)
class Opened:
    """What came of it."""

    pushed: PushedResult
    pull: PullRequest | None = None
    """None: nothing was there to push."""
    is_new: bool = False
    notes: tuple[str, ...] = field(default=())


class NotOpened(OrchError):
    """The branch is pushed; there is no pull request of it, or it says what it said before."""


def open_pull_request(
    workplace: Workplace,
    store: Store,
    run: str,
    *,
    settings: ForgeSettings | None = None,
    to: str | None = None,
    patience: Patience | None = None,
) -> Opened:
    """Push a run's result and open a pull request of it, or bring it up to date.

    OrchError or GitError where that cannot be; NotOpened where the branch is pushed all the same.
    Absent settings are those that the run recorded.
    """
    with EngineLock.take(workplace.place.lock(run)):
        journal = open_journal(workplace, store, run)
        target_of(journal.state, to)
        load = load_of_result(workplace, journal)
        if load is None:
            return Opened(PushedResult("nothing", run, why="nothing of the run has landed"))
        pushed = push_load(workplace, journal, load, settings)
        return open_for(workplace, journal, pushed, settings, to=to, patience=patience)


def target_of(state: RunState, to: str | None) -> str:
    """The branch that a pull request would be merged into; OrchError where none is known."""
    target = to or state.started.target
    if target is None:
        raise OrchError(
            f"run {state.run} started from no branch of yours: a pull request needs one",
            hint="orch accept --pr --to main",
        )
    return target


def open_for(
    workplace: Workplace,
    journal: Journal,
    pushed: PushedResult,
    settings: ForgeSettings | None = None,
    *,
    to: str | None = None,
    note: str = "",
    patience: Patience | None = None,
) -> Opened:
    """Open or update the pull request of a pushed branch; whoever calls holds the run's lock."""
    settings = settings or journal.state.started.settings.forge
    target = target_of(journal.state, to)
    try:
        forge = open_forge(workplace, settings, patience=patience)
        return _open(forge, journal, pushed, target, note)
    except OrchError as error:
        what = f"{pushed.branch} is pushed to {pushed.remote}, but its pull request is not there"
        if pushed.branch in journal.state.pull_requests:
            what = (
                f"{pushed.branch} is pushed to {pushed.remote}; its pull request says what it said"
            )
        raise NotOpened(
            f"{what}: {error.message}", hint=error.hint, exit_code=error.exit_code
        ) from error


def _open(forge: Forge, journal: Journal, pushed: PushedResult, target: str, note: str) -> Opened:
    state, branch = journal.state, pushed.branch
    notes: list[str] = []
    found = forge.find(branch)
    if found is None:
        part = _part(journal, note, "")
        draft = waits(state)
        intent = e.PullRequestIntended(repository=forge.repo.name, branch=branch, target=target)
        journal.append(intent)
        title = journal.hiding.text(title_of_run(state))
        try:
            pull = forge.open(branch=branch, target=target, title=title, body=part, draft=draft)
        except ForgeError as error:
            if not (error.unsure or error.trouble == "conflict"):
                raise
            found = None
            with suppress(ForgeError):
                found = forge.find(branch)
            if found is None:
                raise
        else:
            journal.append(_fact(forge, pull, branch, target, found=False))
            if draft and not pull.draft:
                notes.append("something waits for a person, but the forge has no drafts here")
            return Opened(pushed, pull, True, tuple(notes))
    known = state.pull_requests.get(branch)
    if known is None or known.number != found.number:
        journal.append(_fact(forge, found, branch, target, found=True))
    forge.update(found, _part(journal, note, found.body))
    journal.append(e.PullRequestUpdated(branch=branch, number=found.number, url=found.url))
    return Opened(pushed, found, False, tuple(notes))


def _part(journal: Journal, note: str, before: str) -> str:
    """The text of the pull request, with what somebody wrote around the report."""
    from orchestrator.driven import driven

    time_s = driven(journal.store, journal.run, journal.state, False)
    text = body_of(journal.state, time.time(), time_s, note)
    return merged(before, journal.hiding.text(text), journal.run)


def _fact(
    forge: Forge, pull: PullRequest, branch: str, target: str, *, found: bool
) -> e.PullRequestOpened:
    return e.PullRequestOpened(
        repository=forge.repo.name,
        branch=branch,
        target=target,
        number=pull.number,
        url=pull.url,
        draft=pull.draft,
        found=found,
    )


def waits(state: RunState) -> bool:
    """Whether something waits for a person, or is not over yet."""
    over = state.finished is not None and state.finished.outcome == "complete"
    return not over or bool(state.with_status("held"))
