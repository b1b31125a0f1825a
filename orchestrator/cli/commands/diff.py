"""`orch diff`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.app import command_app
from orchestrator.cli.options import JsonOption, MaybeTask, RunOption

if TYPE_CHECKING:
    from worktree.git import Git

app = command_app()
LIMIT_BYTES = 8 << 20


@app.command()
def diff(
    ctx: typer.Context,
    task: MaybeTask = None,
    run: RunOption = None,
    attempt: Annotated[
        int | None,
        typer.Option("--attempt", metavar="N", help="Of this attempt; absent: the last."),
    ] = None,
    stat: Annotated[bool, typer.Option("--stat", help="Only which files, and how much.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Show what a task, or the run, changed.

    A task: its last head against the commit that its attempt began with, whether or not it
    landed. The run: its result against the commit that the run began with. As JSON: the two
    commits, the files, and the change as a patch, if not --stat.
    """
    from orchestrator.cli import output
    from orchestrator.cli.desk import stand_by
    from orchestrator.persons import refuse_cleaned
    from orchestrator.runs import load_state
    from orchestrator.sides import sides_of
    from workers.text import printable

    desk = stand_by(ctx, run)
    state = load_state(desk.store, desk.run)
    base, head = sides_of(state, task, attempt)
    git = desk.workplace.git
    if not (git.exists(base) and git.exists(head)):
        refuse_cleaned(state)  # else git says what is missing
    if as_json:
        body = {"run": desk.run, "task": task, "base": base, "head": head}
        output.answer_json(body | _change(git, base, head, with_patch=not stat))
        return 0
    said, cut = git.diff(base, head, form="stat" if stat else "patch", limit_bytes=LIMIT_BYTES)
    text = printable(said)
    if not text.strip():
        output.narrate("nothing changed")
        return 0
    output.answer([_coloured(line) for line in text.rstrip("\n").split("\n")])
    if cut:
        output.narrate(f"cut after {LIMIT_BYTES >> 20} MB; all of it: git diff {base} {head}")
    return 0


def _change(git: Git, base: str, head: str, *, with_patch: bool) -> dict[str, Any]:
    """What differs, file by file, and perhaps as a patch."""
    kinds = {"A": "added", "D": "deleted", "T": "another type"}
    files = [
        {"path": one.path, "change": kinds.get(one.status, "modified")}
        for one in git.changed_paths(base, head)
    ]
    if not with_patch:
        return {"files": files}
    said, cut = git.diff(base, head, limit_bytes=LIMIT_BYTES)
    return {"files": files, "patch": said.decode("utf-8", "replace"), "cut": cut}


def _coloured(line: str) -> str:
    from orchestrator.cli import output

    if line.startswith(("diff ", "index ", "+++", "---")):
        return output.colour_answer(line, "strong")
    styles = {"+": "good", "-": "bad", "@": "busy"}
    return output.colour_answer(line, styles.get(line[:1], "plain"))
