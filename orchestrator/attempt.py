"""One attempt: workspace, brief, rounds of work and check, one head.

1. The attempt's start is recorded before anything of it exists.
2. A round: the worker, the fix commands, a commit whose ref exists before the ledger speaks
   of it, then the check gates, in a workspace of their own.
3. A red check, a change outside the task's paths or content that may not be committed goes
   back into the same workspace as feedback, for at most `rounds` rounds; not where the tree is one
   that was tried already.
4. The worker's own time is counted against its limit; gates, git and sleep are not.
5. A head that changes something protected, weakens a test or adds a secret is held, however
   green it is; so is one on which a gate ran fewer tests than before, unless that is by leave.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Literal

import anyio

from ledger import events as e
from ledger.export import task_ledger
from ledger.model import FEWER_TESTS, Gate, Refusal, Sha, Task, Verdict
from orchestrator.errors import OrchError
from orchestrator.feedback import landed_since, render_feedback
from orchestrator.guidance.telling import render_texts, shelf_of, texts_for
from orchestrator.messages import subject_of
from orchestrator.policy.circles import trees_tried
from orchestrator.policy.measure import measure_of_round
from orchestrator.policy.orders import StartAttempt
from orchestrator.policy.paths import matches
from orchestrator.scene import Scene, advisory, gates_of
from orchestrator.verification.boundaries import outside
from orchestrator.verification.copies import copied_names, copied_secrets, copy_excludes
from orchestrator.verification.integrity import Head, look_at_head
from orchestrator.verification.preparation import prepare
from orchestrator.verification.protected import leave_given
from orchestrator.verification.telling import steady
from workers.base import Brief, Report, Surroundings
from workers.command import run_command
from workers.environment import build_environment, free_port, orch_variables
from workers.registry import make_worker
from workers.sandbox import Confinement
from worktree.candidate import reapply
from worktree.commit import Committed, NotCommitted, Unchanged, commit_workspace
from worktree.git import Change, RefUpdate
from worktree.names import attempt_ref, quoted, round_ref
from worktree.workspace import Workspace

PATHS_KEPT = 200
"""How many changed paths a fact names."""
ADVISORY_LOOK_S = 0.1
FIX_TIMEOUT_S = 600.0
PATCH_LIMIT_BYTES = 24_000
SIGNATURE_CHARS = 200


@dataclass(frozen=True)
class _Start:
    """What the workspace begins with."""

    commit: Sha
    reapplied: Literal["nothing", "clean", "conflict"] = "nothing"
    patch: str | None = None


@dataclass
class _Progress:
    """What an attempt has come to so far."""

    scene: Scene
    order: StartAttempt
    task: Task
    workspace: Workspace
    confinement: Confinement | None
    start: _Start
    port: int
    began: float
    paths: tuple[str, ...] | None = None
    worked_s: float = 0.0
    number: int = 0
    head: Sha | None = None
    tree: Sha | None = None
    refusals: tuple[Refusal, ...] = ()
    outside: tuple[str, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    changes: tuple[Change, ...] = ()
    leave: tuple[str, ...] = ()
    """What it changes that it may although it is protected."""
    unrecorded: tuple[e.RoundFinished, ...] = ()
    """A round that nothing more is judged of: recorded with what comes next."""

    @property
    def where(self) -> str:
        return f"{self.task.id}/{self.order.attempt}/{self.number}"


async def run_attempt(scene: Scene, order: StartAttempt) -> None:
    """Do the attempt and record its end; an exception means that it was lost."""
    task = scene.state.tasks[order.task].task
    began = time.monotonic()
    start = await _start(scene, order)
    workspace = await scene.git(scene.workers.take, start.commit)
    try:
        confinement = await scene.git(scene.sandboxes.confine, workspace, "worker")
        with free_port() as port:
            progress = _Progress(scene, order, task, workspace, confinement, start, port, began)
            await _prepare(progress)
            progress.paths = await _covered(scene, task, start.commit)
            ended = await _rounds(progress)
            took = {"duration_s": round(time.monotonic() - began, 3)}
            scene.append(*progress.unrecorded, ended.model_copy(update=took))
    finally:
        await scene.give_back(scene.workers, workspace)


async def _start(scene: Scene, order: StartAttempt) -> _Start:
    """The commit to start from: the base, with the change of the attempt before where it merges."""
    if order.reapply is None:
        return _Start(order.base)
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
        return _Start(commit, "clean")
    patch, cut = await scene.git(git.diff, before, after, limit_bytes=PATCH_LIMIT_BYTES)
    text = patch.decode("utf-8", "replace") + ("\n(cut here)\n" if cut else "")
    return _Start(order.base, "conflict", text)


async def _covered(scene: Scene, task: Task, commit: Sha) -> tuple[str, ...] | None:
    """The files of a commit that a task may change; None where that is every file."""
    if not task.paths:
        return None

    def look() -> tuple[str, ...]:
        names = scene.workplace.git.list_files(commit)
        return tuple(name for name in names if matches(task.paths, name))

    return await scene.git(look)


async def _prepare(progress: _Progress) -> None:
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
    feedback = _feedback(progress)
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


def _feedback(progress: _Progress) -> str | None:
    """What the worker must know of this round's trouble and of earlier attempts."""
    state, task_id = progress.scene.state, progress.task.id
    text = render_feedback(
        state,
        task_id,
        verdicts=tuple(v for v in progress.verdicts if v.outcome != "passed"),
        outside=progress.outside,
        refusals=progress.refusals,
        landed=landed_since(state, task_id),
        reapplied=progress.start.reapplied,
        patch=progress.start.patch,
        note=state.tasks[task_id].asked,
        read_log=progress.scene.read_log,
    )
    # The patch in it is what the worker wrote, whatever that was.
    return progress.scene.journal.hiding.text(text) if text else text


async def _rounds(progress: _Progress) -> e.AttemptFinished:
    scene, order = progress.scene, progress.order
    limits = scene.state.limits
    while True:
        tried = trees_tried(scene.state.tasks[order.task])
        feedback = _feedback(progress)
        progress.number += 1
        scene.at_work.total_tokens = limits.parallel
        async with scene.at_work:
            report = await _work(progress, feedback)
        committed = await _commit(progress)
        log = scene.keep_log(progress.where)
        progress.unrecorded = (_round_finished(progress, report, committed, log),)
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
            await _check(progress, committed)
        unable = [v for v in progress.verdicts if v.outcome == "could-not-run"]
        red = next((v for v in progress.verdicts if v.outcome == "failed"), None)
        if not (progress.outside or progress.refusals or unable or red):
            return await _green(progress)
        again = bool(red or progress.outside) and progress.tree in tried
        if progress.number < limits.rounds and not again:
            scene.append(*progress.unrecorded)
            continue
        if progress.refusals:
            first = progress.refusals[0]
            why = f"{first.path}: {first.why}"
            return _failed(progress, "refused", why, f"refused: {why}"[:SIGNATURE_CHARS])
        if progress.outside:
            names = ", ".join(progress.outside[:3])
            signature = f"outside: {names}"[:SIGNATURE_CHARS]
            return _failed(progress, "outside", f"it changed what it may not: {names}", signature)
        if red:
            why = f"gate '{red.gate}' failed" + (f": {red.why}" if red.why else "")
            return _failed(progress, "check", why, red.signature)
        if all(verdict.needed_tests is not None for verdict in unable):
            return await _green(progress, short=unable[0])
        why = f"gate '{unable[0].gate}' could not run on it: {unable[0].why}"
        return _finished(progress, "held", cause="could-not-run", why=why)


async def _work(progress: _Progress, feedback: str | None) -> Report:
    """One round of the worker, then the fix commands."""
    scene, order, task = progress.scene, progress.order, progress.task
    state = scene.state
    settings, guidance = scene.settings, state.started.guidance
    worker_settings = settings.workers[order.worker]
    worker = make_worker(worker_settings)
    where = progress.where
    secrets = await scene.git(
        copied_secrets,
        scene.workplace.checkout,
        copied_names(settings.preparation, "worker"),
    )
    surroundings = Surroundings(
        secrets=secrets,
        tree=progress.workspace.path,
        folder=progress.workspace.folder,
        environ=scene.workplace.environ,
        port=progress.port,
        person=state.started.identity,
        mark=scene.mark(order.task, order.attempt),
        log=scene.live(where),
        on_line=lambda text: scene.line(where, text),
        confinement=scene.sandboxes.for_worker(
            progress.confinement, order.worker, worker_settings.network
        ),
    )
    brief = Brief(
        run=scene.run,
        task=task,
        attempt=order.attempt,
        round=progress.number,
        base=order.base,
        prompt=task.prompt,
        rules=state.started.rules,
        texts=render_texts(texts_for(guidance.texts, task.paths), scene.read_kept),
        skills=shelf_of(guidance, scene.read_kept),
        feedback=feedback,
        ledger_json=json.dumps(task_ledger(state, task.id), indent=2),
        paths=progress.paths,
    )
    timeout_s = state.limits.timeout_s - progress.worked_s
    report = await worker.run(brief, surroundings, max(timeout_s, 0.001))
    progress.worked_s += report.duration_s
    if report.outcome != "done":
        return report
    for command in settings.fix:
        ended = await run_command(
            command,
            tree=progress.workspace.path,
            env=build_environment(
                scene.workplace.environ,
                temporary=progress.workspace.folder / "tmp",
                allowed=settings.env,
                orch=orch_variables(run=scene.run, task=task.id, attempt=order.attempt),
            ),
            mark=surroundings.mark,
            timeout_s=FIX_TIMEOUT_S,
            log=scene.live(f"{where}/fix"),
            secrets=secrets,
            confinement=progress.confinement,
        )
        scene.live(f"{where}/fix").unlink(missing_ok=True)
        # A fixer that found what it could not fix says so by its exit code; the gates judge that.
        if ended.reason != "exited":
            why = f"fix command `{command}` did not run to its end: {ended.why}"
            scene.append(e.Noticed(what=why, hint="orch gate", task=task.id))
    return report


async def _commit(progress: _Progress) -> Committed | Unchanged | NotCommitted:
    """Commit what changed; its ref exists when this returns."""
    scene, order = progress.scene, progress.order
    git, run = scene.workplace.git, scene.run
    if progress.head and progress.number > 1:
        kept = round_ref(run, order.task, order.attempt, progress.number - 1)
        await scene.git(git.update_refs, [RefUpdate(kept, progress.head, "any")])
    committed = await scene.git(
        commit_workspace,
        git,
        progress.workspace,
        parent=order.base,
        ref=attempt_ref(run, order.task, order.attempt),
        message=_message(progress),
        author=scene.author,
        excludes=scene.state.started.excludes + copy_excludes(scene.settings.preparation),
    )
    progress.outside, progress.refusals, progress.verdicts = (), (), ()
    match committed:
        case Committed():
            progress.head, progress.tree = committed.commit, committed.tree
            changed = tuple(change.path for change in committed.changes)
            progress.changes = committed.changes
            allowed = scene.state.tasks[order.task].allowed
            progress.leave = leave_given(committed.changes, progress.task.may_change, allowed)
            may = (*progress.task.paths, *progress.task.may_change) if progress.task.paths else ()
            progress.outside = outside(changed, may)
        case NotCommitted():
            progress.refusals = tuple(
                Refusal(path=quoted(refused.path), why=refused.why) for refused in committed.refused
            )
        case Unchanged():
            pass
    return committed


def _message(progress: _Progress) -> str:
    task, order = progress.task, progress.order
    trailers = (
        f"Orch-Run: {progress.scene.run}",
        f"Orch-Task: {task.id}",
        f"Orch-Attempt: {order.attempt}",
    )
    return f"{subject_of(task)}\n\n" + "\n".join(trailers) + "\n"


def _round_finished(
    progress: _Progress, report: Report, committed: object, log: str | None
) -> e.RoundFinished:
    changed = committed.changes if isinstance(committed, Committed) else ()
    return e.RoundFinished(
        task=progress.order.task,
        attempt=progress.order.attempt,
        round=progress.number,
        commit=committed.commit if isinstance(committed, Committed) else None,
        tree=committed.tree if isinstance(committed, Committed) else None,
        paths=tuple(quoted(change.path) for change in changed[:PATHS_KEPT]),
        paths_count=len(changed),
        outside=tuple(map(quoted, progress.outside[:PATHS_KEPT])),
        refusals=progress.refusals[:PATHS_KEPT],
        worker_outcome=report.outcome,
        exit_code=report.exit_code,
        why=report.why,
        duration_s=round(report.duration_s, 3),
        log=log,
    )


async def _check(progress: _Progress, committed: Committed) -> None:
    """Let the check gates judge the round's commit, all of them: one feedback for one round."""
    scene, order = progress.scene, progress.order
    gates = [g for g in gates_of(scene.state, (order.task,)) if g.stage == "check"]
    if not gates:
        return
    scene.append(*progress.unrecorded)
    progress.unrecorded = ()
    verdicts: list[Verdict] = []
    async with scene.judge.bench(
        committed.commit, committed.tree, mark=scene.mark(order.task, order.attempt)
    ) as bench:
        for gate in gates:
            if await _is_advisory(scene, gate):
                continue
            if gate.pass_if == "no-new-failures":
                await scene.until_base_judged(gate.name)
            measure = measure_of_round(
                scene.state, gate.name, order.task, order.base, progress.leave
            )
            where = f"{progress.where}/{gate.name}"
            verdict = await scene.ask(bench, gate, where, measure=measure)
            scene.append(
                e.RoundGateJudged(
                    task=order.task,
                    attempt=order.attempt,
                    round=progress.number,
                    verdict=verdict,
                )
            )
            verdicts.append(verdict)
    progress.verdicts = tuple(verdicts)


async def _is_advisory(scene: Scene, gate: Gate) -> bool:
    """Whether a gate is red on the base, by leave: then what it says of the base is awaited."""
    while scene.state.started.allow_red_base and scene.state.baseline in ("unknown", "running"):
        if known := scene.state.baseline_verdicts.get(gate.name):
            return known.outcome != "passed"
        await anyio.sleep(ADVISORY_LOOK_S)
    return gate.name in advisory(scene.state)


async def _green(progress: _Progress, short: Verdict | None = None) -> e.AttemptFinished:
    """The checks passed: queued, or held where a person must look at it first.

    `short`: a gate ran fewer tests than before, which nothing but a person's word makes good.
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
    if paths:
        ended = _finished(progress, "held", why="; ".join(why), held=paths)
        return ended.model_copy(update={"findings": held.findings})
    return _finished(progress, "green")


def _finished(
    progress: _Progress,
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


def _failed(
    progress: _Progress, cause: e.Cause, why: str, signature: str = ""
) -> e.AttemptFinished:
    return _finished(progress, "failed", cause=cause, why=why, signature=signature or cause)
