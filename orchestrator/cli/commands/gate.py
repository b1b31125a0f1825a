"""`orch gate`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.app import command_app
from orchestrator.cli.limits import SandboxOption
from orchestrator.cli.options import JsonOption

app = command_app()


@app.command()
def gate(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Gates; absent: all of them.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Also what is known of this tree.")
    ] = False,
    sandbox: SandboxOption = None,
    log: Annotated[bool, typer.Option("--log", help="With what they print, as it comes.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Run gates on the checkout, as a run would.

    In a fresh workspace, with your changes that are not committed yet. What a gate says of this
    very tree is kept, and a run uses it again. Exits with 1 where one fails, 2 where one cannot
    run.
    """
    from orchestrator.cli import output
    from orchestrator.cli.desk import open_here
    from orchestrator.cli.gating import exit_code_of, judge_shown, verdicts_as_json
    from orchestrator.cli.limits import sandbox_mode
    from orchestrator.cli.options import environ_of
    from orchestrator.cli.trusting import require_trust
    from orchestrator.errors import OrchError
    from orchestrator.planned import sourced_of
    from orchestrator.policy.nearest import nearest
    from orchestrator.start import RunOptions

    workplace = open_here(environ_of(ctx))
    sourced = sourced_of(workplace)
    settings = RunOptions(sandbox=sandbox_mode(sandbox)).settings(sourced.settings)
    known = [one.name for one in settings.gates]
    for name in names or ():
        if name not in known:
            close = nearest(name, known)
            hint = f"did you mean '{close}'?" if close else f"there are: {', '.join(known)}"
            raise OrchError(f"there is no gate '{name}'", hint=hint)
    if not known:
        raise OrchError(
            "there is no gate in .agent/orch.toml", hint="orch init shows what it found"
        )
    require_trust(workplace, sourced, attended=output.can_ask())
    chosen = [one for one in settings.gates if not names or one.name in names]
    verdicts = judge_shown(workplace, settings, chosen, fresh=fresh, log=log, quiet=as_json)
    if as_json:
        output.answer_json(verdicts_as_json(verdicts))
    return exit_code_of(verdicts)
