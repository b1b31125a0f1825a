"""What can go wrong for a person: what, where, and what to type next.

1. Wrong use, settings or plans are `OrchError`s; the command line alone turns them into text
   on stderr and an exit code.
2. Whatever was found wrong in files is told at once, in one `Problems`, in the order of the files.
3. A warning stops nothing; it is a `Problem` too, so that it is shown in the same form.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning"]

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
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        said = self.what if self.level == "error" else f"warning: {self.what}"
        face = f"{place}: {said}" if place else said
        return f"{face}\n  hint: {self.hint}" if self.hint else face


class Problems(OrchError):
    """Everything that is wrong in one or more files, at once."""

    def __init__(self, problems: Iterable[Problem], *, exit_code: int = WRONG_USE) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "\n".join(problem.render() for problem in self.problems), exit_code=exit_code
        )


def in_file_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """By line within each file, files as they first came; what has no line goes first."""
    found = tuple(problems)
    files: dict[str, int] = {}
    for problem in found:
        files.setdefault(problem.file, len(files))
    return tuple(sorted(found, key=lambda one: (files[one.file], one.line or 0)))
