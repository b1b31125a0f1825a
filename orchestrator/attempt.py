"""One attempt: workspace, brief, rounds of work and check, one head.

1. The attempt's start is recorded before anything of it exists.
2. A round is the worker's work, a commit and what the check gates say of it (`round`).
3. What a round came to, and whether another follows, is for `outcome` to say.
4. A replay ends an attempt that was ended from outside as it was ended then, and waits with a green
   head for its turn in the queue (`replaying`).
"""

from __future__ import annotations

import time
from contextlib import AsyncExitStack

from ledger import events as e
from ledger.events import HeadRef
from ledger.model import ModelWorkerSettings, Sha, Task
from orchestrator.errors import OrchError
from orchestrator.policy.circles import work_tried
from orchestrator.policy.course import Ended
from orchestrator.policy.orders import StartAttempt
from orchestrator.policy.paths import matches
from orchestrator.replaying import lost_then, report_then
from orchestrator.round import (
    Progress,
    Start,
    excludes_of,
    feedback_of,
    work,
)
from orchestrator.scene import Scene
from orchestrator.verification.left_by_setup import look_at_left
from orchestrator.verification.preparation import prepare
from workers.environment import free_port
from workers.registry import make_worker
from workers.sandbox import Confinement
from worktree.candidate import reapply
from worktree.workspace import Workspace

PATCH_LIMIT_BYTES = 24_000
MAP_TOKENS = 4000
"""What a model is shown of the repository before it looks itself."""


async def run_attempt(scene: Scene, order: StartAttempt) -> None:
    """Do the attempt and record its end; an exception means that it was lost."""
    task = scene.state.tasks[order.task].task
    began = time.monotonic()
    start = await _start(scene, order)
    # One call for all of it: each waits for the event loop twice.
    workspace, confinement, paths = await scene.git(_hand_out, scene, task, start.commit)
    try:
        async with AsyncExitStack() as held:
            port = held.enter_context(free_port())
            worker = make_worker(scene.settings.workers[order.worker])
            progress = Progress(
                scene, order, task, workspace, confinement, start, port, began, worker
            )
            await _prepare(progress)
            await _give_model(progress, held)
            progress.paths = paths
            ended = await _rounds(progress)
            took = {"duration_s": round(time.monotonic() - began, 3)}
            replaying = scene.models.replaying if scene.models else None
            ended = lost_then(_then(progress), scene.state) or ended
            if replaying and ended.outcome == "green":
                await replaying.until_turn(scene, HeadRef(task=order.task, attempt=order.attempt))
            scene.append(*progress.unrecorded, ended.model_copy(update=took))
    finally:
        await scene.give_back(scene.workers, workspace)


async def _give_model(progress: Progress, held: AsyncExitStack) -> None:
    """Access to its model, for a worker that is one, and a map of what it will work in."""
    scene, order = progress.scene, progress.order
    if not isinstance(scene.settings.workers[order.worker], ModelWorkerSettings):
        return
    assert scene.models is not None, "an engine with model workers has models"
    from orchestrator.mapping import make_map

    progress.access = await held.enter_async_context(
        scene.models.access(
            order.worker,
            order.model,
            order.task,
            order.attempt,
            purpose="work",
            workspace=progress.workspace.path,
            others_s=lambda: progress.checked_s,
        )
    )
    progress.map = await scene.git(
        make_map,
        scene.workplace.git,
        order.base,
        budget_tokens=MAP_TOKENS,
        paths=progress.task.paths,
        redactor=scene.journal.hiding.redactor,
        known=scene.models.known,
    )


async def _start(scene: Scene, order: StartAttempt) -> Start:
    """The commit to start from: the base, with the change of the attempt before where it merges."""
    if order.reapply is None:
        return Start(order.base)
    git = scene.workplace.git
    before, after = order.reapply
    merged = await scene.git(reapply, git, order.base, before, after, attributes=order.base)
    if isinstance(merged, str):
        commit = await scene.git(
            git.commit_tree,
            merged,
            (order.base,),
            f"{order.task}: the change of the attempt before",
            scene.author,
        )
        return Start(commit, "clean")
    patch, cut = await scene.git(git.diff, before, after, limit_bytes=PATCH_LIMIT_BYTES)
    text = patch.decode("utf-8", "replace") + ("\n(cut here)\n" if cut else "")
    return Start(order.base, "conflict", text)


def _hand_out(
    scene: Scene, task: Task, commit: Sha
) -> tuple[Workspace, Confinement | None, tuple[str, ...] | None]:
    """A workspace, how it is confined, and which of its files the task may change. Blocking."""
    workspace = scene.workers.take(commit)
    try:
        return (
            workspace,
            scene.sandboxes.confine(workspace, "worker"),
            _covered(scene, task, commit),
        )
    except BaseException:
        scene.workers.give_back(workspace)
        raise


def _covered(scene: Scene, task: Task, commit: Sha) -> tuple[str, ...] | None:
    """The files of a commit that a task may change; None where that is every file."""
    if not task.paths:
        return None
    names = scene.workplace.git.list_files(commit)
    return tuple(name for name in names if matches(task.paths, name))


async def _prepare(progress: Progress) -> None:
    scene, order = progress.scene, progress.order
    began = time.monotonic()
    with scene.log(f"{progress.task.id}/{order.attempt}/setup") as log:
        trouble = await prepare(
            progress.workspace,
            scene.settings.preparation,
            kind="worker",
            checkout=scene.workplace.checkout,
            environ=scene.workplace.environ,
            allowed=scene.settings.env,
            run=scene.run,
            git=scene.workplace.git,
            mark=scene.mark(order.task, order.attempt),
            log=log,
            confinement=scene.sandboxes.for_setup(progress.confinement),
        )
    if trouble:
        raise OrchError(f"the workspace could not be made ready: {trouble}", hint="orch gate")
    if scene.settings.preparation.setup:
        progress.left = await scene.git(
            look_at_left, scene.workplace.git, progress.workspace, excludes_of(scene)
        )
    feedback = feedback_of(progress)
    scene.append(
        e.AttemptPrepared(
            task=order.task,
            attempt=order.attempt,
            workspace=progress.workspace.name,
            reapplied=progress.start.reapplied,
            feedback=scene.workplace.blobs.put(feedback.encode()) if feedback else None,
            prepare_s=round(time.monotonic() - began, 3),
        )
    )


async def _rounds(progress: Progress) -> e.AttemptFinished:
    scene, order = progress.scene, progress.order
    while True:
        tried = work_tried(scene.state.tasks[order.task])
        feedback = feedback_of(progress)
        progress.number += 1
        scene.at_work.total_tokens = scene.state.limits.parallel
        async with scene.at_work:
            report = await work(progress, feedback)
        then = _then(progress)
        if then and progress.number > then.rounds and (lost := lost_then(then, scene.state)):
            return lost
        report = report_then(then, progress.number, report)
        with scene.at_rest():
            from orchestrator.outcome import end_of_round

            ended = await end_of_round(progress, report, tried)
        if ended:
            return ended


def _then(progress: Progress) -> Ended | None:
    """How the attempt was ended from outside in the run that this one repeats."""
    models, order = progress.scene.models, progress.order
    replaying = models.replaying if models else None
    return replaying.then(order.task, order.attempt) if replaying else None
