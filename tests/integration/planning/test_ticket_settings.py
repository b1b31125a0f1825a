"""Where tickets come from, in the settings: what is read, refused with its line, and trusted."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.connectors import TicketSettings
from orchestrator.config import load_settings, load_sourced, settings_differences
from orchestrator.errors import OrchError, Problems
from orchestrator.hiding import Hiding, refuse_secrets
from orchestrator.policy.commands import commands_of
from workers.redact import Redactor

SERVER = """[mcp.jira]
url = "https://example.com/mcp"
headers = { Authorization = "Bearer $JIRA_TOKEN" }
workers = []
tools = []

"""
WHOLE = """[tickets]
mcp = "jira"
tool = "get_issue"
argument = "issue_key"
arguments = { fields = "summary", comments = 0, html = false }
"""


def say(checkout: Path, text: str, name: str = "orch.toml") -> None:
    (checkout / ".agent").mkdir(exist_ok=True)
    (checkout / ".agent" / name).write_text(text)


def test_it_is_read_and_all_of_it_counts_for_trust(tmp_path: Path) -> None:
    say(tmp_path, SERVER + WHOLE)
    settings = load_settings(tmp_path)
    assert settings.tickets == TicketSettings(
        mcp="jira",
        tool="get_issue",
        argument="issue_key",
        arguments={"fields": "summary", "comments": 0, "html": False},
    )
    lines = commands_of(settings)
    for line in (
        'tickets: mcp = "jira"',
        'tickets: tool = "get_issue"',
        'tickets: argument = "issue_key"',
        'tickets: arguments "comments" = 0',
        'tickets: arguments "fields" = "summary"',
        'tickets: arguments "html" = false',
    ):
        assert line in lines
    hiding = Hiding(Redactor({"A_TOKEN": "correct-horse"}))
    refuse_secrets(settings, hiding)
    say(tmp_path, SERVER + WHOLE.replace('"summary"', '"correct-horse"'))
    with pytest.raises(OrchError, match=r"argument 'fields' of \[tickets\] holds"):
        refuse_secrets(load_settings(tmp_path), hiding)


def test_a_persons_own_stands_over_it_whole(tmp_path: Path) -> None:
    say(tmp_path, SERVER + WHOLE)
    before = load_settings(tmp_path)
    own = SERVER.replace("jira", "mine") + '[tickets]\nmcp = "mine"\ntool = "read"\n'
    say(tmp_path, own, "orch.local.toml")
    sourced = load_sourced(tmp_path)
    assert sourced.settings.tickets == TicketSettings(mcp="mine", tool="read")
    assert sourced.shared().tickets == before.tickets
    changed = settings_differences(before, sourced.settings)
    assert "tickets.tool" in changed and "tickets.arguments" in changed


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('tickets = "jira"\n' + SERVER, 1, "write: [tickets]"),
        (SERVER + WHOLE.replace('"jira"', '"jria"'), 8, "did you mean 'jira'?"),
        (SERVER + WHOLE.replace('mcp = "jira"\n', ""), 7, "'mcp' is missing"),
        (SERVER + WHOLE.replace("tool =", "tols ="), 9, "did you mean 'tool'?"),
        (SERVER + WHOLE.replace('"get_issue"', '"a\\nb"'), 9, "is no name that a tool has"),
        (SERVER + WHOLE.replace("fields =", "issue_key ="), 11, "gets the key of the ticket"),
        (SERVER + WHOLE.replace("0", "[0]"), 11, "'comments' must be text, a whole number"),
        (SERVER + WHOLE.replace("0", "9007199254740993"), 11, "too large a number"),
        (SERVER, 4, "only a server that [tickets] names is for none"),
    ],
)
def test_what_is_wrong_is_refused_in_words(
    tmp_path: Path, text: str, line: int, words: str
) -> None:
    say(tmp_path, text)
    with pytest.raises(Problems) as told:
        load_settings(tmp_path)
    assert words in str(told.value) and f".agent/orch.toml:{line}:" in str(told.value)
