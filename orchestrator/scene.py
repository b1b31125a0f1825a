"""What every action of a run needs at hand, made once when its engine starts."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypedDict, TypeVar, Unpack

import anyio
import anyio.to_thread

from ledger.events import Event, Noticed
from ledger.model import Gate, Settings, Verdict
from ledger.state import RunState
from orchestrator.journal import Journal
from orchestrator.patience import patiently
from orchestrator.policy.measure import Measure
from orchestrator.policy.paths import PathIndex
from orchestrator.policy.readiness import Guide
from orchestrator.review.words import count
from orchestrator.runs import live_log, mark_of_run, run_folder
from orchestrator.workplace import Workplace

if TYPE_CHECKING:
    from orchestrator.models import Models
    from orchestrator.sandboxing import Sandboxes
    from orchestrator.verification.gates import Bench, Judge
    from worktree.git import Person, Signing
    from worktree.workspace import Pool, Workspace

P = ParamSpec("P")
T = TypeVar("T")

GIT_THREADS = 8
LOOK_EVERY_S = 0.1
"""How often it is looked whether a gate has judged the base."""
LOG_TEXT_BYTES = 200_000
KEPT_BYTES = 2 << 20


class Asking(TypedDict, total=False):
    """How a gate is asked; see `Bench.judge`."""

    fresh: bool
    measure: Measure
    reuse_failed: bool


@dataclass
class Scene:
    """The rooms, opened for one run."""

    workplace: Workplace
    journal: Journal
    workers: Pool
    judge: Judge
    sandboxes: Sandboxes
    guide: Guide
    git_threads: anyio.CapacityLimiter
    at_work: anyio.CapacityLimiter
    """As many workers as may work at once."""
    wake: Callable[[], None]
    resting: int = 0
    """Attempts under way whose worker is done for now."""
    models: Models | None = None
    """What attempts may call, while an engine drives the run that has models."""

    @property
    def state(self) -> RunState:
        return self.journal.state

    @property
    def run(self) -> str:
        return self.journal.run

    @property
    def settings(self) -> Settings:
        return self.state.started.settings

    @cached_property
    def signing(self) -> Signing | None:
        """How landing commits are signed; None: the user does not sign."""
        return self.workplace.user.signing if self.state.started.signs else None

    @cached_property
    def author(self) -> Person:
        """In whose name orch commits."""
        from worktree.git import Person

        identity = self.state.started.identity
        return Person(identity.name, identity.email)

    def append(self, *facts: Event) -> None:
        """Record facts, and let the engine look what follows from them."""
        if facts:
            self.journal.append(*facts)
            self.wake()

    async def git(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A blocking call of `worktree`, in one of the run's few threads for it."""
        return await anyio.to_thread.run_sync(
            partial(call, *args, **kwargs), limiter=self.git_threads
        )

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """While a worker is done for now, another one may work in its place."""
        self.resting += 1
        self.wake()
        try:
            yield
        finally:
            self.resting -= 1

    def line(self, where: str, text: str) -> None:
        """Show a line that a worker or a gate printed; without `where`, what orch itself does."""
        for observer in self.journal.observers:
            observer.on_line(where, text)

    def mark(self, *parts: object) -> str:
        """A mark for a child: the run, what it works on, and a nonce."""
        return "/".join([self.mark_of_run, *map(str, parts), secrets.token_hex(4)])

    @cached_property
    def mark_of_run(self) -> str:
        """The run in marks: its id, and which repository's, for another may have the same id."""
        return mark_of_run(self.workplace.repository.common_dir, self.run)

    async def ask(self, bench: Bench, gate: Gate, where: str, **how: Unpack[Asking]) -> Verdict:
        """Let a gate judge, its output to be followed as `where`."""
        with self.log(where) as log:
            return await bench.judge(gate, log=log, on_line=partial(self.line, where), **how)

    async def ask_measured(
        self,
        bench: Bench,
        gate: Gate,
        where: str,
        measure: Callable[[], Measure],
        *,
        fresh: bool = False,
    ) -> Verdict:
        """The same, held against what the gate says of the base, once that is known."""
        from orchestrator.verification.gates import is_short

        if gate.pass_if == "no-new-failures":
            await self.until_base_judged(gate.name)
        known = measure()
        verdict = await self.ask(bench, gate, where, measure=known, fresh=fresh)
        if known.base is None and verdict.outcome == "passed":
            # It ran beside the base's own run: whether it ran as many tests is known only now.
            await self.until_base_judged(gate.name)
            if is_short(verdict, measure()):
                return await self.ask(bench, gate, where, measure=measure(), fresh=fresh)
        return verdict

    async def until_base_judged(self, gate: str) -> None:
        """Wait while that gate may still judge the base."""
        while self.state.baseline in ("unknown", "running"):
            if gate in self.state.baseline_verdicts:
                return
            await anyio.sleep(LOOK_EVERY_S)

    def live(self, where: str) -> Path:
        """The file for the output of something under way; others may read along."""
        path = live_log(self.workplace.place, self.run, where)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    @contextmanager
    def log(self, where: str) -> Iterator[Path]:
        """The same, gone when it is over: whoever needs it has kept it."""
        path = self.live(where)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def keep_log(self, where: str) -> str | None:
        """Make a blob of what was printed; None where nothing was."""
        path = self.live(where)
        try:
            return self.workplace.blobs.put_file(path) if path.stat().st_size else None
        except FileNotFoundError:
            return None
        finally:
            path.unlink(missing_ok=True)

    def read_log(self, blob: str) -> str:
        """The text of a kept log, bounded; a lost one says so."""
        return str(self.workplace.blobs.text(blob, LOG_TEXT_BYTES))

    def read_kept(self, blob: str) -> bytes | None:
        """What was kept under that name, bounded; None where it is lost."""
        content = self.workplace.blobs.read(blob, KEPT_BYTES)
        return content if isinstance(content, bytes) else None

    async def give_back(self, pool: Pool, workspace: Workspace) -> None:
        """Return a workspace, even while everything is being ended."""
        with anyio.CancelScope(shield=True):
            await self.git(pool.give_back, workspace)

    async def patiently(self, what: str, call: Callable[[], object]) -> None:
        """A blocking call of `worktree` that may take long: then it is said what goes on."""

        async def work() -> None:
            await self.git(call)

        await patiently(work, what, partial(self.line, ""))

    async def sweep_workspaces(self) -> None:
        """Remove what an engine that died left of the run's workspaces."""
        from worktree.workspace import sweep

        prefix = f"orch-{self.run}-"
        work = partial(sweep, self.workplace.git, self.workers.root, prefix=prefix)
        await self.patiently("removing workspaces that the last engine left", work)

    async def remove_workspaces(self) -> None:
        """Remove all workspaces, the workers' and the gates'."""
        pools = (self.workers, self.judge.pool)
        for pool in pools:
            pool.closing = True
        number = sum(pool.size for pool in pools)

        def remove() -> None:
            for pool in pools:
                pool.remove_all()

        await self.patiently(f"removing {count(number, 'workspace')}", remove)

    async def close(self) -> None:
        """Give everything back: workspaces, and the files of what was under way."""
        from worktree.landing import drop_candidates, result_follows

        try:
            await self.git(drop_candidates, self.workplace.git, self.run)
            await self.git(result_follows, self.workplace.git, self.run, self.state.result)
        finally:
            # A git that fails at the end keeps nothing else from being given back.
            await self.remove_workspaces()
            self.sandboxes.sweep(everywhere=False)
            shutil.rmtree(run_folder(self.workplace.place, self.run), ignore_errors=True)
            with suppress(OSError):
                self.workers.root.rmdir()
                if self.settings.workspaces is None:
                    self.workers.root.parent.rmdir()


def open_scene(workplace: Workplace, journal: Journal, wake: Callable[[], None]) -> Scene:
    """The scene of a run; nothing is made until it is needed."""
    from orchestrator.hiding import hiding_of
    from orchestrator.sandboxing import Sandboxes, require_sandbox
    from orchestrator.verification.gates import Judge
    from workers.alive import become_subreaper
    from worktree.workspace import Pool

    # Daemons that workers leave become ours to end; else they are found by a scan of everything.
    become_subreaper()
    started = journal.state.started
    settings = started.settings
    journal.hiding = hiding_of(workplace, settings)
    require_sandbox(settings.sandbox)

    def notice(what: str, hint: str) -> None:
        journal.append(Noticed(what=what, hint=hint))
        wake()

    sandboxes = Sandboxes(
        workplace.git,
        settings.sandbox,
        workplace.environ,
        mark_of_run(workplace.repository.common_dir, started.run),
        notice,
    )
    root = workplace.workspaces(settings.workspaces) / started.run
    keep = settings.preparation.keep

    def known(key: str) -> Verdict | None:
        body = journal.store.verdict(key)
        return Verdict.model_validate_json(body) if body else None

    git_threads = anyio.CapacityLimiter(GIT_THREADS)
    return Scene(
        workplace=workplace,
        journal=journal,
        workers=Pool(workplace.git, root, f"orch-{started.run}-worker", keep),
        judge=Judge(
            workplace=workplace,
            pool=Pool(workplace.git, root, f"orch-{started.run}-gate", keep),
            started=started,
            known=known,
            git_threads=git_threads,
            sandboxes=sandboxes,
        ),
        sandboxes=sandboxes,
        guide=make_guide(journal.state),
        git_threads=git_threads,
        at_work=anyio.CapacityLimiter(journal.state.limits.parallel),
        wake=wake,
    )


def make_guide(state: RunState) -> Guide:
    """What policy needs to know of the plan's paths."""
    index = PathIndex({task.id: task.paths for task in state.plan.tasks if task.paths})
    return Guide(index.fence)
