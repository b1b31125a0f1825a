"""Run gates on the checkout and tell about it: for `orch gate`, and for `orch init --try`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio

from ledger.model import Gate, Settings, Verdict
from orchestrator.cli import output
from orchestrator.config import refuse_missing_copies
from orchestrator.review.narrate import said_of
from orchestrator.review.words import count, foreign
from orchestrator.workplace import Workplace

FAILED = 1
NOT_RUNNABLE = 2


def judge_shown(
    workplace: Workplace,
    settings: Settings,
    gates: Sequence[Gate],
    *,
    fresh: bool = False,
    log: bool = False,
    quiet: bool = False,
    leave_out: str = "",
) -> tuple[Verdict, ...]:
    """Judge the checkout as it is now; `quiet`: the verdicts are the caller's to tell.

    `leave_out` as for `snapshot`.
    """
    from orchestrator.checkout import judge_checkout, snapshot

    refuse_missing_copies(workplace.checkout, settings)
    content = snapshot(workplace, leave_out=leave_out)
    if content.changed:
        files = count(content.changed, "changed file")
        output.narrate(f"judging the checkout as it is, with {files}")

    async def act() -> tuple[Verdict, ...]:
        return await judge_checkout(
            workplace,
            store,
            settings,
            gates,
            content,
            fresh=fresh,
            on_start=lambda gate: output.narrate(f"{gate.name}: {gate.command}"),
            on_line=_nothing if not log else output.narrate,
            on_verdict=_nothing_of_verdict if quiet else _tell,
            on_wait=output.narrate,
            on_notice=lambda what, hint: output.narrate([foreign(what, 300), f"  hint: {hint}"]),
        )

    with workplace.store() as store:
        return anyio.run(act)


def verdicts_as_json(verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """Verdicts as plain tables."""
    return [verdict.model_dump(mode="json") for verdict in verdicts]


def exit_code_of(verdicts: Sequence[Verdict]) -> int:
    """0 where all passed."""
    outcomes = {verdict.outcome for verdict in verdicts}
    if "could-not-run" in outcomes:
        return NOT_RUNNABLE
    return FAILED if "failed" in outcomes else 0


def _tell(verdict: Verdict) -> None:
    styles = {"passed": "good", "failed": "bad", "could-not-run": "ask"}
    output.answer(output.colour_answer(said_of(verdict), styles[verdict.outcome]))
    if verdict.outcome != "passed":
        output.answer(
            [f"  {foreign(line, 300)}" for line in verdict.lines] or ["  (it said nothing)"]
        )


def _nothing(line: str) -> None:
    """Nobody reads along."""


def _nothing_of_verdict(verdict: Verdict) -> None:
    """All verdicts are given at the end."""
