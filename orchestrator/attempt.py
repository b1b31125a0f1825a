"""One attempt: workspace, brief, rounds of work and check, one head.

1. The attempt's start is recorded before anything of it exists.
2. A round is the worker's work, a commit and what the check gates say of it (`round`).
3. A red check, a change outside the task's paths or content that may not be committed goes
   back into the same workspace as feedback, for at most `rounds` rounds; not where the work is
   what was tried already.
4. What the checks let pass, the run's checker sees, where it has one (`checked`). What it blocks in
   the end is held, or fails where that goes in circles. A head that
   changes something protected, weakens a test or adds a secret is held, however
   green it is; so is one on which a gate ran fewer tests than before, unless that is by leave.
5. A worker may end with a question: then a person is asked, and nothing is used up. A budget of the
   run's, and a provider that does not serve, are nobody's fault; the attempt is lost then.
6. A replay ends an attempt that was ended from outside as it was ended then, and waits with a green
   head for its turn in the queue (`replaying`).
"""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from typing import Literal

from ledger import events as e
from ledger.events import HeadRef
from ledger.model import BLOCKING_FINDINGS, FEWER_TESTS, ModelWorkerSettings, Sha, Task, Verdict
from orchestrator.checked import check_by_model, said_of
from orchestrator.errors import OrchError
from orchestrator.policy.checking import identity
from orchestrator.policy.circles import work_tried
from orchestrator.policy.course import Ended
from orchestrator.policy.lost import lost_attempt
from orchestrator.policy.orders import StartAttempt
from orchestrator.policy.paths import matches
from orchestrator.replaying import lost_then, report_then
from orchestrator.round import (
    PATHS_KEPT,
    Progress,
    Start,
    check,
    commit,
    excludes_of,
    feedback_of,
    hash_of,
    round_finished,
    work,
)
from orchestrator.scene import Scene
from orchestrator.verification.checker import Checked
from orchestrator.verification.integrity import Head, look_at_head
from orchestrator.verification.left_by_setup import look_at_left
from orchestrator.verification.preparation import prepare
from orchestrator.verification.telling import steady
from workers.base import Report
from workers.environment import free_port
from workers.registry import make_worker
from workers.sandbox import Confinement
from worktree.candidate import reapply
from worktree.commit import Committed, Unchanged
from worktree.workspace import Workspace

PATCH_LIMIT_BYTES = 24_000
SIGNATURE_CHARS = 200
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
            ended = await _end_of_round(progress, report, tried)
        if ended:
            return ended


def _then(progress: Progress) -> Ended | None:
    """How the attempt was ended from outside in the run that this one repeats."""
    models, order = progress.scene.models, progress.order
    replaying = models.replaying if models else None
    return replaying.then(order.task, order.attempt) if replaying else None


async def _end_of_round(
    progress: Progress, report: Report, tried: frozenset[str]
) -> e.AttemptFinished | None:
    """What the attempt came to with this round; None where it goes on with another one."""
    scene, order = progress.scene, progress.order
    committed = await commit(progress)
    log = scene.keep_log(progress.where)
    progress.unrecorded = (round_finished(progress, report, committed, log),)
    if report.question is not None:
        return _finished(progress, "held", cause="question", why=report.question)
    if report.outcome == "stopped":
        return _stopped(progress, report)
    if report.outcome != "done":
        cause: e.Cause = "timeout" if report.outcome == "timeout" else "worker"
        signature = f"{cause}:{report.exit_code}: {steady(report.why)}"
        return _failed(progress, cause, report.why, signature=signature[:SIGNATURE_CHARS])
    if isinstance(committed, Unchanged):
        # Taking back what a gate was red about is no success: the work is still to be done.
        if progress.head or progress.start.reapplied == "clean":
            return _failed(progress, "check", "it took its change back")
        return e.AttemptFinished(task=order.task, attempt=order.attempt, outcome="unchanged")
    if isinstance(committed, Committed):
        await check(progress, committed)
    unable = [v for v in progress.verdicts if v.outcome == "could-not-run"]
    red = next((v for v in progress.verdicts if v.outcome == "failed"), None)
    if not (progress.outside or progress.refusals or unable or red):
        if isinstance(committed, Committed):
            checked = await check_by_model(progress, committed)
            if checked and checked.outcome == "could-not-judge":
                return _unchecked(progress, checked)
        if not progress.findings:
            return await (_blocked if progress.left_over else _green)(progress)
    again = (
        bool(red or progress.outside or progress.findings) and hash_of(progress.changes) in tried
    )
    if progress.number < scene.state.limits.rounds and not again:
        scene.append(*progress.unrecorded)
        return None
    if progress.refusals:
        first = progress.refusals[0]
        why = f"{first.path}: {first.why}"
        return _failed(progress, "refused", why, f"refused: {why}"[:SIGNATURE_CHARS])
    if progress.outside:
        names = ", ".join(progress.outside[:3])
        signature = f"outside: {names}"[:SIGNATURE_CHARS]
        return _failed(progress, "outside", f"it changed what it may not: {names}", signature)
    if progress.findings:
        return await _blocked(progress, circling=again)
    if red:
        why = f"gate '{red.gate}' failed" + (f": {red.why}" if red.why else "")
        return _failed(progress, "check", why, red.signature)
    if isinstance(committed, Committed) and all(v.needed_tests is not None for v in unable):
        return await _short(progress, committed, unable[0])
    why = f"gate '{unable[0].gate}' could not run on it: {unable[0].why}"
    return _finished(progress, "held", cause="could-not-run", why=why)


async def _short(progress: Progress, committed: Committed, verdict: Verdict) -> e.AttemptFinished:
    """A gate ran fewer tests than before: a person decides, who should hear the checker too."""
    checked = await check_by_model(progress, committed)
    if checked and checked.outcome == "could-not-judge":
        return _unchecked(progress, checked)
    if progress.findings or progress.left_over:
        return await _blocked(progress, short=verdict)
    return await _green(progress, short=verdict)


async def _blocked(
    progress: Progress, *, circling: bool = False, short: Verdict | None = None
) -> e.AttemptFinished:
    """A checker blocks it, and nothing goes back any more: a person decides, or it is a circle.

    `circling`: the work is what was tried already; `short` as for `_green`.
    """
    found = progress.findings or progress.left_over
    why = f"a checker blocks it: {said_of(found)}"
    task = progress.task.id
    if BLOCKING_FINDINGS in progress.scene.state.tasks[task].allowed:
        progress.scene.append(e.Noticed(what=why, hint=f"orch show {task}", task=task))
        return await _green(progress, short)
    ended = await _green(progress, short, blocked=why)
    if not (circling or progress.came_back):
        return ended.model_copy(update={"cause": "checker"})
    names = "; ".join(sorted(" ".join(identity(one)) for one in found))
    signature = f"checker: {names}"[:SIGNATURE_CHARS]
    # Held in the end, all that a person must allow is known: the head is looked at like any other.
    return ended.model_copy(
        update={"outcome": "failed", "cause": "checker", "signature": signature}
    )


async def _green(
    progress: Progress, short: Verdict | None = None, blocked: str = ""
) -> e.AttemptFinished:
    """The checks passed: queued, or held where a person must look at it first.

    `short`: a gate ran fewer tests than before, which nothing but a person's word makes good;
    `blocked`: a checker blocks it, and why.
    """
    scene, task = progress.scene, progress.task
    assert progress.head is not None
    held = await scene.git(
        look_at_head,
        Head(scene.workplace.git, progress.order.base, progress.head, progress.changes),
        task=task,
        settings=scene.settings,
        allowed=scene.state.tasks[task.id].allowed,
        hiding=scene.journal.hiding,
    )
    for what in held.unread:
        scene.append(e.Noticed(what=what, hint=f"orch diff {task.id}", task=task.id))
    paths, why = held.paths, [held.why] if held.paths else []
    if short:
        paths = (*paths, FEWER_TESTS)
        why.append(f"gate '{short.gate}': {short.why}")
    if blocked:
        paths = (*paths, BLOCKING_FINDINGS)
        why.insert(0, blocked)
    if paths:
        ended = _finished(progress, "held", why="; ".join(why), held=paths)
        return ended.model_copy(update={"findings": held.findings})
    return _finished(progress, "green")


def _unchecked(progress: Progress, checked: Checked) -> e.AttemptFinished:
    """Its checker could not judge it: neither a pass nor its fault."""
    why = f"the checker could not judge it: {checked.why}"
    if checked.cause:
        return _stopped(progress, Report(outcome="stopped", why=why, cause=checked.cause))
    return _finished(progress, "held", cause="could-not-run", why=why)


def _stopped(progress: Progress, report: Report) -> e.AttemptFinished:
    """It could not go on, and its work is not to blame."""
    if report.cause == "budget" and not progress.scene.state.budget_reached:
        return _failed(progress, "budget", report.why)
    last = progress.scene.state.tasks[progress.order.task].last
    assert last is not None
    return lost_attempt(last, report.why, trouble=report.cause == "provider")


def _finished(
    progress: Progress,
    outcome: Literal["green", "held", "failed"],
    *,
    cause: e.Cause | None = None,
    why: str = "",
    signature: str = "",
    held: tuple[str, ...] = (),
) -> e.AttemptFinished:
    return e.AttemptFinished(
        task=progress.order.task,
        attempt=progress.order.attempt,
        outcome=outcome,
        head=progress.head,
        tree=progress.tree,
        cause=cause,
        why=why,
        signature=signature,
        held_paths=held,
        leave=progress.leave[:PATHS_KEPT],
    )


def _failed(progress: Progress, cause: e.Cause, why: str, signature: str = "") -> e.AttemptFinished:
    return _finished(progress, "failed", cause=cause, why=why, signature=signature or cause)
