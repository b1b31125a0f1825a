"""`orch trust`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.app import command_app
from orchestrator.cli.options import JsonOption

if TYPE_CHECKING:
    from orchestrator.trust import Trust
    from orchestrator.workplace import Workplace

app = command_app()


@app.command()
def trust(
    ctx: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Trust them without asking.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Show the commands that the settings name, and trust them as they are.

    Shows what has changed since you trusted them, or all of them, and asks. With --json nothing
    is asked: only --yes trusts. Exits with 5 where they are not trusted in the end.
    """
    from orchestrator.cli import output
    from orchestrator.cli.desk import open_here
    from orchestrator.cli.options import environ_of
    from orchestrator.cli.planned import sourced_of
    from orchestrator.cli.trusting import PERSON_NEEDED, QUESTION
    from orchestrator.errors import OrchError
    from orchestrator.trust import look, record

    workplace = open_here(environ_of(ctx))
    if "ORCH_MARK" in workplace.environ:
        raise OrchError(
            "a worker or a gate trusts nothing: that is for a person",
            hint="in a terminal of your own: orch trust",
            exit_code=PERSON_NEEDED,
        )
    workplace.refuse_children()
    found = look(workplace, sourced_of(workplace))
    if not as_json:
        _show(found)
    trusted = found.standing == "same"
    if not trusted:
        trusted = yes or (not as_json and output.can_ask() and output.ask(QUESTION))
        if trusted:
            record(workplace, found)
    if as_json:
        _answer_json(workplace, found, trusted)
        return 0 if trusted else PERSON_NEEDED
    if not trusted:
        hint = "orch trust --yes trusts them as they are"
        raise OrchError("they are not trusted", hint=hint, exit_code=PERSON_NEEDED)
    if found.standing != "same":
        output.answer("trusted: orch runs them as they are, and asks when they change")
    return 0


def _show(found: Trust) -> None:
    from orchestrator.cli import output
    from orchestrator.cli.trusting import changes_of, painted, reason_of, summary
    from orchestrator.settings_rules import SHARED_FILE

    if found.standing == "same":
        output.answer(list(found.now))
        output.answer(f"trusted: {summary(found.now)} of {SHARED_FILE}")
        return
    if found.standing == "first":
        output.answer(f"nothing was trusted here yet: {summary(found.now)} of {SHARED_FILE}")
    else:
        output.answer(output.colour_answer(f"{reason_of(found)}:", "ask"))
    output.answer([painted(line) for line in changes_of(found)])


def _answer_json(workplace: Workplace, found: Trust, trusted: bool) -> None:
    import os

    from orchestrator.cli import output

    output.answer_json(
        {
            "standing": found.standing,
            "trusted": trusted,
            "commands": found.now,
            "changes": found.changes(),
            "why": found.why,
            "tracked": found.counted,
            "sha256": found.digest,
            "file": str(workplace.place.trusted(os.geteuid())),
        }
    )
