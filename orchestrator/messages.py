"""The lines of a commit's message that come from somebody else's words. Pure.

A message ends with trailers that say what landed and by what. A title that brought lines of its
own could bring trailers of its own, or the line of dashes behind which git reads none: so it is
one line, without what a terminal obeys and without a NUL, which git takes in no message.
"""

from __future__ import annotations

from ledger.model import Task
from orchestrator.review.words import foreign

TITLE_LENGTH = 200
PROMPT_LENGTH = 72


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
    line = foreign(text, limit)
    return line.lstrip("-").lstrip() if line.startswith("---") else line
