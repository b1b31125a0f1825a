"""The lines of a commit's message that come from somebody else's words. Pure.

1. A message ends with trailers that say what landed and by what. A title that brought lines of its
   own could bring trailers of its own, or the line of dashes behind which git reads none: so it is
   one line, without what a terminal obeys and without a NUL, which git takes in no message.
2. It closes no issue: "Fixes #7" in a message makes a forge close number 7, here or in another
   repository, once the commit is in its main branch; and a model, or whoever wrote an issue, is
   free to write that. So a number is told from its sign by a blank: a reader still sees it, and no
   forge takes it for an issue's, whichever words a project has taught it.
3. A tracker's key (`TEA-7`) is treated so behind a word that closes, unless it is a standard's.
"""

from __future__ import annotations

import re

from ledger.model import Task
from orchestrator.review.words import foreign

TITLE_LENGTH = 200
PROMPT_LENGTH = 72
_NUMBERED = re.compile(
    r"#(?=\d+\b)|\b(?:GH|GL)-(?=\d)|/(?:issues|work_items|epics)/(?=\d)", re.IGNORECASE
)
"""`#7`, `owner/repo#7`, `GH-7`, `https://example.com/owner/repo/-/issues/7`: before the number."""
_CLOSES = r"(?:clos(?:e[sd]?|ing)|fix(?:e[sd]|ing)?|resolv(?:e[sd]?|ing)|implement(?:s|ed|ing)?)"
_KEY = r"[A-Z][A-Z0-9_]+-\d+"
_KEYED = re.compile(rf"(?i:\b{_CLOSES}):?(?:[ ,]+(?:and )?{_KEY}\b)+")
_STANDARD = re.compile(r"(?:UTF|UCS|ISO|IEC|IEEE|RFC|PEP|CVE|CWE|SHA|MD|AES|CP|UTC|ES|PY|IPV)-")


def title_of(task: Task) -> str:
    """A task's title as one line; its id where it has none."""
    return _line(task.title, TITLE_LENGTH) or task.id


def subject_of(task: Task) -> str:
    """The same, but where it has no title, the beginning of its prompt."""
    prompt = task.prompt.strip().splitlines()[0]
    return _line(task.title, TITLE_LENGTH) or _line(prompt[:PROMPT_LENGTH]) or task.id


def goal_line(goal: str, otherwise: str) -> str:
    """The beginning of a goal as one line."""
    return _line(goal.strip().splitlines()[0][:PROMPT_LENGTH]) or otherwise


def _line(text: str, limit: int = PROMPT_LENGTH) -> str:
    line = foreign(closes_nothing(foreign(text, limit)), limit)
    return line.lstrip("-").lstrip() if line.startswith("---") else line


def closes_nothing(line: str) -> str:
    """A line in which a forge finds no issue to close (rules 2 and 3)."""
    told = _NUMBERED.sub(lambda found: f"{found.group()} ", line)
    return _KEYED.sub(lambda found: re.sub(_KEY, _parted, found.group()), told)


def _parted(key: re.Match[str]) -> str:
    text = key.group()
    return text if _STANDARD.match(text) else text.replace("-", "- ")
