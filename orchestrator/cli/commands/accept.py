"""`orch accept`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.app import command_app
from orchestrator.cli.options import JsonOption, RunArgument, complete_task

app = command_app()


@app.command()
def accept(
    ctx: typer.Context,
    run: RunArgument = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="TASK",
            help="Only this task, and what it needs; may be given again.",
            autocompletion=complete_task,
        ),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(
            "--without",
            metavar="TASK",
            help="All but this task, and what needs it; may be given again.",
            autocompletion=complete_task,
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="BRANCH",
            help="Another branch than the one the run started from; made where there is none.",
        ),
    ] = None,
    squash: Annotated[
        bool, typer.Option("--squash", help="As one commit, without merges.")
    ] = False,
    pull_request: Annotated[
        bool,
        typer.Option(
            "--pr", help="Push it and open a pull request, or update it; no branch here moves."
        ),
    ] = False,
    push: Annotated[
        bool, typer.Option("--push", help="Only push it, as orch/USER/RUN; no branch here moves.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Bring the result, or a part of it, into a branch of yours.

    The branch as it is now and what you chose become one commit. It is judged once, unless that
    very tree has passed already, and the branch moves only then.

    With --pr it goes to the remote as a branch of orch's own, orch/USER/RUN, and becomes a pull
    request whose text is the run's report. The same again brings that up to date.
    """
    from orchestrator.cli.accepting import accept_shown
    from orchestrator.cli.delivering import deliver_shown, forge_now
    from orchestrator.cli.desk import sit_down
    from orchestrator.policy.selection import Selection
    from orchestrator.target import refuse_target

    if to is not None:
        refuse_target("--to", to)
    desk = sit_down(ctx, run)
    selection = Selection(only=_split(only), without=_split(without))
    if pull_request or push:
        settings = forge_now(desk.workplace)
        if selection.whole and not squash:
            return deliver_shown(
                desk.workplace,
                desk.store,
                desk.run,
                "pr" if pull_request else "push",
                settings=settings,
                to=to,
                as_json=as_json,
            )
        from orchestrator.forges.selection import delivery

        return accept_shown(
            desk.workplace,
            desk.store,
            desk.run,
            selection=selection,
            to=to,
            squash=squash,
            as_json=as_json,
            delivery=delivery(settings, pull_request=pull_request, to=to),
        )
    return accept_shown(
        desk.workplace,
        desk.store,
        desk.run,
        selection=selection,
        to=to,
        squash=squash,
        as_json=as_json,
    )


def _split(values: list[str] | None) -> tuple[str, ...]:
    """`--only a --only b` and `--only a,b` are the same."""
    return tuple(name for value in values or () for name in value.split(",") if name)
