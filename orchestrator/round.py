"""One round of an attempt: the worker, the fix commands, a commit, the check gates.

1. The commit's ref exists before the ledger speaks of it.
2. The worker's own time is counted; what it waited for is not: gates that it asked for, and limits
   of a model's provider.
3. Check gates judge a commit in a workspace of their own, all of them: one feedback for one round.
   A worker may ask them before its round is over. What they said then of the very same tree
   counts for the round, too.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import anyio

from ledger import events as e
from ledger.export import task_ledger
from ledger.model import CheckerFinding, Gate, Refusal, Sha, Task, Verdict
from orchestrator.feedback import landed_since, render_feedback
from orchestrator.guidance.telling import render_texts, shelf_of, texts_for
from orchestrator.messages import subject_of
from orchestrator.policy.judges import advisory, gates_of
from orchestrator.policy.measure import measure_of_round
from orchestrator.policy.orders import StartAttempt
from orchestrator.scene import Scene
from orchestrator.servers import access_to, recorder, servers_for
from orchestrator.verification.boundaries import outside
from orchestrator.verification.copies import copied_names, copied_secrets, copy_excludes
from orchestrator.verification.left_by_setup import Left, left_excludes
from orchestrator.verification.protected import leave_given
from workers.base import Brief, ModelAccess, Report, Surroundings, Worker
from workers.command import run_command
from workers.environment import build_environment, orch_variables
from workers.sandbox import Confinement
from worktree.commit import Committed, NotCommitted, Unchanged, commit_workspace
from worktree.git import Change, RefUpdate
from worktree.names import attempt_ref, quoted, round_ref
from worktree.workspace import Workspace

PATHS_KEPT = 200
"""How many changed paths a fact names."""
ADVISORY_LOOK_S = 0.1
FIX_TIMEOUT_S = 600.0


@dataclass(frozen=True)
class Start:
    """What the workspace begins with."""

    commit: Sha
    reapplied: Literal["nothing", "clean", "conflict"] = "nothing"
    patch: str | None = None


@dataclass
class Progress:
    """What an attempt has come to so far."""

    scene: Scene
    order: StartAttempt
    task: Task
    workspace: Workspace
    confinement: Confinement | None
    start: Start
    port: int
    began: float
    worker: Worker
    left: Left = field(default_factory=dict)
    """What the set-up left in the workspace."""
    access: ModelAccess | None = None
    map: str = ""
    paths: tuple[str, ...] | None = None
    worked_s: float = 0.0
    checked_s: float = 0.0
    """What gates took that the worker asked for."""
    trials: dict[Sha, tuple[Verdict, ...]] = field(default_factory=dict)
    """What they said, by tree."""
    number: int = 0
    head: Sha | None = None
    tree: Sha | None = None
    refusals: tuple[Refusal, ...] = ()
    outside: tuple[str, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    findings: tuple[CheckerFinding, ...] = ()
    """What the checker sends back."""
    sent_back: list[tuple[CheckerFinding, ...]] = field(default_factory=list)
    """What it sent back so far, round by round."""
    left_over: tuple[CheckerFinding, ...] = ()
    """What is blocking and sends nothing back any more."""
    came_back: bool = False
    """Some of that had been sent back before."""
    changes: tuple[Change, ...] = ()
    leave: tuple[str, ...] = ()
    """What it changes that it may although it is protected."""
    unrecorded: tuple[e.RoundFinished, ...] = ()
    """A round that nothing more is judged of: recorded with what comes next."""

    @property
    def where(self) -> str:
        return f"{self.task.id}/{self.order.attempt}/{self.number}"


def feedback_of(progress: Progress) -> str | None:
    """What the worker must know of this round's trouble and of earlier attempts."""
    state, task_id = progress.scene.state, progress.task.id
    text = render_feedback(
        state,
        task_id,
        verdicts=tuple(v for v in progress.verdicts if v.outcome != "passed"),
        outside=progress.outside,
        refusals=progress.refusals,
        findings=progress.findings,
        landed=landed_since(state, task_id),
        reapplied=progress.start.reapplied,
        patch=progress.start.patch,
        note=state.tasks[task_id].asked,
        read_log=progress.scene.read_log,
    )
    # The patch in it is what the worker wrote, whatever that was.
    return progress.scene.journal.hiding.text(text) if text else text


def texts_told(scene: Scene, task: Task) -> str:
    """What the repository said, when the run started, to whoever works on a task."""
    return render_texts(texts_for(scene.state.started.guidance.texts, task.paths), scene.read_kept)


async def work(progress: Progress, feedback: str | None) -> Report:
    """One round of the worker, then the fix commands."""
    scene, order, task = progress.scene, progress.order, progress.task
    state = scene.state
    settings, guidance = scene.settings, state.started.guidance
    worker_settings = settings.workers[order.worker]
    where = progress.where
    copied = copied_names(settings.preparation, "worker")
    checkout = scene.workplace.checkout
    secrets = await scene.git(copied_secrets, checkout, copied) if copied else {}
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
        model=progress.access,
        check=partial(_try_out, progress) if progress.access else None,
        servers=access_to(
            settings,
            servers_for(settings, task, order.worker),
            scene.sandboxes,
            progress.confinement,
            scene.workplace.environ,
        ),
        on_server_call=recorder(scene, task.id, order.attempt, progress.number),
        notice=lambda what, hint: scene.append(e.Noticed(what=what, hint=hint, task=task.id)),
    )
    brief = Brief(
        run=scene.run,
        task=task,
        attempt=order.attempt,
        round=progress.number,
        base=order.base,
        prompt=task.prompt,
        rules=state.started.rules,
        texts=texts_told(scene, task),
        skills=shelf_of(guidance, scene.read_kept),
        feedback=feedback,
        map=progress.map,
        ledger_json=json.dumps(task_ledger(state, task.id), indent=2),
        paths=progress.paths,
    )
    timeout_s = state.limits.timeout_s - progress.worked_s
    report = await progress.worker.run(brief, surroundings, max(timeout_s, 0.001))
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


def excludes_of(scene: Scene) -> str:
    """What no commit of the run takes, as lines of an exclude file."""
    return scene.state.started.excludes + copy_excludes(scene.settings.preparation)


async def commit(progress: Progress) -> Committed | Unchanged | NotCommitted:
    """Commit what changed; its ref exists when this returns."""
    scene, order = progress.scene, progress.order
    git, run = scene.workplace.git, scene.run
    if progress.head and progress.number > 1:
        kept = round_ref(run, order.task, order.attempt, progress.number - 1)
        await scene.git(git.update_refs, [RefUpdate(kept, progress.head, "any")])
    excludes = excludes_of(scene) + left_excludes(progress.workspace, progress.left)
    committed = await scene.git(
        commit_workspace,
        git,
        progress.workspace,
        parent=order.base,
        ref=attempt_ref(run, order.task, order.attempt),
        message=_message(progress),
        author=scene.author,
        excludes=excludes,
    )
    progress.outside, progress.refusals, progress.verdicts = (), (), ()
    progress.findings, progress.left_over, progress.came_back = (), (), False
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


def _message(progress: Progress) -> str:
    task, order = progress.task, progress.order
    trailers = (
        f"Orch-Run: {progress.scene.run}",
        f"Orch-Task: {task.id}",
        f"Orch-Attempt: {order.attempt}",
    )
    return f"{subject_of(task)}\n\n" + "\n".join(trailers) + "\n"


def round_finished(
    progress: Progress, report: Report, committed: object, log: str | None
) -> e.RoundFinished:
    changed = committed.changes if isinstance(committed, Committed) else ()
    return e.RoundFinished(
        task=progress.order.task,
        attempt=progress.order.attempt,
        round=progress.number,
        commit=committed.commit if isinstance(committed, Committed) else None,
        tree=committed.tree if isinstance(committed, Committed) else None,
        change=hash_of(changed),
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


def hash_of(changes: tuple[Change, ...]) -> str:
    """A hash of a change by what its files hold; nothing for none."""
    if not changes:
        return ""
    lines = (f"{one.new_mode} {one.blob} {one.path}\0" for one in changes)
    said = "".join(sorted(lines)).encode("utf-8", "surrogateescape")
    return hashlib.sha256(said).hexdigest()[:20]


def _check_gates(progress: Progress) -> list[Gate]:
    gates = gates_of(progress.scene.state, (progress.order.task,))
    return [gate for gate in gates if gate.stage == "check"]


async def check(progress: Progress, committed: Committed) -> None:
    """Let the check gates judge the round's commit, all of them: one feedback for one round."""
    scene, order = progress.scene, progress.order
    gates = _check_gates(progress)
    if not gates:
        return
    scene.append(*progress.unrecorded)
    progress.unrecorded = ()
    for verdict in await _judge(progress, committed, gates):
        scene.append(
            e.RoundGateJudged(
                task=order.task, attempt=order.attempt, round=progress.number, verdict=verdict
            )
        )


async def _judge(
    progress: Progress, committed: Committed, gates: list[Gate]
) -> tuple[Verdict, ...]:
    """What the check gates say of a commit."""
    scene, order = progress.scene, progress.order
    if committed.tree in progress.trials:
        progress.verdicts = progress.trials[committed.tree]
        return progress.verdicts
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
            verdicts.append(await scene.ask(bench, gate, where, measure=measure))
    progress.verdicts = tuple(verdicts)
    return progress.verdicts


async def _try_out(progress: Progress) -> str:
    """What the check gates say of the tree as it is in the middle of a round, in words."""
    began = time.monotonic()
    before = progress.head, progress.tree
    try:
        committed = await commit(progress)
        if isinstance(committed, Unchanged):
            return "Nothing is changed yet: there is nothing to judge."
        gates = _check_gates(progress)
        if isinstance(committed, Committed) and gates and not progress.outside:
            progress.trials[committed.tree] = await _judge(progress, committed, gates)
        bad = [v.gate for v in progress.verdicts if v.outcome != "passed"]
        if not (bad or progress.outside or progress.refusals):
            names = ", ".join(gate.name for gate in gates)
            return f"Passed: {names}." if names else "No quick gates are set: nothing to run."
        return feedback_of(progress) or ""
    finally:
        # A trial is no round: what the last one came to is still what there is.
        progress.head, progress.tree = before
        progress.checked_s += time.monotonic() - began


async def _is_advisory(scene: Scene, gate: Gate) -> bool:
    """Whether a gate is red on the base, by leave: then what it says of the base is awaited."""
    while scene.state.started.allow_red_base and scene.state.baseline in ("unknown", "running"):
        if known := scene.state.baseline_verdicts.get(gate.name):
            return known.outcome != "passed"
        await anyio.sleep(ADVISORY_LOOK_S)
    return gate.name in advisory(scene.state)
