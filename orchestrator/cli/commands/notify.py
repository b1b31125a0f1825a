"""`orch notify`."""

from __future__ import annotations

import typer

from orchestrator.cli.app import command_app
from orchestrator.cli.options import JsonOption

app = command_app()


@app.command()
def notify(ctx: typer.Context, as_json: JsonOption = False) -> int:
    """Try how you are told of a run's end.

    Sends one message by each way that [notify] names, and says what came of it. Exits with 1
    where one fails.
    """
    from orchestrator.cli import output
    from orchestrator.cli.desk import open_here
    from orchestrator.cli.options import environ_of
    from orchestrator.cli.planned import sourced_of
    from orchestrator.cli.trusting import require_trust
    from orchestrator.errors import OrchError
    from orchestrator.hiding import hiding_of
    from orchestrator.notify import has_ways, hidden, send
    from orchestrator.notify.message import try_message
    from orchestrator.review.words import foreign

    workplace = open_here(environ_of(ctx))
    workplace.refuse_children()
    sourced = sourced_of(workplace)
    settings = sourced.settings.notify
    if not has_ways(settings):
        raise OrchError(
            "no way to tell you is named",
            hint='add [notify] to .agent/orch.local.toml, with webhook = "VARIABLE" or '
            'command = "..."',
        )
    require_trust(workplace, sourced, attended=output.can_ask())
    message = hidden(try_message(workplace.checkout.name), hiding_of(workplace, sourced.settings))
    told = send(workplace, settings, message, mark="orch-notify", ring=output.ring)
    if as_json:
        output.answer_json({"ways": told.ways, "failed": told.failed})
        return 1 if told.failed else 0
    output.answer([output.colour_answer(f"{way}: sent", "good") for way in told.ways])
    output.answer([output.colour_answer(foreign(why, 300), "bad") for why in told.failed])
    if settings.bell and "bell" not in told.ways:
        output.narrate("bell: there is no terminal to ring")
    return 1 if told.failed else 0
