"""What was read of a function: its checks, its skips, and the helpers that it may call. Pure."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from orchestrator.verification.python_tests.claims import Claim
from orchestrator.verification.python_tests.scopes import Names

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Check:
    """One claim in its place."""

    claim: Claim
    line: int
    words: frozenset[str]
    sure: bool = True
    times: int | None = 1
    """How often it is asked in one run; None: nobody knows."""
    soft: bool = False
    """Nobody misses it: it may be none."""
    unseen: bool = False
    """It looks like a helper that checks, but what it does is not to be seen."""
    dead: str = ""
    """Why it cannot fail."""
    when: tuple[str, ...] = ()
    """The conditions that it stands under."""


@dataclass(frozen=True, slots=True)
class Skip:
    """Something that keeps a test from counting."""

    kind: Literal["skip", "xfail"]
    when: str
    """Under which condition; empty: always."""
    line: int
    where: str = ""
    """The scope that it is said in; empty: the test itself."""
    how: str = ""


@dataclass(slots=True)
class Body:
    """What was read of a function."""

    checks: list[Check] = field(default_factory=list)
    dead: list[Check] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)
    calls: int = 0
    """Calls that are reached."""
    yields: bool = False
    awaits: bool = False


@dataclass(frozen=True, slots=True)
class Helper:
    """A function that a call means."""

    node: FunctionNode
    names: Names
    owner: str
    shared: bool | None = None
    """It is there before and after, so that its own change is told at itself; whether a call of
    it is a check."""


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds what calls mean, and keeps what was read of it."""

    find: Callable[[ast.Call, str], Helper | None]
    """What a call means, within a class of that name."""
    known: dict[int, Body] = field(default_factory=dict)
    checking: frozenset[str] = frozenset()
    """Names of helpers that checked before, and are defined elsewhere now."""


@dataclass(frozen=True, slots=True)
class Where:
    """The place of a statement: what has to be so for it to be reached, and how often it is."""

    sure: bool = True
    times: int | None = 1
    dead: str = ""
    when: tuple[str, ...] = ()

    def under(self, *conditions: str) -> Where:
        """The same, where these hold too."""
        return replace(self, when=(*self.when, *conditions)) if conditions else self

    def rounds(self, count: int | None) -> Where:
        """The same, in a loop."""
        times = None if count is None or self.times is None else self.times * count
        return replace(self, times=times)

    def killed(self, why: str) -> Where:
        """The same, where nothing can fail."""
        return replace(self, dead=self.dead or why)
