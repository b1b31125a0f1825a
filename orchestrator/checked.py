"""The checker's part in an attempt: after the check gates, before the head is queued.

1. It sees a commit in a workspace that no worker ever touched, and none of the maker's talk.
2. What sends the work back is feedback for another round; `policy.checking` says what does.
3. A checker that could not judge passes nothing: the attempt is held, or lost where a budget of the
   run's or a provider kept it from that.
"""

from __future__ import annotations

from ledger import events as e
from ledger.model import CheckerFinding, ModelWorkerSettings
from orchestrator.policy.checking import Decision, decide_check
from orchestrator.round import Progress, texts_told
from orchestrator.verification.checker import Checked, Subject, check_change
from orchestrator.verification.copies import copied_names, copied_secrets
from worktree.commit import Committed

DIFF_BYTES = 200_000


async def check_by_model(progress: Progress, committed: Committed) -> Checked | None:
    """Let the run's checker judge a round's commit; None where there is none.

    What it found is recorded; `progress.findings` is what sends the work back, and
    `progress.left_over` what is blocking beside that.
    """
    scene, order = progress.scene, progress.order
    name = scene.settings.checker
    if name is None or scene.models is None:
        return None
    settings = scene.settings.workers[name]
    assert isinstance(settings, ModelWorkerSettings)
    model, git = settings.models[0], scene.workplace.git
    where = f"{progress.where}/{name}"
    diff, cut = await scene.git(git.diff, order.base, committed.commit, limit_bytes=DIFF_BYTES)
    secrets = await scene.git(
        copied_secrets,
        scene.workplace.checkout,
        copied_names(scene.settings.preparation, "worker"),
    )
    workspace = await scene.git(scene.judge.pool.take, committed.commit)
    try:
        confinement = await scene.git(scene.sandboxes.confine, workspace, "gate")
        async with scene.models.access(
            name,
            model,
            order.task,
            order.attempt,
            purpose="check",
            workspace=workspace.path,
        ) as access:
            subject = Subject(
                run=scene.run,
                task=progress.task,
                attempt=order.attempt,
                round=progress.number,
                base=order.base,
                rules=scene.state.started.rules,
                texts=texts_told(scene, progress.task),
                diff=diff.decode("utf-8", "replace") + ("\n(cut here)\n" if cut else ""),
                changed=tuple(change.path for change in committed.changes),
                verdicts=progress.verdicts,
                tree=workspace.path,
                folder=workspace.folder,
                log=scene.live(where),
                mark=scene.mark(order.task, order.attempt),
                environ=scene.workplace.environ,
                secrets=secrets,
                confinement=confinement,
                answered=tuple(one for before in progress.sent_back for one in before),
                prompt=settings.prompt,
            )
            checked = await check_change(access, subject)
    finally:
        await scene.give_back(scene.judge.pool, workspace)
    decided = decide_check(checked.findings, progress.sent_back, scene.state.limits.check_rounds)
    _record(progress, name, model, checked, decided, scene.keep_log(where))
    return checked


def _record(
    progress: Progress,
    name: str,
    model: str,
    checked: Checked,
    decided: Decision,
    log: str | None,
) -> None:
    scene, order = progress.scene, progress.order
    found = checked.findings
    scene.append(
        *progress.unrecorded,
        e.CheckerJudged(
            task=order.task,
            attempt=order.attempt,
            round=progress.number,
            worker=name,
            model=model,
            findings=found,
            back=tuple(found.index(one) for one in decided.back),
            blocking=sum(one.severity == "blocking" for one in found),
            why=checked.why,
            duration_s=round(checked.duration_s, 3),
            log=log,
        ),
    )
    progress.unrecorded = ()
    if decided.back:
        progress.findings = decided.back
        progress.sent_back.append(decided.back)
    progress.left_over = (*decided.returned, *decided.left)
    progress.came_back = bool(decided.returned)


def said_of(findings: tuple[CheckerFinding, ...]) -> str:
    """The first of some findings, and how many more there are."""
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    return findings[0].said + more
