"""A ticket is the goal of `orch plan --issue`: where it is asked for, and what is said of it.

1. Where the settings have `[tickets]`, what is typed is a key, and the tool that they name is
   asked. `#7` is an issue of the forge even then.
2. Without, it is the number of an issue of the forge, with `#` or without.
3. Before a server is started, its commands are trusted; what is no key or number is refused before.
"""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.cli import output
from orchestrator.cli.desk import open_here
from orchestrator.config import SourcedSettings
from orchestrator.errors import OrchError, Problems
from orchestrator.forges.base import TicketSource
from orchestrator.forges.tickets import fetch_goal, issue_number, ticket_key
from orchestrator.planned import sourced_of
from orchestrator.review.words import foreign
from orchestrator.workplace import Workplace


def goal_of_issue(environ: Mapping[str, str], typed: str) -> str:
    """The goal that a ticket is, said where it came from."""
    workplace = open_here(environ)
    sourced = None if _is_the_forges(typed) else _with_tickets(workplace, typed)
    if sourced is None:
        key = issue_number(typed)  # before anything is asked of a remote or a forge
        source = _forge(workplace)
    else:
        key = ticket_key(typed)
        source = _server(workplace, sourced)
    goal, ticket = fetch_goal(source, key)
    closed = "" if ticket.is_open else ", which is closed"
    where = f" ({foreign(ticket.url, 300)})" if ticket.url else ""
    output.narrate(f"issue {ticket.number}{closed}: {foreign(ticket.title)}{where}")
    return goal


def _is_the_forges(typed: str) -> bool:
    return typed.strip().startswith("#")


def _with_tickets(workplace: Workplace, typed: str) -> SourcedSettings | None:
    """The settings, where they say where tickets come from."""
    try:
        sourced = sourced_of(workplace)
    except Problems:
        if not typed.strip().isdigit():
            raise
        return None  # a forge needs none; what is wrong in them is told when the plan is made
    except OrchError:
        return None
    return sourced if sourced.settings.tickets else None


def _forge(workplace: Workplace) -> TicketSource:
    from orchestrator.cli.delivering import forge_now
    from orchestrator.forges.opening import open_forge

    return open_forge(workplace, forge_now(workplace))


def _server(workplace: Workplace, sourced: SourcedSettings) -> TicketSource:
    from orchestrator.cli.trusting import require_trust
    from orchestrator.tickets.by_mcp import McpTickets

    workplace.refuse_nested()
    require_trust(workplace, sourced, attended=output.can_ask())
    return McpTickets(
        workplace,
        sourced.settings,
        on_wait=output.narrate,
        on_notice=lambda what, hint: output.narrate([foreign(what, 300), f"  hint: {hint}"]),
    )
