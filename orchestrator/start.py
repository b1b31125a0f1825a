"""A run begins: all that it needs to know is read once, here, and recorded."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal

from ledger.events import Noticed, RunStarted
from ledger.model import Identity, Limits, Plan, RunId, SandboxMode, Settings
from ledger.store import Moved, Store
from orchestrator.base import Base, is_branch, newest_base
from orchestrator.errors import OrchError, Problem, Problems
from orchestrator.history import estimate
from orchestrator.journal import Journal
from orchestrator.policy.models import workers_of_run
from orchestrator.policy.unattended import missing
from orchestrator.pricing import refuse_unpaid
from orchestrator.workplace import Workplace
from worktree.git import Git
from worktree.names import quoted

RULES_FILE = ".agent/RULES.md"
RULES_LIMIT = 64_000


@dataclass(frozen=True)
class RunOptions:
    """What the command line says beside plan and settings."""

    parallel: int | None = None
    gates_parallel: int | None = None
    attempts: int | None = None
    deadline: float | None = None
    budgets: Mapping[str, float | None] = field(default_factory=dict)
    """Limits on money and tokens by name; None takes away what the settings say."""
    allow_red_base: bool = False
    base: str | None = None
    """A revision in place of the plan's, or `last-green`."""
    accept: bool = False
    into: str = ""
    """The branch to accept into; empty: the target."""
    unattended: bool = False
    notify: bool = False
    automation: str = ""
    """What starts it; empty: a person."""
    sandbox: SandboxMode | None = None
    started_by: str = ""
    """The agent that starts it for a person."""
    deliver: Literal["", "push", "pr"] = ""

    def settings(self, settings: Settings) -> Settings:
        """The settings with these options over them."""
        changes: dict[str, object] = {"limits": self.limits(settings.limits)}
        if self.sandbox is not None:
            changes["sandbox"] = settings.sandbox.model_copy(update={"mode": self.sandbox})
        return settings.model_copy(update=changes)

    def limits(self, limits: Limits) -> Limits:
        """The settings' limits with these options over them."""
        named = {
            "parallel": self.parallel,
            "gates_parallel": self.gates_parallel,
            "attempts": self.attempts,
            "deadline": self.deadline,
        }
        changes = {key: value for key, value in named.items() if value is not None}
        return Limits.model_validate({**limits.model_dump(), **changes, **self.budgets})


def start_run(
    workplace: Workplace,
    store: Store,
    plan: Plan,
    name: str,
    settings: Settings,
    options: RunOptions,
    base: Base | None = None,
) -> RunId:
    """Record a new run; its engine is another matter. Raises OrchError, writes nothing then.

    `base`: where it begins, where that was chosen already, as `last-green` must be.
    """
    from orchestrator import __version__
    from orchestrator.guidance.recording import left_out, look, record
    from orchestrator.hiding import hidden_in_plan, hiding_of, refuse_secrets
    from orchestrator.sandboxing import require_sandbox
    from orchestrator.verification.tools import platform_key
    from worktree.landing import name_conflict

    git, user = workplace.git, workplace.user
    if conflict := name_conflict(git):
        raise OrchError(
            f"the branch '{conflict}' is in the way of orch's branches (orch/RUN/result)",
            hint=f"rename it: git branch -m {conflict} {conflict}-work",
        )
    if not user.name or not user.email:
        raise OrchError(
            "git does not know who you are, and orch commits in your name",
            hint="git config --global user.name 'You' && git config --global user.email you@...",
        )
    begin = base or newest_base(workplace, options.base or plan.base)
    rules = read_rules(workplace.checkout)
    settings = options.settings(settings)
    if options.unattended:
        refuse_unattended(git, settings, plan, options)
    refuse_unpaid(settings, workers_of_run(settings, plan))
    require_sandbox(settings.sandbox)
    hiding = hiding_of(workplace, settings)
    found = look(workplace.checkout, git.list_files(begin.commit))
    refuse_secrets(settings, hiding)
    # A ledger may have been moved away: what its runs made is still there, under their names.
    refs = git.list_refs("refs/orch/", "refs/heads/orch/")
    kept = {re.sub(r"^refs/(heads/)?orch/", "", ref).split("/")[0] for ref in refs}
    taken = {stored.run for stored in store.runs()} | kept
    guidance = record(found, workplace.blobs, hiding)
    run_words = hiding.text(name or plan.goal)
    tools = platform_key(workplace.environ, settings)
    for _ in range(50):
        run = new_run_id(run_words, date.today(), taken)
        started = RunStarted(
            run=run,
            plan=plan,
            settings=settings,
            base=begin.commit,
            base_tree=git.tree_of(begin.commit),
            target=begin.target,
            identity=Identity(name=user.name, email=user.email),
            signs=user.signing is not None,
            rules=rules,
            guidance=guidance,
            excludes=user.excludes.encode("utf-8", "replace").decode(),
            platform=tools,
            estimates=estimate(store, settings),
            allow_red_base=options.allow_red_base,
            accept=options.accept,
            into=options.into,
            notify=options.notify,
            unattended=options.unattended,
            started_by=options.started_by,
            automation=options.automation,
            deliver=options.deliver,
            orch_version=__version__,
        )
        try:
            journal = Journal.begin(store, started, hiding)
        except Moved:
            taken.add(run)
            continue
        if hidden := hidden_in_plan(plan, hiding):
            what = f"a secret is hidden from the workers and the ledger: {', '.join(hidden[:5])}"
            journal.append(
                Noticed(what=what, hint="let workers have it by a variable: env = [...]")
            )
        if begin.said:
            journal.append(Noticed(what=begin.said, hint=begin.hint))
        for what in left_out(found):
            journal.append(Noticed(what=what, hint="orch skills check"))
        return run
    raise OrchError("no free name for the run was found", hint="try again")


def read_rules(checkout: Path) -> str:
    """What `.agent/RULES.md` says, bounded; OrchError where it is somebody else's file."""
    path = checkout / RULES_FILE
    if not path.is_file():
        return ""
    # Every worker is told what it says: a link in a commit must not name a private file.
    place, top = path.resolve(), checkout.resolve()
    if not place.is_relative_to(top) or place.relative_to(top).parts[0].lower() == ".git":
        raise OrchError(
            f"{RULES_FILE} is a link that leads out of the checkout, to {quoted(str(place))}",
            hint="write the rules into the file itself: every worker would be told what is there",
        )
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(RULES_LIMIT)


def unattended_problems(
    git: Git, settings: Settings, plan: Plan, options: RunOptions
) -> tuple[Problem, ...]:
    """What keeps a run from starting that nobody attends; whether commands are trusted apart."""
    asked = workers_of_run(settings, plan)
    there = is_branch(git, options.into)
    found = missing(settings, asked, accept=options.accept, into=options.into, into_is_there=there)
    return tuple(Problem("", None, one.what, one.hint) for one in found)


def refuse_unattended(git: Git, settings: Settings, plan: Plan, options: RunOptions) -> None:
    """Problems where something is missing for a run that nobody attends."""
    if problems := unattended_problems(git, settings, plan, options):
        raise Problems(problems)


def new_run_id(words: str, day: date, taken: set[RunId]) -> RunId:
    """For example `20261122-modernise-a1`: the date, words of the goal, a counter."""
    slug = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:24].strip("-") or "run"
    for letter in "abcdefghijklmnopqrstuvwxyz":
        for number in range(1, 10):
            run = f"{day:%Y%m%d}-{slug}-{letter}{number}"
            if run not in taken:
                return run
    return f"{day:%Y%m%d}-{slug}-{time.time_ns():x}"
