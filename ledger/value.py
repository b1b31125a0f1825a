"""What every noun and fact is built from. Pure values."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

TASK_ID = r"^[a-z0-9][a-z0-9-]{0,62}$"

TaskId = Annotated[str, Field(pattern=TASK_ID)]
RunId = str
"""For example `20261122-modernise-a1`: the date, words of the goal, a counter."""
Sha = str
"""A full object id of the repository, 40 or 64 hexadecimal digits."""
Network = bool | tuple[str, ...]
"""False: none but a loopback of its own; True: as the user has it; hosts: only those."""


class Value(BaseModel):
    """A frozen value with no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
