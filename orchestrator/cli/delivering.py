"""Pushes and pull requests, shown: for `orch accept --pr`, and for a run that was told to."""

from __future__ import annotations

from dataclasses import asdict
from typing import Literal

from ledger.connectors import ForgeSettings
from ledger.store import Store
from orchestrator.cli import output
from orchestrator.review.judged import warnings_of
from orchestrator.review.words import foreign, short
from orchestrator.runs import load_state
from orchestrator.workplace import Workplace

Deliver = Literal["push", "pr"]
FAILED = 1


def forge_now(workplace: Workplace) -> ForgeSettings | None:
    """What the settings say of the forge now, trusted; None where they cannot be read."""
    from orchestrator.cli.trusting import require_trust
    from orchestrator.errors import OrchError
    from orchestrator.planned import sourced_of

    try:
        sourced = sourced_of(workplace)
    except OrchError:
        return None
    if sourced.settings.forge is not None:
        # It says which variable is sent to which server.
        require_trust(workplace, sourced, attended=output.can_ask())
    return sourced.settings.forge


def deliver_shown(
    workplace: Workplace,
    store: Store,
    run: str,
    what: Deliver,
    *,
    settings: ForgeSettings | None = None,
    to: str | None = None,
    as_json: bool = False,
) -> int:
    """Push the result, with a pull request where that is asked, and say so; the exit code."""
    from orchestrator.forges.pull_request import Opened, open_pull_request
    from orchestrator.forges.push import push_result

    if what == "pr":
        made = open_pull_request(workplace, store, run, settings=settings, to=to)
    else:
        made = Opened(push_result(workplace, store, run, settings=settings))
    warnings = warnings_of(load_state(store, run))
    if as_json:
        output.answer_json({"delivered": asdict(made), "warnings": warnings})
    else:
        output.narrate([output.colour_narration(said, "ask") for said in warnings])
        for line in said_of(made):
            output.answer(line)
        for note in made.notes:
            output.narrate(note)
    return 0


def delivered_at_end(
    workplace: Workplace, store: Store, run: str, what: Deliver, *, as_json: bool
) -> tuple[int, str]:
    """The same for a run that has ended: what goes wrong is told, and decides no more than that.

    The exit code, and a line that says what came of it.
    """
    from orchestrator.errors import OrchError
    from worktree.values import GitError

    try:
        return deliver_shown(workplace, store, run, what, as_json=as_json), ""
    except (OrchError, GitError) as error:
        said = error.message if isinstance(error, OrchError) else error.what
        output.narrate(f"{output.colour_narration('not delivered:', 'bad')} {foreign(said, 600)}")
        again = "orch accept --pr" if what == "pr" else "orch accept --push"
        hint = (
            f"{foreign(error.hint, 300)}; then: {again} {run}" if error.hint else f"{again} {run}"
        )
        output.narrate(f"  hint: {hint}")
        return FAILED, said


def said_of(made: object) -> list[str]:
    """What came of a push, a line each."""
    from orchestrator.forges.pull_request import Opened

    assert isinstance(made, Opened)
    pushed = made.pushed
    if pushed.outcome == "nothing":
        return [f"nothing to push: {pushed.why}"]
    word = "pushed" if pushed.outcome == "pushed" else "there already"
    where = foreign(pushed.where)
    lines = [f"{word}: {pushed.branch} at {short(pushed.commit)}, on {pushed.remote} ({where})"]
    if made.pull is not None:
        word = "opened" if made.is_new else "brought up to date"
        draft = " (a draft: something waits for a person)" if made.pull.draft else ""
        lines.append(
            f"pull request {made.pull.number} {word}{draft}: {foreign(made.pull.url, 500)}"
        )
    return [output.colour_answer(line, "good") for line in lines]
