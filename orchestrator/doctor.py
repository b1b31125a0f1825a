"""What is missing or odd here, and what to type.

1. It looks and changes nothing: no lock is taken, no file is made.
2. Each finding is one line: `good`, `odd` (a run works, but somebody should know) or `bad`
   (a run would be refused, or would go wrong).
3. A check that cannot be made is itself a finding; the others are made all the same.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ledger.model import Settings
from ledger.schema import LedgerError
from orchestrator.errors import OrchError, Problems
from orchestrator.review.words import count
from orchestrator.workplace import Workplace, open_workplace

PACKAGES = ("ledger", "orchestrator", "workers", "worktree")
_SHELL_WORDS = (
    ". : [ alias bg break case cd command continue do done echo elif else esac eval exec exit"
    " export false fg fi for getopts hash if in jobs kill local printf pwd read readonly return"
    " set shift test then times trap true type ulimit umask unalias unset until wait while"
)
BUILTINS = frozenset(_SHELL_WORDS.split())
"""The words that sh itself knows."""
FREE_GB = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    level: Literal["good", "odd", "bad"]
    what: str
    hint: str = ""


def examine(
    start: Path, environ: Mapping[str, str], user_config_folder: Path
) -> tuple[Finding, ...]:
    """Every finding, in the order of looking."""
    from worktree.values import GitError

    found = [*_guarded("git", _git_version), *_guarded("installation", _names)]
    try:
        workplace = open_workplace(start, environ)
    except (GitError, OrchError) as error:
        said = error.what if isinstance(error, GitError) else error.message
        return (*found, Finding("repository", "bad", said, error.hint))
    found.append(Finding("repository", "good", str(workplace.checkout)))
    checks: tuple[tuple[str, Callable[[Workplace], Iterator[Finding]]], ...] = (
        ("identity", _identity),
        ("checkout", _checkout),
        ("branches", _branches),
        ("ledger", _ledger),
        ("leftovers", _leftovers),
    )
    for subject, check in checks:
        found += _guarded(subject, check, workplace)
    settings, problems = _settings(workplace, user_config_folder)
    found += problems
    found += _guarded("disk", _disk, workplace, settings)
    if settings:
        found += _guarded("gates", _gates, workplace, settings)
    return tuple(found)


def _guarded(
    subject: str, check: Callable[..., Iterator[Finding]], *arguments: object
) -> list[Finding]:
    from worktree.values import GitError

    try:
        return list(check(*arguments))
    except (GitError, LedgerError, OrchError) as error:
        said = getattr(error, "what", None) or getattr(error, "message", None) or str(error)
        return [Finding(subject, "bad", said, error.hint)]
    except OSError as error:
        return [Finding(subject, "bad", f"could not be looked at: {error}")]


# --- the machine ------------------------------------------------------------------------------


def _git_version() -> Iterator[Finding]:
    from worktree.discovery import OLDEST, git_version

    version = git_version()
    shown = ".".join(map(str, version)) or "unknown"
    if version < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        yield Finding("git", "bad", f"git {shown} is too old", f"install git {oldest} or newer")
    else:
        yield Finding("git", "good", f"git {shown}")


def _names() -> Iterator[Finding]:
    """Whether another distribution claims a name of ours."""
    from importlib.metadata import packages_distributions
    from importlib.util import find_spec

    owners = packages_distributions()
    home = Path(__file__).resolve().parent.parent
    clean = True
    for name in PACKAGES:
        others = sorted({owner for owner in owners.get(name, []) if owner != "orch"})
        spec = find_spec(name)
        place = Path(spec.origin).resolve().parent.parent if spec and spec.origin else None
        if others:
            what = f"the package '{name}' is also claimed by {', '.join(others)}"
        elif place != home:
            what = f"the package '{name}' is found at {place}, not with orch"
        else:
            continue
        clean = False
        hint = (
            "install orch in an environment of its own: pipx install orch, or uv tool install orch"
        )
        yield Finding("installation", "bad", what, hint)
    if clean:
        yield Finding("installation", "good", "no other package claims orch's names")


def _disk(workplace: Workplace, settings: Settings | None) -> Iterator[Finding]:
    from worktree.workspace import free_bytes

    wanted_gb = settings.limits.min_free_gb if settings else FREE_GB
    place = workplace.workspaces(settings.workspaces if settings else None)
    there = next(folder for folder in (place, *place.parents) if folder.exists())
    free_gb = free_bytes(there) / 1e9
    if free_gb < wanted_gb:
        what = f"{free_gb:.1f} GB are free at {there}; nothing starts below {wanted_gb:g} GB"
        yield Finding("disk", "bad", what, "orch clean, or lower min_free_gb in .agent/orch.toml")
    else:
        yield Finding("disk", "good", f"{free_gb:.0f} GB are free for workspaces at {place}")


# --- the repository ---------------------------------------------------------------------------


def _identity(workplace: Workplace) -> Iterator[Finding]:
    user = workplace.user
    if user.name and user.email:
        signs = ", signed" if user.signing else ""
        yield Finding("identity", "good", f"commits are made as {user.name} <{user.email}>{signs}")
        return
    hint = "git config --global user.name 'You' && git config --global user.email you@example.org"
    yield Finding("identity", "bad", "git does not know who you are", hint)


def _checkout(workplace: Workplace) -> Iterator[Finding]:
    from worktree.user import checkout_state

    state = checkout_state(workplace.repository, workplace.user)
    if state.head is None:
        hint = "git add -A && git commit -m 'First commit'"
        yield Finding("checkout", "bad", "no commit yet: a run starts from one", hint)
        return
    if state.branch is None:
        what = "HEAD is detached: a run has no target"
        yield Finding(
            "checkout", "odd", what, "git switch BRANCH, or later orch accept --to BRANCH"
        )
    if state.operation:
        what = f"a {state.operation} is under way; runs start from the commit, accept is refused"
        yield Finding("checkout", "odd", what, "git status says how to end it")
    if state.dirty_count:
        files = count(state.dirty_count, "changed file")
        what = f"{files} not committed: runs start from the commit"
        yield Finding("checkout", "odd", what, "git commit, where workers should see them")
    if state.shallow:
        what = "the clone is shallow: history ends early, merges may be refused"
        yield Finding("checkout", "odd", what, "git fetch --unshallow")
    if state.partial:
        what = "the clone is partial: missing objects are not fetched while a run goes on"
        yield Finding("checkout", "odd", what, "git fetch --refetch --no-filter")
    if state.submodules:
        what = "there are submodules: workspaces have their folders empty, changing them is refused"
        yield Finding("checkout", "odd", what, 'where gates need them: setup = ["..."]')
    if state.lfs:
        what = "files are kept by LFS: workspaces hold their pointers, not their content"
        yield Finding("checkout", "odd", what, "where gates need the content, copy it: copy_gates")
    on = (state.branch or "a detached HEAD").removeprefix("refs/heads/")
    yield Finding("checkout", "good", f"on {on}")


def _branches(workplace: Workplace) -> Iterator[Finding]:
    from worktree.landing import name_conflict

    conflict = name_conflict(workplace.git)
    if conflict is None:
        yield Finding("branches", "good", "the names orch/... are free")
        return
    name = conflict.removeprefix("refs/heads/")
    what = f"the branch '{name}' is in the way of orch's branches (orch/RUN/result)"
    yield Finding("branches", "bad", what, f"git branch -m {name} {name}-work")


def _ledger(workplace: Workplace) -> Iterator[Finding]:
    place = workplace.place
    if place.network:
        hint = "export ORCH_STATE_DIR=/a/local/folder"
        yield Finding("ledger", "bad", f"{place.folder}: {place.reason}", hint)
    store = workplace.existing_store()
    if store is None:
        yield Finding("ledger", "good", f"none yet; it will be in {place.folder}, {place.reason}")
        return
    with store:
        runs = store.runs()
    yield Finding("ledger", "good", f"{place.folder}, {place.reason}: {count(len(runs), 'run')}")


def _leftovers(workplace: Workplace) -> Iterator[Finding]:
    from ledger.lock import is_held
    from orchestrator.runs import engine_alive, unfinished

    place = workplace.place
    store = workplace.existing_store()
    alive: list[str] = []
    if store is not None:
        with store:
            alive = [run.run for run in store.runs() if engine_alive(place, run.run)]
            stopped = [state.run for state in unfinished(store, place)]
        for run in stopped:
            what = f"run {run} is not finished, and no engine drives it"
            yield Finding("leftovers", "odd", what, f"orch resume {run}")
    entries = workplace.repository.common_dir / "worktrees"
    names = sorted(entry.name for entry in entries.glob("orch-*")) if entries.is_dir() else []
    names += [found.name for found in _workspaces(workplace) if found.name not in names]
    dead = [name for name in names if not any(name.startswith(f"orch-{run}-") for run in alive)]
    if dead:
        shown = ", ".join(dead[:3]) + (" ..." if len(dead) > 3 else "")
        workspaces = count(len(dead), "workspace")
        hint = "orch resume gives back a run's own; orch clean removes those of runs that are over"
        yield Finding("leftovers", "odd", f"{workspaces} of dead engines: {shown}", hint)
    locks = list(place.locks.glob("*.lock")) if place.locks.is_dir() else []
    held = sum(is_held(path) for path in locks)
    yield Finding("leftovers", "good", f"{count(held, 'engine')} at work now")


def _workspaces(workplace: Workplace) -> Iterator[Path]:
    root = workplace.workspaces()
    if root.is_dir():
        for run in root.iterdir():
            if run.is_dir():
                yield from (found for found in run.glob("orch-*") if found.is_dir())


# --- the settings -----------------------------------------------------------------------------


def _settings(workplace: Workplace, folder: Path) -> tuple[Settings | None, list[Finding]]:
    from orchestrator.config import load_settings, refuse_missing_copies

    try:
        settings = load_settings(workplace.checkout, folder)
    except Problems as error:
        said = [
            Finding("settings", "bad", f"{p.file}:{p.line or 1}: {p.what}", p.hint)
            for p in error.problems
        ]
        return None, said
    except OrchError as error:
        return None, [Finding("settings", "bad", error.message, error.hint)]
    what = f"{count(len(settings.gates), 'gate')}, {count(len(settings.workers), 'worker')}"
    found = [Finding("settings", "good", what)]
    try:
        refuse_missing_copies(workplace.checkout, settings)
    except Problems as error:
        found = [Finding("settings", "bad", p.what, p.hint) for p in error.problems]
    return settings, found


def _gates(workplace: Workplace, settings: Settings) -> Iterator[Finding]:
    if not settings.gates:
        what = "no gate judges anything: whatever a worker does would land"
        yield Finding("gates", "bad", what, "orch init shows what it would write")
    for gate in settings.gates:
        program = program_of(gate.command)
        if program is None or is_runnable(program, workplace):
            continue
        what = f"gate '{gate.name}': there is no program '{program}'"
        yield Finding("gates", "bad", what, f"install it, then: orch gate {gate.name}")
    for name, worker in settings.workers.items():
        program = program_of(worker.command)
        if program is not None and not is_runnable(program, workplace):
            what = f"worker '{name}': there is no program '{program}'"
            yield Finding("workers", "bad", what, "install it, or change .agent/orch.toml")
    if settings.gates:
        yield Finding("gates", "good", "orch gate runs them on the checkout as it is now")
    what = "workers and gates run as you, with your rights: there is no sandbox"
    yield Finding("sandbox", "odd", what, "run only what you would run yourself")


def program_of(command: str) -> str | None:
    """The program that a shell command starts with; None where that cannot be told."""
    try:
        words = shlex.split(command, comments=True)
    except ValueError:
        return None
    for word in words:
        name, equals, _ = word.partition("=")
        if equals and name.isidentifier():
            continue
        plain = all(char.isalnum() or char in "._+/~-[:" for char in word)
        return word if plain and word not in BUILTINS else None
    return None


def is_runnable(program: str, workplace: Workplace) -> bool:
    """Whether a workspace's shell would find a program; one of the checkout's own counts."""
    if "/" in program:
        path = Path(program).expanduser()
        return (path if path.is_absolute() else workplace.checkout / path).exists()
    return shutil.which(program, path=workplace.environ.get("PATH", "")) is not None
