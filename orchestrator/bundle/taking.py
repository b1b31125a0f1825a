"""A run comes in from a file that another machine wrote, so that it goes on here.

1. A file is data from somewhere. Its facts are parsed and folded, and must be those of the run and
   of the base that it names, before anything is written.
2. Written are objects that git has checked, refs of this run and no others (`refs/orch/RUN/...`,
   `refs/heads/orch/RUN/...`), blobs under the hash of what is in them, and the facts, in that
   order: what a crash leaves of it, the same again makes whole.
3. Verdicts come in as facts of this run. No other run uses them again: who judged was another
   machine.
4. Where the run is here already, the file may only know more of it. Where each knows something
   that the other does not, nothing is taken.
5. Before the facts are taken, refs and facts must agree as `orch ledger verify` wants it, and no
   tree may hold what an agent's may not: what is checked out here is nobody's word elsewhere.
6. A file is no proof of who wrote it. What it would let run here, where it would deliver, and by
   which weaker gates it would judge, a person must have trusted: `wishes`. So must what it has
   changed, or may change, that is protected here: `leave`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from ledger.events import NewerFact, RunStarted, parse_event
from ledger.lock import EngineLock
from ledger.model import Settings
from ledger.rows import Stored
from ledger.state import IllegalEvent, RunState, fold
from ledger.store import Store
from orchestrator.bundle.form import Opened, damaged, open_bundle
from orchestrator.bundle.leave import Leave, leave_here, leave_wished, refuse_protected
from orchestrator.errors import OrchError
from orchestrator.policy.commands import commands_of
from orchestrator.workplace import Workplace
from worktree.bundle import refuse_missing, take_bundle
from worktree.commit import refused_in
from worktree.git import RefUpdate
from worktree.landing import checked_out
from worktree.names import check_ref, run_branches, run_refs
from worktree.values import GitError, RefMoved

LINE_BYTES = 64 << 20


@dataclass(frozen=True)
class Brought:
    """A file that was looked at, and not taken in yet."""

    name: str
    state: RunState
    rows: tuple[Stored, ...]
    refs: dict[str, str]
    objects: bytes
    path: Path


def look_into(workplace: Workplace, path: Path) -> Brought:
    """Read a run's file; OrchError or GitError where it is not taken. Nothing is written."""
    file, opened = open_bundle(path)
    with file:
        manifest = opened.manifest
        _check_refs(opened, str(path))
        if manifest.object_format != workplace.repository.object_format:
            raise damaged(str(path), "its objects are of another format than this repository's")
        rows: tuple[Stored, ...] = ()
        objects = b""
        for part, data in opened.parts():
            if part.kind == "events":
                rows = _rows(data, manifest.run, str(path))
            elif part.kind == "objects":
                objects = data
    state = _folded(rows, str(path))
    started = state.started
    if (started.run, started.base) != (manifest.run, manifest.base):
        raise damaged(str(path), "its facts are those of another run")
    git = workplace.git
    refuse_missing(git, (started.base,))
    if git.tree_of(started.base) != started.base_tree:
        raise damaged(str(path), "the commit that it started from has another tree here")
    return Brought(str(path), state, rows, dict(manifest.refs), objects, path)


def wishes(
    brought: Brought, here: Settings, *, delivers: bool = False, leave: Leave | None = None
) -> tuple[str, ...]:
    """What the run would have that the settings here do not have, a line each (rule 6).

    `delivers`: the person wants the result pushed, so it may say so too. `leave`: what the plans
    here let tasks change.
    """
    known = set(commands_of(here))
    started = brought.state.started
    lines = [line for line in commands_of(started.settings) if line not in known]
    lines += _weaker(brought.state, here)
    lines += leave_wished(brought.state, leave or {})
    if started.accept:
        into = started.into or started.target
        lines.append(f"run: accept the result into {into!r} when all has landed")
    if started.deliver and not delivers:
        lines.append(f"run: deliver = {started.deliver!r}")
    return tuple(lines)


def _weaker(state: RunState, here: Settings) -> Iterator[str]:
    """In which ways the run judges less than the settings here would."""
    started, limits = state.started, state.limits
    there = {gate.name: gate for gate in started.settings.gates}
    for gate in here.gates:
        other = there.get(gate.name)
        if other is None:
            yield f"run: without gate {gate.name!r}, which your settings have"
            continue
        for name in ("stage", "when", "pass_if", "junit"):
            said, ours = getattr(other, name), getattr(gate, name)
            if said != ours:
                yield f"gate {gate.name}: {name} = {said!r}, in your settings {ours!r}"
    for path in here.protected:
        if path not in started.settings.protected:
            yield f"run: {path!r} is not protected, as it is in your settings"
    if here.checker is not None and started.settings.checker != here.checker:
        yield f"run: checker = {started.settings.checker!r}, in your settings {here.checker!r}"
    if started.allow_red_base:
        yield "run: gates that are red on its base do not count"
    for name in ("budget_usd", "budget_tokens"):
        said, ours = getattr(limits, name), getattr(here.limits, name)
        if ours is not None and (said is None or said > ours):
            yield f"run: {name} = {said}, in your settings {ours}"


def take_in(
    workplace: Workplace, store: Store, brought: Brought, here: Settings | None = None
) -> int:
    """Take the run in; how many facts are new here.

    `here`: the settings that say what is protected; None where a person trusts the file.
    """
    run = brought.state.run
    with EngineLock.take(workplace.place.lock(run)):
        known = tuple(store.read(run))
        both = min(len(known), len(brought.rows))
        if any(
            _content(here) != _content(there)
            for here, there in zip(known[:both], brought.rows[:both], strict=True)
        ):
            raise OrchError(
                f"{brought.name} is not taken in: run {run} went another way here",
                hint=f"orch ledger events {run} shows what is known here",
            )
        if len(known) >= len(brought.rows):
            return 0
        git = workplace.git
        take_bundle(git, brought.objects, brought.refs, brought.state.started.base)
        _check_trees(workplace, brought)
        if here is not None:
            refuse_protected(git, brought.state, here, leave_here(workplace.checkout))
        made = _set_refs(workplace, brought)
        try:
            _take_blobs(workplace, brought)
            _check_agreement(workplace, brought)
        except BaseException:
            _unset_refs(workplace, made)
            raise
        _append(store, run, brought.rows[len(known) :], brought.state.plan.goal)
    return len(brought.rows) - len(known)


# --- facts ------------------------------------------------------------------------------------


def _rows(data: bytes, run: str, name: str) -> tuple[Stored, ...]:
    rows = []
    for seq, line in enumerate(data.splitlines(), 1):
        if len(line) > LINE_BYTES:
            raise damaged(name, f"fact {seq} is larger than any that is taken")
        try:
            said = json.loads(line)
            kind, version, body = said["kind"], said["version"], said["body"]
            row = Stored(run, seq, float(said["at"]), kind, version, body)
        except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
            raise damaged(name, f"fact {seq} makes no sense") from None
        well = isinstance(kind, str) and type(version) is int and isinstance(body, str)
        if not well or not 0 <= row.at < 1e11:
            raise damaged(name, f"fact {seq} makes no sense")
        rows.append(row)
    return tuple(rows)


def _folded(rows: Sequence[Stored], name: str) -> RunState:
    facts = []
    for row in rows:
        try:
            facts.append((parse_event(row.kind, row.version, row.body), row.at))
        except NewerFact as error:
            raise OrchError(
                f"{name} is not taken in: {error}", hint="use the version of orch that wrote it"
            ) from error
        except (ValueError, RecursionError):
            raise damaged(name, f"fact {row.seq} makes no sense") from None
    if not facts or not isinstance(facts[0][0], RunStarted):
        raise damaged(name, "its facts do not begin with a run")
    try:
        state = fold(facts)
    except (IllegalEvent, KeyError, IndexError) as error:
        raise damaged(name, f"its facts do not add up: {error}") from None
    if state.cleaned is not None:
        raise damaged(name, "its run was cleaned away")
    return state


def _content(row: Stored) -> tuple[float, str, int, str]:
    return (row.at, row.kind, row.version, row.body)


def _append(store: Store, run: str, rows: Sequence[Stored], goal: str) -> None:
    """All of them, with the times that they have; what a crash leaves is a beginning of them."""
    for at, some in groupby(rows, key=lambda row: row.at):
        several = list(some)
        facts = [(row.kind, row.version, row.body) for row in several]
        store.append(run, several[0].seq - 1, facts, at, goal=goal)


# --- refs, blobs ------------------------------------------------------------------------------


def _check_refs(opened: Opened, name: str) -> None:
    run = opened.manifest.run
    for ref in opened.manifest.refs:
        try:
            check_ref(ref)
        except ValueError:
            raise damaged(name, "it names a ref that is none") from None
        if not ref.startswith((run_refs(run), run_branches(run))):
            raise damaged(name, "it names a ref that is not the run's")
        parts = ref.split("/")
        if any("/".join(parts[:end]) in opened.manifest.refs for end in range(3, len(parts))):
            raise damaged(name, "it names a ref below another, and no repository can hold both")


def _check_trees(workplace: Workplace, brought: Brought) -> None:
    """OrchError where a tree holds what no agent's may: links that lead out, submodules, `.git`."""
    git, base = workplace.git, brought.state.started.base
    for commit in {git.tree_of(one): one for one in brought.refs.values()}.values():
        for refused in refused_in(git, base, commit):
            where = f"commit {commit[:12]} holds {refused.path}"
            raise damaged(brought.name, f"{where}, which may not be committed: {refused.why}")


def _set_refs(workplace: Workplace, brought: Brought) -> list[RefUpdate]:
    """Set the run's refs, all or none; what was changed."""
    git, run = workplace.git, brought.state.run
    here = git.list_refs(run_refs(run), run_branches(run))
    moves = [
        RefUpdate(ref, commit, here.get(ref))
        for ref, commit in brought.refs.items()
        if here.get(ref) != commit
        # A branch that somebody has checked out stays; it follows when it is safe.
        and (ref.startswith("refs/orch/") or checked_out(git, ref) is None)
    ]
    git.update_refs(moves)
    return moves


def _unset_refs(workplace: Workplace, moves: list[RefUpdate]) -> None:
    back = [RefUpdate(one.ref, one.old, one.new) for one in moves if one.old != "any"]
    try:
        workplace.git.update_refs(back)
    except (RefMoved, GitError):
        return


def _take_blobs(workplace: Workplace, brought: Brought) -> None:
    file, opened = open_bundle(brought.path)
    with file:
        for part, data in opened.parts():
            if part.kind == "blob":
                workplace.blobs.put(data)


def _check_agreement(workplace: Workplace, brought: Brought) -> None:
    """OrchError where refs and facts do not agree (rule 5), looked at in a ledger of its own."""
    from orchestrator.review.verify import verify_run

    run = brought.state.run
    with (
        tempfile.TemporaryDirectory(prefix="orch-bundle-") as folder,
        Store.open(Path(folder) / "ledger.sqlite") as apart,
    ):
        _append(apart, run, brought.rows, brought.state.plan.goal)
        found = verify_run(workplace.git, apart, workplace.blobs, run)
    if not found.agrees:
        first = found.disagreements[0]
        raise damaged(brought.name, f"its refs and facts do not agree: {first.what}: {first.why}")
