"""What is done with a run that an automation started, once that has ended.

`ACTIONS` holds a function for each word of `on_end`. Each is told what it works on, and says what
came of it; OrchError where it cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ledger.heartbeat import EndAction, EndActionTaken
from ledger.schema import LedgerError
from orchestrator.errors import WRONG_USE, OrchError, face_of
from worktree.values import GitError

if TYPE_CHECKING:
    from ledger.automations import Automation
    from ledger.model import Settings
    from ledger.store import Store
    from orchestrator.notify import Told
    from orchestrator.workplace import Workplace


NO_WAYS = "nobody was told: no [notify] says how"


@dataclass(frozen=True)
class Ending:
    """A finished run, and the automation that started it, as it was then."""

    workplace: Workplace
    store: Store
    run: str
    automation: Automation


def _push(ending: Ending) -> str:
    from orchestrator.forges.ending import push_said

    return push_said(ending.workplace, ending.store, ending.run)


def _pull_request(ending: Ending) -> str:
    from orchestrator.forges.ending import pull_request_said

    return pull_request_said(ending.workplace, ending.store, ending.run)


def _notify(ending: Ending) -> str:
    """Tell a person how the run ended, by the ways that `[notify]` names."""
    from orchestrator.notify import has_ways, notify_end
    from orchestrator.runs import load_state

    settings = load_state(ending.store, ending.run).started.settings.notify
    if not has_ways(settings):
        raise OrchError(NO_WAYS, hint="orch notify")
    told = notify_end(ending.workplace, ending.store, ending.run)
    if told is not None and told.failed and not told.ways:
        raise OrchError(_not_told(told), hint="orch notify")
    return f"you were told ({', '.join(told.ways)})" if told else "there was nothing to tell"


ACTIONS: Mapping[str, Callable[[Ending], str]] = {
    "push": _push,
    "pr": _pull_request,
    "notify": _notify,
}
"""By the words of `on_end`: does it, and says in a line what was done."""


def act(ending: Ending, action: EndAction) -> EndActionTaken:
    """Do it, and tell what came of it; what a person can put right is told, never raised."""
    try:
        good, said = True, _accept(ending) if action == "accept" else ACTIONS[action](ending)
    except (OrchError, GitError) as error:
        good, said = False, face_of(error)
    return EndActionTaken(action=action, run=ending.run, good=good, said=said)


def tell_of_no_run(
    workplace: Workplace, settings: Settings, automation: Automation, error: Exception
) -> str:
    """Where `on_end` says so, tell a person that it came to no run; how that went, in words."""
    from orchestrator.notify import notify_no_run

    if "notify" not in automation.on_end:
        return ""
    code = error.exit_code if isinstance(error, OrchError) else WRONG_USE
    told = notify_no_run(workplace, settings, automation.name, code, face_of(error))
    if told is None:
        return NO_WAYS
    return _said(told)


def tell_of_break(ending: Ending, error: Exception) -> str:
    """Where `on_end` says so, tell that an engine broke off; how that went, in words."""
    from orchestrator.notify import notify_end

    if "notify" not in ending.automation.on_end:
        return ""
    broke = str(error).partition("\n")[0] or type(error).__name__
    try:
        told = notify_end(ending.workplace, ending.store, ending.run, broke=broke)
    except (OSError, OrchError, LedgerError, GitError) as trouble:
        return f"nobody was told: {face_of(trouble)}"
    return "" if told is None else _said(told)


def _said(told: Told) -> str:
    return f"you were told ({', '.join(told.ways)})" if told.ways else _not_told(told)


def _not_told(told: Told) -> str:
    return f"nobody was told: {'; '.join(told.failed)}"


def _accept(ending: Ending) -> str:
    """Bring the result into the branch that the automation names, and into no other."""
    import anyio

    from orchestrator.accept import accept

    into = ending.automation.into
    assert into is not None  # the rules of the settings see to that
    work = partial(accept, ending.workplace, ending.store, ending.run, to=into, makes=False)
    result = anyio.run(work)
    match result.outcome:
        case "accepted":
            return f"accepted into {into}"
        case "nothing":
            return result.why
        case _:
            raise OrchError(result.why, hint=result.hint)
