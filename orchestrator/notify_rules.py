"""What `[notify]` may say, and how a person hears what is wrong in it.

1. The address of a webhook is often a secret: whoever knows it may write there. So a file names the
   variable that holds it, and what looks like the address itself is refused and not repeated.
2. A person's own files may say all of it, each key over that of the shared file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ledger.connectors import NotifySettings
from orchestrator.errors import Problem
from orchestrator.model_rules import KEY_VARIABLE
from orchestrator.shape import shape_problems
from orchestrator.toml_lines import Document

NOTIFY_KEYS = tuple(NotifySettings.model_fields)


def notify_problems(document: Document, table: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong in the table `[notify]` of a file, but for its command and variables."""
    yield from shape_problems(NotifySettings, table, document, ("notify",))
    name = table.get("webhook")
    if isinstance(name, str) and not KEY_VARIABLE.fullmatch(name):
        what = (
            "'webhook' is no name of a variable in capitals; an address itself belongs in no file"
        )
        hint = 'export SLACK_WEBHOOK=https://..., and write: webhook = "SLACK_WEBHOOK"'
        yield document.problem(("notify", "webhook"), what, hint)
