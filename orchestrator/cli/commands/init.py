"""`orch init`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.app import command_app
from orchestrator.cli.limits import SandboxOption
from orchestrator.cli.options import JsonOption

if TYPE_CHECKING:
    from ledger.model import Verdict

app = command_app()


@app.command()
def init(
    ctx: typer.Context,
    try_gates: Annotated[
        bool, typer.Option("--try", help="Run each gate once: passing, failing or not runnable.")
    ] = False,
    sandbox: SandboxOption = None,
    as_json: JsonOption = False,
) -> int:
    """Look at the repository and write its settings.

    Writes .agent/orch.toml with the gates that were found, .agent/RULES.md and .agent/.gitignore.
    What is there already is never changed: a second call says what would be different now.
    """
    from dataclasses import asdict
    from pathlib import PurePosixPath

    from orchestrator.cli import output
    from orchestrator.cli.desk import open_here
    from orchestrator.cli.gating import exit_code_of, judge_shown, verdicts_as_json
    from orchestrator.cli.limits import sandbox_mode
    from orchestrator.cli.options import environ_of
    from orchestrator.cli.trusting import require_trust
    from orchestrator.init import initialise
    from orchestrator.planned import sourced_of
    from orchestrator.review.words import foreign
    from orchestrator.settings_rules import SHARED_FILE
    from orchestrator.start import RunOptions
    from workers.sandbox_offer import sandbox_offer
    from workers.text import printable

    workplace = open_here(environ_of(ctx))
    found = initialise(workplace.checkout, workplace.environ.get("PATH"))
    if not as_json:
        output.answer([f"written: {name}" for name in found.written])
        output.answer([f"as it would be written now: {name}" for name in found.unchanged])
        for one in found.differing:
            output.answer(f"left as it is: {one.path}; it differs from what would be written now:")
            output.answer([f"  {line}" for line in printable(one.diff).rstrip("\n").split("\n")])
        for proposed in found.proposal.gates:
            gate = proposed.gate
            reason = foreign(proposed.reason, 80)
            output.answer(f"gate {gate.name} ({gate.stage}): {foreign(gate.command)}    # {reason}")
        if not found.proposal.gates:
            said = "no gate was found: without one whatever is made would land"
            output.narrate(output.colour_narration(said, "ask"))
        if not (offer := sandbox_offer()).works:
            said = f"no sandbox on this machine: {offer.what} ({offer.hint})"
            output.narrate(output.colour_narration(said, "ask"))
    verdicts: tuple[Verdict, ...] = ()
    if try_gates:
        sourced = sourced_of(workplace)
        settings = RunOptions(sandbox=sandbox_mode(sandbox)).settings(sourced.settings)
        # What has just been written here and shown came with no pull; what was there may have.
        if settings.gates and SHARED_FILE not in found.written:
            require_trust(workplace, sourced, attended=output.can_ask())
        if settings.gates:
            # As the first run's base is, which has nothing of what was just written.
            own = PurePosixPath(SHARED_FILE).parts[0]
            verdicts = judge_shown(
                workplace, settings, settings.gates, quiet=as_json, leave_out=own
            )
    if as_json:
        gates = [
            {**one.gate.model_dump(mode="json"), "reason": one.reason}
            for one in found.proposal.gates
        ]
        body: dict[str, Any] = {
            "written": found.written,
            "unchanged": found.unchanged,
            "gates": gates,
        }
        body["differing"] = [asdict(one) for one in found.differing]
        if try_gates:
            body["verdicts"] = verdicts_as_json(verdicts)
        output.answer_json(body)
    else:
        begin = "" if try_gates else "orch init --try runs each gate once; "
        output.narrate(f"next: {begin}edit .agent/orch.toml, commit .agent, then orch plan")
    return exit_code_of(verdicts)
