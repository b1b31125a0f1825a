"""The lines of a commit's message: what a forge would make of them."""

from __future__ import annotations

import re

import pytest

from ledger.model import Task
from orchestrator.messages import closes_nothing, goal_line, subject_of, title_of

CLOSING = re.compile(
    r"\b(?:clos(?:e[sd]?|ing)|fix(?:e[sd]|ing)?|resolv(?:e[sd]?|ing)|implement(?:s|ed|ing)?)"
    r":? +"
    r"(?:(?:issues? +)?(?:[\w./-]*#\d+|g[hl]-\d+|https?://\S+/(?:issues|work_items)/\d+)"
    r"|[A-Z][A-Z0-9_]+-\d+)",
    re.IGNORECASE,
)
"""What forges look for by default, in one."""


@pytest.mark.parametrize(
    "said",
    [
        "Fixes #7",
        "closes: #7, #8 and owner/repo#9",
        "RESOLVED GH-7",
        "Implements gl-7",
        "fix issue #7",
        "Closes https://example.com/owner/repo/issues/7",
        "Closes https://example.com/group/repo/-/work_items/7",
        "Resolves TEA-7, MILK-8 and JAM-9",
        "fixes #\x007",
        "Fixes \x1b[1m#7",
    ],
)
def test_nothing_that_a_title_says_closes_an_issue(said: str) -> None:
    task = Task(id="a", title=said, prompt=said)
    lines = (title_of(task), subject_of(task), goal_line(said, "x"))
    for line in (*lines, subject_of(Task(id="a", prompt=said))):
        assert not CLOSING.search(line), line
        assert not re.search(r"#\d|gh-\d|gl-\d|issues/\d|items/\d|TEA-7|JAM-9", line, re.I), line
        assert "7" in line and line.isprintable(), "a reader still sees the number"


@pytest.mark.parametrize(
    "said",
    [
        "Fix UTF-8 and SHA-256",
        "Use #33aaff",
        "C# and F#",
        "Handle TEA-7 at last",
        "Close the file",
        "Port to Python 3.14",
    ],
)
def test_other_titles_stay_as_they_are(said: str) -> None:
    assert closes_nothing(said) == said


def test_a_title_stays_within_its_length() -> None:
    assert len(title_of(Task(id="a", title="#7 " * 500, prompt="x"))) <= 200
