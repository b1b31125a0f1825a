"""What all facts share."""

from __future__ import annotations

from typing import ClassVar

from ledger.model import TaskId, Value


class Fact(Value):
    """What every fact has: its kind in the body, its version beside it."""

    version: ClassVar[int] = 1


class HeadRef(Value):
    """The head of one attempt at one task."""

    task: TaskId
    attempt: int
