"""`orch doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.app import command_app
from orchestrator.cli.options import JsonOption

app = command_app()
SOMETHING_BAD = 2


@app.command()
def doctor(
    ctx: typer.Context,
    gates: Annotated[
        bool,
        typer.Option("--gates", help="Run each gate outside and inside the sandbox, and compare."),
    ] = False,
    mcp: Annotated[
        bool,
        typer.Option("--mcp", help="Start each MCP server and list its tools."),
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Say what is missing or odd here, and what to type.

    Looks at git, the installation, the repository, the ledger, leftovers and the settings, and
    changes nothing. Exits with 2 where a run would be refused or would go wrong.
    """
    if gates:
        from orchestrator.cli.comparing import compare_shown

        return compare_shown(ctx, as_json)
    if mcp:
        from orchestrator.cli.serving import servers_shown

        return servers_shown(ctx, as_json)
    from dataclasses import asdict
    from pathlib import Path

    from orchestrator.cli import output
    from orchestrator.cli.options import environ_of
    from orchestrator.doctor import examine
    from orchestrator.places import user_config_folder
    from orchestrator.review.words import count, foreign

    environ = environ_of(ctx)
    findings = examine(Path.cwd(), environ, user_config_folder(environ))
    bad = sum(finding.level == "bad" for finding in findings)
    if as_json:
        output.answer_json([asdict(finding) for finding in findings])
        return SOMETHING_BAD if bad else 0
    styles = {"good": "good", "odd": "ask", "bad": "bad"}
    for finding in findings:
        word = output.colour_answer(f"{finding.level:<4}", styles[finding.level])
        output.answer(f"{word}  {finding.subject:<12}  {foreign(finding.what, 300)}")
        if finding.hint:
            output.answer(f"{'':20}type: {finding.hint}")
    if bad:
        output.narrate(f"{count(bad, 'thing')} to put right first")
    return SOMETHING_BAD if bad else 0
