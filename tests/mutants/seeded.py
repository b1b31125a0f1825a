"""A seeded bug: one change of the code that breaks a guarantee, and the tests that must fail."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Seeded:
    """One bug. `old` stands exactly once in the file."""

    name: str
    law: str
    """The promise that it breaks, in a few words."""
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    """Node ids of pytest; each may be a file, a test, or a test with its parameters."""
    needs_sandbox: bool = False
