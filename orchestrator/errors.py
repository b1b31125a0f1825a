"""What can go wrong for a person: what, where, and what to type next.

1. Wrong use, settings or plans are `OrchError`s; the command line alone turns them into text
   on stderr and an exit code.
2. Whatever was found wrong in files is told at once, in one `Problems`, in the order of the files.
3. A warning stops nothing; it is a `Problem` too, so that it is shown in the same form.
4. A file's own words are quoted in what is said of it. None of them can make a line of its own,
   pass for a hint, or push what else is wrong out of sight.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from worktree.names import quoted

Level = Literal["error", "warning"]

MOST_TOLD = 100
"""Problems that a person is told of at once; the rest is counted."""
MOST_SAID = 1000
"""Characters of one problem."""
WRONG_USE = 2
"""The exit code of wrong use, settings or plans."""


class OrchError(Exception):
    """Something a person can put right: a one-line face, a hint, an exit code."""

    def __init__(self, message: str, *, hint: str = "", exit_code: int = WRONG_USE) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code

    def render(self) -> str:
        """The message, and the hint below it."""
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message

    def __str__(self) -> str:
        return self.render()


def face_of(error: Exception) -> str:
    """What an error says, without the hint: for a record of what came of something."""
    return str(error).partition("\n  hint: ")[0]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong (or odd) in a file, and what to write instead."""

    file: str
    line: int | None
    what: str
    hint: str = ""
    level: Level = "error"

    def render(self) -> str:
        """`file:line: what`, and the hint below it."""
        place = quoted(self.file) if self.line is None else f"{quoted(self.file)}:{self.line}"
        what = quoted(self.what, MOST_SAID)
        said = what if self.level == "error" else f"warning: {what}"
        face = f"{place}: {said}" if place else said
        return f"{face}\n  hint: {quoted(self.hint, MOST_SAID)}" if self.hint else face


class Problems(OrchError):
    """Everything that is wrong in one or more files, at once."""

    def __init__(self, problems: Iterable[Problem], *, exit_code: int = WRONG_USE) -> None:
        self.problems = tuple(problems)
        told = [problem.render() for problem in self.problems[:MOST_TOLD]]
        if len(self.problems) > MOST_TOLD:
            told.append(f"... and {len(self.problems) - MOST_TOLD} more")
        super().__init__("\n".join(told), exit_code=exit_code)


def in_file_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """By line within each file, files as they first came; what has no line goes first."""
    found = tuple(problems)
    files: dict[str, int] = {}
    for problem in found:
        files.setdefault(problem.file, len(files))
    return tuple(sorted(found, key=lambda one: (files[one.file], one.line or 0)))
