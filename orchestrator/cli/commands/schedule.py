"""`orch schedule`: list, status, run, install, remove."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from orchestrator.cli.app import command_app
from orchestrator.cli.options import JsonOption
from orchestrator.cli.waking import KeepAwakeOption

app = command_app(
    help="List automations, say how they stand, start or install them.", no_args_is_help=True
)


def complete_automation(ctx: Any, args: list[str], incomplete: str) -> list[tuple[str, str]]:
    """The automations whose names begin so."""
    import os

    from orchestrator.automations.standing import triggers_of
    from orchestrator.cli.desk import open_here
    from orchestrator.cli.planned import sourced_of

    try:
        automations = sourced_of(open_here(os.environ)).automations
    except Exception:  # a shell that completes must not be disturbed
        return []
    named = [one for one in automations if one.name.startswith(incomplete)]
    return [(one.name, triggers_of(one)[0].split()[0] if triggers_of(one) else "") for one in named]


NameArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="An automation's name.", autocompletion=complete_automation
    ),
]


@app.command("list")
def list_automations(ctx: typer.Context, as_json: JsonOption = False) -> int:
    """List the automations: what starts each, when next, and how its last start ended."""
    from orchestrator.cli import output
    from orchestrator.cli.automations import look
    from orchestrator.cli.desk import open_here
    from orchestrator.cli.installing import installed_where
    from orchestrator.cli.options import environ_of
    from orchestrator.review.automations import render_list, standing_as_json

    found = look(ctx)
    places = installed_where(open_here(environ_of(ctx)))
    if as_json:
        tables = [{**standing_as_json(one), "installed": places.get(one.name)} for one in found]
        output.answer_json({"automations": tables})
    elif not found:
        output.answer("no automations: add [[automation]] to .agent/orch.toml")
    else:
        output.answer(render_list(found, output.colour_answer))
        output.narrate([f"{name} is installed in {where}" for name, where in places.items()])
    return 0


@app.command()
def status(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="An automation's name; absent: all of them.",
            show_default=False,
            autocompletion=complete_automation,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Say how automations stand: what waits, what was skipped and why, what was measured.

    Where an automation has an `until`, its measure is drawn round by round: how far it was from
    its goal, and how that shrank.
    """
    from orchestrator.automations.standing import find_standing
    from orchestrator.cli import output
    from orchestrator.cli.automations import look
    from orchestrator.review.automations import render_standing, standing_as_json

    found = look(ctx)
    if name is not None:
        found = (find_standing(found, name),)
    if as_json:
        output.answer_json({"automations": [standing_as_json(one) for one in found]})
    elif not found:
        output.answer("no automations: add [[automation]] to .agent/orch.toml")
    for one in () if as_json else found:
        output.answer(render_standing(one, output.colour_answer))
    return 0


@app.command()
def run(
    ctx: typer.Context,
    name: NameArgument,
    because: Annotated[
        str,
        typer.Option(
            "--because", metavar="TEXT", help="Why, in words; then no person is taken to ask."
        ),
    ] = "",
    due: Annotated[
        str | None,
        typer.Option(
            "--due",
            metavar="EPOCH",
            help="The time of its schedule that this is for; last: the newest there was.",
        ),
    ] = None,
    paths: Annotated[
        list[str] | None,
        typer.Option("--path", metavar="PATH", help="A file that changed; repeatable."),
    ] = None,
    waiting: Annotated[
        bool,
        typer.Option("--waiting", help="Only go on with what was cut short, and start what waits."),
    ] = False,
    keep_awake: KeepAwakeOption = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="Plain lines, also on a terminal.")
    ] = False,
) -> int:
    """Start an automation now, in the foreground, if its conditions hold.

    What a crash or a reboot cut short goes on first. Typed by you, it does not mind quiet hours
    and pauses; with --because, --due or --path it does. Ends with 0 where it started nothing.
    """
    from orchestrator.cli.automations import fire, trigger_typed

    return fire(
        ctx,
        name,
        lambda automation, state: (
            None if waiting else trigger_typed(automation, state, because, due, paths or [])
        ),
        by_person=not (because or due or paths or waiting),
        plain=plain,
        keep_awake=keep_awake,
    )


NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME...",
        help="Automations; absent: all.",
        show_default=False,
        autocompletion=complete_automation,
    ),
]


@app.command()
def install(
    ctx: typer.Context,
    names: NamesArgument = None,
    print_only: Annotated[
        bool, typer.Option("--print", help="Show what would be written, and write nothing.")
    ] = False,
    keep_awake: Annotated[
        bool, typer.Option("--keep-awake", help="Hold off sleep while their runs go on.")
    ] = False,
) -> int:
    """Let the system keep the times of automations: systemd user timers, else the crontab.

    What a machine slept through is caught up once. A second time changes nothing. No secret is
    written down.
    """
    from orchestrator.cli.desk import open_here
    from orchestrator.cli.installing import install
    from orchestrator.cli.options import environ_of

    workplace = open_here(environ_of(ctx))
    return install(workplace, names or (), print_only=print_only, keep_awake=keep_awake)


@app.command()
def remove(
    ctx: typer.Context,
    names: NamesArgument = None,
    print_only: Annotated[
        bool, typer.Option("--print", help="Show what would be taken away, and leave it.")
    ] = False,
) -> int:
    """Take automations of this repository out of the system's timers or crontab again.

    Exactly what `orch schedule install` wrote goes; everything else stays byte for byte.
    """
    from orchestrator.cli.desk import open_here
    from orchestrator.cli.installing import remove
    from orchestrator.cli.options import environ_of

    return remove(open_here(environ_of(ctx)), names or (), print_only=print_only)
