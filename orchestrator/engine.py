"""The engine turns the crank: decide, act, record, evolve, until the run is finished.

1. One engine drives a run, by a kernel lock held for the engine's life.
2. Quick orders (record, land) are done at once; what takes long (the baseline, an attempt, a
   judging, and a build, of which there is one at a time) becomes a job of its own whose facts are
   recorded as they come. Nothing lands while there is a build: it would be on another tip.
3. A job that is ended, or that the world failed, records what was lost; it is nobody's fault.
4. A resumed run is the same engine on a ledger that already has facts: there is no second path.
5. When the engine ends, however it ends, its workspaces and its children are gone.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from importlib import import_module

import anyio
import anyio.abc
import anyio.to_thread

from ledger import events as e
from ledger.lock import EngineLock
from ledger.schema import LedgerError
from ledger.standing import Status
from ledger.state import RunState
from ledger.store import Store
from orchestrator import actions
from orchestrator.attempt import run_attempt
from orchestrator.errors import OrchError
from orchestrator.journal import Journal, Observer
from orchestrator.mirror import Mirror
from orchestrator.models import Traffic, open_models
from orchestrator.persons import refuse_cleaned
from orchestrator.policy.decide import decide
from orchestrator.policy.lost import lost_attempt
from orchestrator.policy.now import Now
from orchestrator.policy.orders import (
    BuildCandidate,
    EndAll,
    EndJudging,
    JudgeCandidate,
    JudgeTip,
    LandCandidate,
    Order,
    Record,
    RunBaseline,
    StartAttempt,
)
from orchestrator.reconcile import reconcile
from orchestrator.replaying import Replaying
from orchestrator.scene import open_scene
from orchestrator.tip import TipRewound, find_move, judge_tip
from orchestrator.workplace import Workplace

ROOM_GB = 0.008
"""Less than this is no room to work in, whatever the settings say."""
LOOK_EVERY_S = 0.25
"""How often the engine looks for a person's word, the clock and the disk."""
AHEAD_S = 0.1
"""By then the first workers have started: nothing else wants a processor."""
OPEN: tuple[Status, ...] = ("waiting", "ready", "working", "queued")
"""Tasks that may yet need a workspace."""
TROUBLES_AT_MOST = 25
"""Jobs in a row that the world failed before the engine gives up; the run can be resumed."""

Lost = Callable[[str, bool], Sequence[e.Event]]
"""What a job records that did not end, by why, and whether that was a trouble of its own."""


def nothing_lost(why: str, trouble: bool) -> Sequence[e.Event]:
    """What nothing was recorded of is only to be done again."""
    return ()


async def drive(
    workplace: Workplace,
    store: Store,
    run: str,
    observers: Sequence[Observer] = (),
    traffic: Traffic | None = None,
) -> RunState:
    """Drive a recorded run to its end; the state that it ends in.

    Raises EngineRunning when another engine drives it. Cancelling ends every child and leaves
    the run to be resumed.
    """
    with EngineLock.take(workplace.place.lock(run)):
        journal = Journal.load(store, run)
        refuse_cleaned(journal.state)
        journal.observers.extend((Mirror(workplace.checkout), *observers))
        engine = Engine(workplace, journal, traffic or Traffic())
        try:
            await engine.run()
        except BaseExceptionGroup as group:
            raise first_of(group) from group
        finally:
            with anyio.CancelScope(shield=True):
                await engine.close()
        return journal.state


class Engine:
    """One engine at one run."""

    def __init__(self, workplace: Workplace, journal: Journal, traffic: Traffic) -> None:
        self.workplace, self.journal, self.traffic = workplace, journal, traffic
        self.jobs: dict[str, anyio.CancelScope] = {}
        self.woken = anyio.Event()
        self.troubles = 0
        self.full = False
        self.scene = open_scene(workplace, journal, self.wake)

    @property
    def state(self) -> RunState:
        return self.journal.state

    @property
    def replaying(self) -> Replaying | None:
        """The record that the run follows."""
        return self.scene.models.replaying if self.scene.models else None

    def wake(self) -> None:
        """Something happened: look what follows."""
        self.woken.set()

    # --- the loop -----------------------------------------------------------------------------

    async def run(self) -> None:
        # First of all: a stop that is asked for from now on is meant for this engine.
        self.scene.append(e.EngineStarted(pid=os.getpid(), host=socket.gethostname()))
        await reconcile(self.scene)
        async with (
            open_models(self.scene, self.traffic) as self.scene.models,
            anyio.create_task_group() as group,
        ):
            group.start_soon(_import_ahead)
            while self.state.finished is None:
                self.woken = anyio.Event()
                if self.replaying:
                    self.replaying.raise_missed()
                if not await self._turn(group):
                    with anyio.move_on_after(LOOK_EVERY_S):
                        await self.woken.wait()
                    self.journal.catch_up()
            if self.replaying:
                self.replaying.check_result(self.state)
            self.scene.workers.closing = self.scene.judge.pool.closing = True
            # Usually nothing is left; what is, the next engine finds lost.
            group.cancel_scope.cancel()

    async def _turn(self, group: anyio.abc.TaskGroup) -> bool:
        """Decide once and carry the orders out; whether there was anything to do."""
        if not self.journal.store.is_in_place():
            # What is recorded where nobody looks is not recorded: nothing may land on it.
            raise LedgerError(
                f"the ledger {self.journal.store.path} is gone, or another is in its place",
                "put it back where it was, then: orch resume",
            )
        self._trim(group)
        orders = decide(self.state, self.scene.guide, await self._now())
        if self.journal.catch_up() or not self._start_attempts(orders, group):
            return True
        acted = any(isinstance(order, StartAttempt) for order in orders)
        for order in orders:
            # What somebody else said meanwhile may make the other orders wrong.
            if self.journal.catch_up():
                return True
            acted |= await self._act(order, group)
        return acted

    def _trim(self, group: anyio.abc.TaskGroup) -> None:
        """Have workspaces that no task will need again removed while gates run, not at the end."""
        pool = self.scene.workers
        pool.wanted = sum(len(self.state.by_status[status]) for status in OPEN)
        if pool.idle and pool.size > pool.wanted and "trim" not in self.jobs:

            async def trim() -> None:
                await self.scene.git(pool.trim, pool.wanted or 0)

            self._start(group, "trim", trim, nothing_lost)

    def _free_gb(self) -> float:
        root = self.scene.workers.root
        while not root.exists():
            root = root.parent
        return shutil.disk_usage(root).free / 1e9

    async def _now(self) -> Now:
        free_gb = self._free_gb()
        only = self.replaying.only(self.state) if self.replaying else None
        # A workspace that came back may have made room again.
        self.full = self.full and free_gb < ROOM_GB
        if self.full:
            return Now(time.time(), free_gb=-1.0, resting=self.scene.resting, only=only)
        if free_gb < self.state.limits.min_free_gb:
            for pool in (self.scene.workers, self.scene.judge.pool):
                await self.scene.git(pool.trim, 0)
        return Now(time.time(), free_gb=free_gb, resting=self.scene.resting, only=only)

    def _start_attempts(self, orders: Sequence[Order], group: anyio.abc.TaskGroup) -> bool:
        """Carry out all orders to start an attempt, recorded as one; False: decide anew."""
        starts = [order for order in orders if isinstance(order, StartAttempt)]
        if self.replaying:
            self.replaying.check(self.state, starts)
        if not self.journal.append_decided(
            *(
                e.AttemptStarted(
                    task=o.task, attempt=o.attempt, base=o.base, worker=o.worker, model=o.model
                )
                for o in starts
            )
        ):
            return False
        for order in starts:
            work = partial(run_attempt, self.scene, order)
            self._start(group, f"{order.task}/{order.attempt}", work, self._attempt_lost(order))
        return True

    async def _act(self, order: Order, group: anyio.abc.TaskGroup) -> bool:
        """Carry out one order; False when it was under way already."""
        scene = self.scene
        match order:
            case Record(event, more):
                self.journal.append_decided(event, *more)
            case BuildCandidate():
                if "build" in self.jobs:
                    return False
                self._start(group, "build", lambda: actions.build(scene, order), nothing_lost)
            case LandCandidate() if "build" in self.jobs:
                return False  # it would have been built on a tip that is no more
            case LandCandidate() | JudgeTip():
                try:
                    return await self._act_on_tip(order, group)
                except TipRewound as error:
                    self.scene.append(*error.facts)
            case RunBaseline():
                if not self.journal.append_decided(e.BaselineStarted()):
                    return True
                self._start(group, "base", lambda: actions.run_baseline(scene), self._base_lost)
            case StartAttempt():
                return False
            case JudgeCandidate(candidate, confirms):
                started = e.JudgingStarted(candidate=candidate, confirms=confirms)
                if not self.journal.append_decided(started):
                    return True
                self._start(
                    group,
                    f"candidate {candidate}",
                    lambda: actions.judge(scene, order),
                    self._judging_lost(candidate),
                )
            case EndJudging(candidate, _):
                return self._end(f"candidate {candidate}")
            case EndAll():
                ended = [self._end(name) for name in list(self.jobs)]
                return any(ended)
        return True

    async def _act_on_tip(
        self, order: LandCandidate | JudgeTip, group: anyio.abc.TaskGroup
    ) -> bool:
        scene = self.scene
        if isinstance(order, LandCandidate):
            await actions.land_candidate(scene, order)
            return True
        if moved := await scene.git(find_move, self.workplace.git, self.state):
            scene.append(moved)  # whoever moved it may have put it right again
            return True
        started = e.TipJudgingStarted(tip=order.tip, gate=order.gate, confirms=order.confirms)
        if self.journal.append_decided(started):
            self._start(group, "tip", lambda: judge_tip(scene, order), self._tip_lost)
        return True

    # --- jobs ---------------------------------------------------------------------------------

    def _start(
        self,
        group: anyio.abc.TaskGroup,
        name: str,
        work: Callable[[], Awaitable[None]],
        lost: Lost,
    ) -> None:
        self.jobs[name] = anyio.CancelScope()
        group.start_soon(self._job, name, self.jobs[name], work, lost, name=name)

    async def _job(
        self,
        name: str,
        scope: anyio.CancelScope,
        work: Callable[[], Awaitable[None]],
        lost: Lost,
    ) -> None:
        from worktree.git import GitError

        why, trouble = "", False
        try:
            with scope:
                await work()
            if scope.cancelled_caught:
                why = "it was ended"
            else:
                self.troubles = 0
        except (GitError, OSError, OrchError) as error:
            why, trouble = f"{error}", True
            self.troubles += 1
            # git does not always say why it cannot write.
            self.full = self.full or is_no_space(error) or self._free_gb() < ROOM_GB
            if self.troubles > TROUBLES_AT_MOST:
                raise
        finally:
            # What the job recorded last may have started the next one of that name already.
            if self.jobs.get(name) is scope:
                del self.jobs[name]
        if why:
            self.scene.append(*lost(why, trouble))
        self.wake()

    def _end(self, name: str) -> bool:
        scope = self.jobs.get(name)
        if scope is None or scope.cancel_called:
            return False
        scope.cancel()
        return True

    def _base_lost(self, why: str, trouble: bool) -> Sequence[e.Event]:
        return (e.BaselineLost(why=why),) if self.state.baseline == "running" else ()

    def _tip_lost(self, why: str, trouble: bool) -> Sequence[e.Event]:
        return (e.TipJudgingLost(why=why),) if self.state.tip_judging else ()

    def _attempt_lost(self, order: StartAttempt) -> Lost:
        def lost(why: str, trouble: bool) -> Sequence[e.Event]:
            last = self.state.tasks[order.task].last
            if last is None or last.number != order.attempt or last.finished:
                return ()
            return (lost_attempt(last, why, trouble=trouble),)

        return lost

    def _judging_lost(self, candidate: int) -> Lost:
        def lost(why: str, trouble: bool) -> Sequence[e.Event]:
            if self.state.candidates[candidate].status != "judging":
                return ()
            return (e.CandidateDropped(candidate=candidate, why=why),)

        return lost

    # --- the end ------------------------------------------------------------------------------

    async def close(self) -> None:
        """Give everything back: workspaces, and the files of what was under way."""
        await self.scene.close()


async def _import_ahead() -> None:
    """What is needed when a worker is done, while the first ones work."""
    await anyio.sleep(AHEAD_S)
    await anyio.to_thread.run_sync(import_module, "orchestrator.outcome")


def first_of(group: BaseExceptionGroup) -> BaseException:
    """The error that ended everything else; jobs that were only ended with it do not count."""
    errors: list[BaseException] = []
    pending: list[BaseException] = [group]
    while pending:
        error = pending.pop(0)
        if isinstance(error, BaseExceptionGroup):
            pending.extend(error.exceptions)
        else:
            errors.append(error)
    return next((error for error in errors if isinstance(error, Exception)), errors[0])


def is_no_space(error: BaseException) -> bool:
    """Whether an error says that the disk is full."""
    if getattr(error, "kind", None) == "no-space":
        return True
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
