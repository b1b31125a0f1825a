"""What an attempt came to: green, held for a person, failed, lost, or worth another round.

1. A red check, a change outside the task's paths or content that may not be committed goes
   back into the same workspace as feedback, for at most `rounds` rounds; not where the work is
   what was tried already.
2. What the checks let pass, the run's checker sees, where it has one (`checked`). What it blocks in
   the end is held, or fails where that goes in circles. A head that
   changes something protected, weakens a test or adds a secret is held, however
   green it is; so is one on which a gate ran fewer tests than before, unless that is by leave.
3. A worker may end with a question: then a person is asked, and nothing is used up. A budget of the
   run's, and a provider that does not serve, are nobody's fault; the attempt is lost then.
4. None of it is needed before the first worker is done, so it is imported while that works.
"""

from __future__ import annotations

from typing import Literal

from ledger import events as e
from ledger.model import BLOCKING_FINDINGS, FEWER_TESTS, Verdict
from orchestrator.checked import check_by_model, said_of
from orchestrator.policy.checking import identity
from orchestrator.policy.lost import lost_attempt
from orchestrator.round import (
    PATHS_KEPT,
    Progress,
    check,
    commit,
    hash_of,
    round_finished,
)
from orchestrator.verification.checker import Checked
from orchestrator.verification.integrity import Head, look_at_head
from orchestrator.verification.telling import steady
from workers.base import Report
from worktree.commit import Committed, Unchanged

SIGNATURE_CHARS = 200


async def end_of_round(
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
