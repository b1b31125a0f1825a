"""What a forge answered, read into values: it is data, and may be anything."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from orchestrator.forges.base import ForgeError
from orchestrator.forges.http import Caller

T = TypeVar("T", bound=BaseModel)

MOST_LISTED = 50
MOST_PATHS = 100
_ADDRESS = re.compile(r"https?://[!#-;=?-\[\]_a-z~]{1,500}")
"""Of one word, and without what ends a link or begins markup where it is shown."""


def read(shape: type[T], caller: Caller, said: Any) -> T:
    """One value; ForgeError where the answer is something else."""
    try:
        return shape.model_validate(said)
    except ValidationError:
        raise ForgeError(
            f"{caller.repo.api} answered with something else than was asked for",
            "not-json",
            hint="see whether that is its API: kind and url below [forge]",
        ) from None


def read_list(shape: type[T], caller: Caller, path: str, params: Mapping[str, Any]) -> list[T]:
    """The first page of a list."""
    said = caller.call("GET", path, params=params)
    return [read(shape, caller, one) for one in (said if isinstance(said, list) else [None])]


def web_address(text: str) -> str:
    """An address as the forge gives it, where it is one; else nothing."""
    return text if _ADDRESS.fullmatch(text) else ""
