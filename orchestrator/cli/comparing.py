"""Run each gate outside and inside the sandbox, and say what differs: for `orch doctor --gates`."""

from __future__ import annotations

from dataclasses import asdict

import typer

from ledger.model import SandboxMode, Settings, Verdict
from orchestrator.cli import output
from orchestrator.cli.desk import open_here
from orchestrator.cli.gating import judge_shown
from orchestrator.cli.options import environ_of
from orchestrator.cli.trusting import require_trust
from orchestrator.errors import OrchError
from orchestrator.planned import sourced_of
from orchestrator.review.words import count, foreign
from orchestrator.sandboxing import require_sandbox
from orchestrator.start import RunOptions
from orchestrator.verification.difference import Difference, compare
from orchestrator.workplace import Workplace

DIFFERENT = 1
LOG_BYTES = 200_000


def compare_shown(ctx: typer.Context, as_json: bool) -> int:
    """0 where every gate says the same on both sides."""
    workplace = open_here(environ_of(ctx))
    sourced = sourced_of(workplace)
    settings = sourced.settings
    if not settings.gates:
        raise OrchError("there is no gate in .agent/orch.toml", hint="orch init")
    require_sandbox(_under(settings, "bubblewrap").sandbox)
    require_trust(workplace, sourced, attended=output.can_ask())
    sides: list[tuple[Verdict, ...]] = []
    modes: tuple[tuple[SandboxMode, str], ...] = (
        ("none", "outside, with your rights"),
        ("bubblewrap", "inside the sandbox"),
    )
    for mode, where in modes:
        output.narrate(f"{where}:")
        side = _under(settings, mode)
        sides.append(judge_shown(workplace, side, side.gates, fresh=True, quiet=True))
    found = [_compare(workplace, *pair) for pair in zip(*sides, strict=True)]
    if as_json:
        output.answer_json([asdict(one) for one in found])
    else:
        _tell(found)
    return DIFFERENT if any(one.why for one in found) else 0


def _under(settings: Settings, mode: SandboxMode) -> Settings:
    return RunOptions(sandbox=mode).settings(settings)


def _compare(workplace: Workplace, outside: Verdict, inside: Verdict) -> Difference:
    text = str(workplace.blobs.text(inside.log, LOG_BYTES)) if inside.log else ""
    home = workplace.environ.get("HOME", "/nonexistent")
    lines = (*inside.lines, *text.splitlines())
    return compare(outside, inside, lines, home, str(workplace.checkout))


def _tell(found: list[Difference]) -> None:
    for one in found:
        if not one.why:
            output.answer(f"{foreign(one.gate)}: {one.outside} outside and inside")
            continue
        said = f"{foreign(one.gate)}: {one.outside} outside, {one.inside} inside"
        output.answer(output.colour_answer(said, "ask"))
        output.answer([f"  {foreign(one.why, 300)}", f"  type: {foreign(one.hint, 300)}"])
    differing = sum(bool(one.why) for one in found)
    if differing:
        output.narrate(f"{count(differing, 'gate')} to put right, or to let through by name")
