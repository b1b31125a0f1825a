"""Bring a result into a branch, shown: for `orch accept`, and for a run that was told to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import anyio

from ledger.events import AcceptGateJudged, Event
from ledger.state import RunState
from ledger.store import Store
from orchestrator.cli import output
from orchestrator.review.narrate import said_of
from orchestrator.review.words import branch, foreign, listed, short
from orchestrator.workplace import Workplace

if TYPE_CHECKING:
    from orchestrator.accept import AcceptResult, Delivery
    from orchestrator.policy.selection import Selection

EXIT_CODES = {"accepted": 0, "delivered": 0, "nothing": 0, "red": 1, "conflict": 1, "refused": 5}


def accept_shown(
    workplace: Workplace,
    store: Store,
    run: str,
    *,
    selection: Selection | None = None,
    to: str | None = None,
    squash: bool = False,
    as_json: bool = False,
    delivery: Delivery | None = None,
    makes: bool = True,
) -> int:
    """Accept, and say what came of it; the exit code."""
    from orchestrator.accept import accept
    from orchestrator.policy.selection import Selection

    async def act() -> AcceptResult:
        return await accept(
            workplace,
            store,
            run,
            selection=selection or Selection(),
            to=to,
            squash=squash,
            observers=() if as_json else (_Gates(),),
            delivery=delivery,
            makes=makes,
        )

    result = anyio.run(act)
    if as_json:
        body = asdict(result)
        body["verdict"] = result.verdict.model_dump(mode="json") if result.verdict else None
        output.answer_json(body)
    else:
        _answer(result)
    return EXIT_CODES[result.outcome]


def accepted_at_end(workplace: Workplace, store: Store, run: str, *, as_json: bool) -> int:
    """The same for a run that has ended and was told to: what goes wrong is told; the exit code."""
    from ledger.schema import LedgerError
    from orchestrator.errors import OrchError
    from orchestrator.faces import faces_of, gravest
    from orchestrator.runs import load_state
    from worktree.values import GitError

    started = load_state(store, run).started
    to, makes = started.into or None, not started.unattended
    try:
        return accept_shown(workplace, store, run, to=to, as_json=as_json, makes=makes)
    except (OrchError, GitError, LedgerError, OSError) as error:
        faces = faces_of(error, workplace.environ)
        again = f"orch accept --to {foreign(to)} {run}" if to else f"orch accept {run}"
        for face in faces:
            said = foreign(face.what, 600)
            output.narrate(f"{output.colour_narration('not accepted:', 'bad')} {said}")
            hint = f"{foreign(face.hint, 300)}; then: {again}" if face.hint else again
            output.narrate(f"  hint: {hint}")
        return gravest(faces)


class _Gates:
    """Says what each gate says, as it comes."""

    def on_facts(self, state: RunState, facts: Sequence[tuple[Event, float]]) -> None:
        """Facts were recorded."""
        for fact, _ in facts:
            if isinstance(fact, AcceptGateJudged):
                output.narrate(said_of(fact.verdict))

    def on_line(self, where: str, text: str) -> None:
        """What orch does is said; what a gate printed is kept in its log."""
        if not where:
            output.narrate(text)


def _answer(result: AcceptResult) -> None:
    if result.added:
        output.narrate(f"taken along, since they are needed: {listed(result.added, 20)}")
    if result.left_out:
        output.narrate(f"left out too, since they need it: {listed(result.left_out, 20)}")
    if result.taken_out:
        gone = listed(result.taken_out, 20)
        output.narrate(f"taken out, since the result is without it now: {gone}")
    output.narrate([output.colour_narration(said, "ask") for said in result.warnings])
    target = branch(result.target)
    match result.outcome:
        case "accepted":
            commit = short(result.commit or "")
            what = listed(result.tasks, 20) or f"without {listed(result.taken_out, 20)}"
            said = f"{target} is at {commit} now ({_judged(result)}): {what}"
            output.answer(output.colour_answer(said, "good"))
            return
        case "delivered":
            said = f"{result.branch} is at {short(result.commit or '')} ({_judged(result)}): "
            said += f"{listed(result.tasks, 20)}, for {target}; {foreign(result.url, 500)}"
            output.answer(output.colour_answer(said, "good"))
            return
        case "nothing":
            output.answer(f"nothing to accept: {foreign(result.why)}")
        case "red" | "conflict" | "refused":
            output.answer(output.colour_answer(f"not accepted: {foreign(result.why)}", "bad"))
            if result.verdict:
                output.answer(f"  {said_of(result.verdict)}")
                output.answer([f"    {foreign(line)}" for line in result.verdict.lines])
    if result.hint:
        output.narrate(f"  hint: {foreign(result.hint)}")


def _judged(result: AcceptResult) -> str:
    if not result.gates:
        return "no gate judged it"
    return "judged" if result.judged else "its tree had passed already"
