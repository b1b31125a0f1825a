"""What the store keeps, row by row: plain values, whose text is not looked into here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Stored:
    """An event as the store keeps it."""

    run: str
    seq: int
    at: float
    kind: str
    version: int
    body: str


@dataclass(frozen=True)
class StoredBeat:
    """A fact of an automation as the store keeps it."""

    automation: str
    seq: int
    at: float
    kind: str
    version: int
    body: str


@dataclass(frozen=True)
class StoredRun:
    """A run, with its newest number and when that was written."""

    run: str
    started: float
    goal: str
    newest: int
    last_at: float


@dataclass(frozen=True)
class Snapshot:
    """A run's state, folded up to a number by a version of the fold."""

    seq: int
    fold_version: int
    body: bytes


@dataclass(frozen=True)
class VerdictRow:
    """A verdict that may be used again."""

    key: str
    tree: str
    gate: str
    outcome: Literal["passed", "failed"]
    body: str


@dataclass(frozen=True)
class StoredVerdict(VerdictRow):
    """A verdict as the store keeps it."""

    run: str
    at: float
