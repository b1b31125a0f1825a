"""A result goes to a remote, as a branch of orch's own.

1. What is pushed is the result as it landed last, or a selection that was just judged: a tree that
   the ledger says passed, and that git still has under that commit. What only a file from another
   machine says was judged is judged here first: see `judging`.
2. Under which name, and under which never, says `policy.pushing`; where things stand is asked of
   the remote each time. The intent is recorded before, the fact after; a fact that a crash
   swallowed is recorded by the next push, which finds the branch there.
3. The person whose branch it is is the one that the run recorded, so that the next machine comes
   to the same name.
4. A remote that cannot be used changes nothing here: the result is where it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ledger import events as e
from ledger.connectors import ForgeSettings
from ledger.events import HeadRef
from ledger.lock import EngineLock
from ledger.model import Sha
from ledger.store import Store
from orchestrator.errors import OrchError
from orchestrator.forges.judging import require_judged
from orchestrator.forges.opening import USUAL
from orchestrator.journal import Journal
from orchestrator.policy.pushing import branch_name, protection, user_slug, way_of
from orchestrator.workplace import Workplace
from worktree.candidate import Candidate
from worktree.remote import Remote, find_remote, look_at_remote, push_branch

FAILED = 1


@dataclass(frozen=True)
class PushedResult:
    """What came of a push."""

    outcome: Literal["pushed", "there", "nothing"]
    run: str
    remote: str = ""
    where: str = ""
    """The remote's address, for a person."""
    branch: str = ""
    commit: Sha = ""
    main: str = ""
    """The branch that the remote says is its own main one."""
    why: str = ""


@dataclass(frozen=True)
class Load:
    """What is pushed: a commit whose tree was judged."""

    commit: Sha
    tree: Sha
    heads: tuple[HeadRef, ...]


def push_result(
    workplace: Workplace, store: Store, run: str, *, settings: ForgeSettings | None = None
) -> PushedResult:
    """Push a run's result; GitError (RemoteError) or OrchError where that cannot be.

    Absent settings are those that the run recorded.
    """
    with EngineLock.take(workplace.place.lock(run)):
        journal = open_journal(workplace, store, run)
        load = load_of_result(workplace, journal)
        if load is None:
            return PushedResult("nothing", run, why="nothing of the run has landed")
        return push_load(workplace, journal, load, settings)


def open_journal(workplace: Workplace, store: Store, run: str) -> Journal:
    """The run's journal, which hides what the run knows for secret; OrchError after a clean."""
    from orchestrator.hiding import hiding_of
    from orchestrator.persons import refuse_cleaned

    journal = Journal.load(store, run)
    refuse_cleaned(journal.state)
    journal.hiding = hiding_of(workplace, journal.state.started.settings)
    return journal


def load_of_result(workplace: Workplace, journal: Journal) -> Load | None:
    """The result as it landed last; None where nothing has."""
    state = journal.state
    if not state.landings:
        return None
    newest = state.landings[-1]
    return Load(newest.commit, newest.tree, tuple(state.landed_heads().values()))


def push_load(
    workplace: Workplace, journal: Journal, load: Load, settings: ForgeSettings | None = None
) -> PushedResult:
    """Push what was judged; whoever calls holds the run's lock."""
    git, state = workplace.git, journal.state
    settings = settings or state.started.settings.forge or USUAL
    if git.tree_of(load.commit) != load.tree:
        raise OrchError(
            f"commit {load.commit[:10]} does not have the tree that was judged",
            hint=f"orch ledger verify {journal.run}",
        )
    remote = find_remote(git, workplace.environ, settings.remote)
    who = state.started.identity
    name = branch_name(user_slug(who.name, who.email.split("@")[0]), journal.run)
    _refuse_protected(name, settings, state.started.target)
    seen = look_at_remote(git, remote, f"{name}*")
    _refuse_protected(name, settings, seen.head)
    intents: list[e.Pushed | e.PushIntended] = [*state.pushed.values(), *state.pushing.values()]
    way = way_of(
        name,
        load.commit,
        seen.branches,
        (fact.branch for fact in intents if fact.remote == remote.name),
        lambda at: git.exists(at) and git.is_ancestor(at, load.commit),
    )
    if way is None:
        raise OrchError(f"every name for the branch is taken on {remote.name}: {name}-2 and on")
    _refuse_protected(way.branch, settings, seen.head)
    if way.how == "there":
        known = state.pushed.get(way.branch)
        if known is None or known.commit != load.commit:
            journal.append(_fact(remote, way.branch, load))
        return _said("there", journal.run, remote, way.branch, load, seen.head)
    require_judged(workplace, journal, Candidate(load.commit, load.tree), load.heads)
    journal.append(
        e.PushIntended(
            remote=remote.name,
            branch=way.branch,
            commit=load.commit,
            tree=load.tree,
            heads=load.heads,
        )
    )
    push_branch(git, remote, load.commit, way.branch)
    journal.append(_fact(remote, way.branch, load))
    return _said("pushed", journal.run, remote, way.branch, load, seen.head)


def _refuse_protected(name: str, settings: ForgeSettings, other: str | None) -> None:
    by = protection(name, settings.protected, other)
    if by is not None:
        raise OrchError(
            f"{name} is not pushed: that name is protected ({by})",
            hint="see protected below [forge] in .agent/orch.toml",
        )


def _fact(remote: Remote, branch: str, load: Load) -> e.Pushed:
    return e.Pushed(
        remote=remote.name,
        url=remote.address.shown,
        branch=branch,
        commit=load.commit,
        tree=load.tree,
        heads=load.heads,
    )


def _said(
    outcome: Literal["pushed", "there"],
    run: str,
    remote: Remote,
    branch: str,
    load: Load,
    main: str | None,
) -> PushedResult:
    where = remote.address.shown
    return PushedResult(outcome, run, remote.name, where, branch, load.commit, main or "")
