"""Whether the settings' commands are those that this person trusts."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.doctor.findings import Finding, Visit
from orchestrator.review.words import count


def trust(visit: Visit) -> Iterator[Finding]:
    """How the commands stand; nothing is trusted by looking."""
    from orchestrator.config import load_sourced
    from orchestrator.trust import look

    if visit.settings is None:
        return
    workplace = visit.workplace
    found = look(workplace, load_sourced(workplace.checkout, visit.config_folder))
    match found.standing:
        case "same":
            yield Finding("trust", "good", "the settings' commands are those that you trusted")
        case "first":
            yield Finding("trust", "good", "nothing ran here yet: the first use trusts")
        case "changed":
            lines = count(len(found.changes()), "line")
            what = f"the settings' commands have changed since you trusted them ({lines})"
            yield Finding("trust", "odd", what, "orch trust")
        case "unknown":
            yield Finding("trust", "odd", found.why, "orch trust")
