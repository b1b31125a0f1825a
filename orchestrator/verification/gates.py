"""Gates judge trees: the one place where a verdict is made.

1. A verdict that is known for the same key is used again, passed or failed, never one that
   could not run; nothing is known when a fresh one is asked for.
2. A gate runs in a workspace of the gates' own pool, at exactly the commit, where no worker
   ever was. It is taken when the first gate really has to run, and given back whatever happens.
3. Gates of one bench run one after the other in one workspace. What a gate changed of the
   tree, or left in it that is not ignored, is gone before the next one starts.
4. A workspace that cannot be made ready makes the verdict `could-not-run`, with the reason.
5. Without a time limit of its own a gate has the larger of 600 s and 4 times what it took on
   the base.
6. No secret that a gate may see, from the environment or a copied file, is in what it said, nor
   in the names of its tests.
7. A pass with fewer tests than had to run is none (see `reading`), also when it is known.
8. What a gate said whose tests did not import the tree is worth nothing (see `imports`).
9. What a gate said whose workspace somebody removed meanwhile is worth nothing either: it runs
   again in another, once.
"""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import ParamSpec, TypeVar

import anyio
import anyio.to_thread

from ledger.events import RunStarted
from ledger.model import Gate, Sha, Verdict
from orchestrator.policy.measure import UNMEASURED, Measure
from orchestrator.sandboxing import Sandboxes
from orchestrator.verification.comparing import NAMES_KEPT, new_failures
from orchestrator.verification.copies import Trouble, copied_names, copied_secrets, hash_copies
from orchestrator.verification.imports import Watcher
from orchestrator.verification.keys import verdict_key
from orchestrator.verification.preparation import changed_files, prepare
from orchestrator.verification.running import OnLine, run_gate
from orchestrator.workplace import Workplace
from workers.command import run_command
from workers.environment import build_environment, free_port, orch_variables
from workers.process import Ended
from workers.sandbox import Confinement
from worktree.workspace import Pool, Workspace

P = ParamSpec("P")
T = TypeVar("T")

TIMEOUT_S = 600.0
BASELINE_FACTOR = 4.0
OUTPUT = "orch-answer"
OUTPUT_BYTES = 32 << 20
WORKSPACES_AT_MOST = 2
"""So many times a gate runs whose workspace somebody removes meanwhile."""


def time_limit_s(gate: Gate, baseline: Verdict | None) -> float:
    """How long a gate may take."""
    if gate.timeout_s is not None:
        return gate.timeout_s
    return max(TIMEOUT_S, BASELINE_FACTOR * baseline.duration_s if baseline else 0.0)


@dataclass(frozen=True)
class Answer:
    """What a command printed, and how it ended."""

    ended: Ended
    out: bytes


@dataclass(frozen=True)
class Judge:
    """What judging in one run needs at hand."""

    workplace: Workplace
    pool: Pool
    """The gates' own: no worker ever gets a workspace of it."""
    started: RunStarted
    known: Callable[[str], Verdict | None]
    """The verdict that is recorded under a key."""
    git_threads: anyio.CapacityLimiter
    sandboxes: Sandboxes

    @cached_property
    def watcher(self) -> Watcher:
        """Who sees what gates import."""
        return Watcher(self.workplace.repository)

    @asynccontextmanager
    async def bench(self, commit: Sha, tree: Sha, *, mark: str) -> AsyncIterator[Bench]:
        """A place to judge one commit at, by one gate after the other."""
        bench = Bench(self, commit, tree, mark)
        try:
            yield bench
        finally:
            with anyio.CancelScope(shield=True):
                await bench.close()

    def key(
        self, gate: Gate, tree: Sha, base: Verdict | None = None, *, began: Sha | None = None
    ) -> str:
        """The key of that gate's verdict on that tree; `base`: what it said of the base.

        `began` is the tree that a run began at, where that is another one than this run's.
        """
        preparation = self.started.settings.preparation
        return verdict_key(
            gate,
            tree,
            environment=self.environment(Path("/")),
            preparation=preparation,
            copied=hash_copies(self.workplace.checkout, copied_names(preparation, "gate")),
            platform=self.started.platform,
            base_tree=began or self.started.base_tree,
            sandbox=self.sandboxes.key,
            network=gate.network,
            base=base,
        )

    def environment(self, temporary: Path, port: int | None = None) -> dict[str, str]:
        """What a gate sees."""
        return build_environment(
            self.workplace.environ,
            temporary=temporary,
            allowed=self.started.settings.env,
            orch=orch_variables(run=self.started.run, port=port),
        )

    async def git(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A blocking call of `worktree`, in one of the run's few threads for it."""
        return await anyio.to_thread.run_sync(
            partial(call, *args, **kwargs), limiter=self.git_threads
        )


class Bench:
    """One commit, a workspace at it when that is needed, one gate at a time."""

    def __init__(self, judge: Judge, commit: Sha, tree: Sha, mark: str) -> None:
        self._judge, self._commit, self._tree, self._mark = judge, commit, tree, mark
        self._workspace: Workspace | None = None
        self._folder: tuple[int, int] | None = None
        self._clean: tuple[bytes, bytes] = (b"", b"")
        self._held = ExitStack()
        self._port: int | None = None
        self._secrets: dict[str, str] = {}
        self._confinement: Confinement | None = None

    async def judge(
        self,
        gate: Gate,
        *,
        log: Path,
        on_line: OnLine | None = None,
        fresh: bool = False,
        measure: Measure = UNMEASURED,
        reuse_failed: bool = True,
    ) -> Verdict:
        """What the gate says of the commit's tree; `log` is where its output can be followed."""
        judge = self._judge
        key = await anyio.to_thread.run_sync(judge.key, gate, self._tree, measure.base)
        known = None if fresh else judge.known(key)
        if known and _may_be_reused(known, reuse_failed, measure):
            return _reused(known, gate, measure)
        for _ in range(WORKSPACES_AT_MOST):
            verdict = await self._run(gate, key, log, on_line, measure)
            if self._is_whole():
                return verdict
            await self._give_back()
        return self._could_not_run(gate, key, "its workspace was removed while it ran")

    async def _run(
        self, gate: Gate, key: str, log: Path, on_line: OnLine | None, measure: Measure
    ) -> Verdict:
        judge = self._judge
        trouble = await self._make_ready(log)
        if trouble:
            why = f"its workspace could not be made ready: {trouble}"
            return self._could_not_run(gate, key, why, await self._keep(log))
        assert self._workspace is not None
        tree, temporary = self._workspace.path, self._workspace.folder / "tmp"
        env = judge.environment(temporary, self._port)
        begin = partial(judge.watcher.begin, gate.command, tree, env, temporary / "orch-imports")
        watch = await anyio.to_thread.run_sync(begin)
        reading, ended = await run_gate(
            gate,
            tree=tree,
            env=env | (watch.variables if watch else {}),
            mark=self._mark,
            log=log,
            timeout_s=time_limit_s(gate, measure.base),
            measure=measure,
            on_line=on_line,
            secrets=self._secrets,
            confinement=judge.sandboxes.for_gate(self._confinement, gate),
        )
        if watch and reading.outcome != "could-not-run":
            end = partial(judge.watcher.end, watch, reading.outcome == "passed", reading.lines)
            fooled = await anyio.to_thread.run_sync(end)
            reading = reading.could_not_run(fooled) if fooled else reading
        new = reading.new_failures
        left = ", ".join(map(str, ended.survivors))
        said = (f"(processes that would not end: {left})",) if left else ()
        return Verdict(
            gate=gate.name,
            tree=self._tree,
            key=key,
            outcome=reading.outcome,
            exit_code=ended.exit_code,
            why=reading.why,
            lines=(*reading.lines, *said),
            signature=reading.signature,
            tests=reading.tests,
            needed_tests=reading.needed_tests,
            failed_tests=reading.failed_tests[:NAMES_KEPT],
            failed_more=max(0, len(reading.failed_tests) - NAMES_KEPT),
            new_failures=None if new is None else new[:NAMES_KEPT],
            duration_s=round(ended.duration_s, 3),
            log=await self._keep(log),
        )

    async def answer(self, command: str, *, log: Path, timeout_s: float) -> Answer | Trouble:
        """What a command that judges nothing prints of the tree, run as a gate is."""
        if trouble := await self._make_ready(log):
            return trouble
        assert self._workspace is not None
        temporary = self._workspace.folder / "tmp"
        out = temporary / OUTPUT
        out.unlink(missing_ok=True)
        ended = await run_command(
            # What it says of errors is told apart: no warning is taken for an answer.
            f'exec >"$TMPDIR/{OUTPUT}"\n{command}',
            tree=self._workspace.path,
            env=self._judge.environment(temporary, self._port),
            mark=self._mark,
            timeout_s=timeout_s,
            log=log,
            secrets=self._secrets,
            confinement=self._confinement,
        )
        return Answer(ended, await anyio.to_thread.run_sync(_load_output, out))

    def _could_not_run(self, gate: Gate, key: str, why: str, log: str | None = None) -> Verdict:
        return Verdict(
            gate=gate.name,
            tree=self._tree,
            key=key,
            outcome="could-not-run",
            why=why,
            signature="could-not-run: workspace",
            log=log,
        )

    def _is_whole(self) -> bool:
        """Whether the workspace, where there is one, is still the folder that was handed out."""
        if self._workspace is None:
            return True
        return self._folder is not None and _identity(self._workspace.path) == self._folder

    async def _give_back(self) -> None:
        workspace, self._workspace = self._workspace, None
        if workspace is not None:
            with anyio.CancelScope(shield=True):
                await self._judge.git(self._judge.pool.give_back, workspace)

    async def close(self) -> None:
        """Give back what was taken."""
        self._held.close()
        await self._give_back()

    async def _keep(self, log: Path) -> str | None:
        return await anyio.to_thread.run_sync(_keep_log, self._judge.workplace, log)

    async def _make_ready(self, log: Path) -> Trouble | None:
        """Have a workspace that is as the commit says, and prepared."""
        judge = self._judge
        if self._workspace is not None:
            now = await judge.git(changed_files, judge.workplace.git, self._workspace)
            if now == self._clean:
                return None
            await self._give_back()
        if self._port is None:
            self._port = self._held.enter_context(free_port())
        await judge.git(self._take)
        assert self._workspace is not None
        trouble = await prepare(
            self._workspace,
            judge.started.settings.preparation,
            kind="gate",
            checkout=judge.workplace.checkout,
            environ=judge.workplace.environ,
            allowed=judge.started.settings.env,
            run=judge.started.run,
            git=judge.workplace.git,
            mark=self._mark,
            log=log,
            confinement=judge.sandboxes.for_setup(self._confinement),
        )
        if trouble:
            await self._give_back()
            return trouble
        preparation = judge.started.settings.preparation
        names = copied_names(preparation, "gate")
        checkout = judge.workplace.checkout
        self._secrets = await judge.git(copied_secrets, checkout, names) if names else {}
        self._clean = (b"", b"")
        if preparation.setup or names:
            self._clean = await judge.git(changed_files, judge.workplace.git, self._workspace)
        return None

    def _take(self) -> None:
        self._workspace = self._judge.pool.take(self._commit)
        self._folder = _identity(self._workspace.path)
        self._confinement = self._judge.sandboxes.confine(self._workspace, "gate")


def _load_output(path: Path) -> bytes:
    """What a command wrote there, bounded; nothing where it put anything else in its place."""
    try:
        flags = os.O_NOFOLLOW | os.O_NONBLOCK
        with open(path, "rb", opener=lambda name, how: os.open(name, how | flags)) as file:
            return file.read(OUTPUT_BYTES) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b""
    except OSError:
        return b""


def _identity(tree: Path) -> tuple[int, int] | None:
    """Which folder this is; None where it is no whole workspace any more."""
    try:
        found = tree.stat()
        (tree / ".git").lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _keep_log(workplace: Workplace, log: Path) -> str | None:
    """A blob of the log, on disk before the ledger speaks of it; None for an empty one."""
    if not log.exists() or log.stat().st_size == 0:
        return None
    return workplace.blobs.put_file(log)


def _may_be_reused(known: Verdict, failed_too: bool, measure: Measure) -> bool:
    match known.outcome:
        case "could-not-run":
            return False
        case "failed":
            return failed_too
        case "passed":
            return measure.may_lose or not is_short(known, measure)


def is_short(verdict: Verdict, measure: Measure) -> bool:
    """Whether fewer tests ran than had to."""
    if measure.tests is None:
        return False
    return verdict.tests is None or verdict.tests.ran < measure.tests


def _reused(known: Verdict, gate: Gate, measure: Measure) -> Verdict:
    """A known verdict, told of this run: how it stands to this run's base may be another."""
    changes = {
        "gate": gate.name,
        "reused": True,
        "needed_tests": measure.tests if is_short(known, measure) else None,
        "new_failures": new_failures(known.failed_tests, measure.base)
        if known.failed_tests
        else known.new_failures,
    }
    return known.model_copy(update=changes)
